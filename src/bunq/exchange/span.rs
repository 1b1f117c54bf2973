//! A span for each request to the bank, as the semantic conventions for HTTP clients have it, but for
//! `url.full`: it holds ids.

use tracing::{Span, field::Empty};

use crate::bunq::{
    answer::Believed,
    ground::{Call, Class, Endpoints, Error, Fault},
};

/// The span of one request; it costs nothing while nobody collects it.
pub(super) fn of(call: Call, endpoints: &Endpoints, request_id: &str) -> Span {
    let (method, template) = (call.method().as_str(), call.template());
    let (address, port) = endpoints.base.host_and_port();
    tracing::debug_span!(
        "bank_call",
        otel.name = format_args!("{method} /v1/{template}"),
        otel.kind = "client",
        http.request.method = method,
        url.template = format_args!("/v1/{template}"),
        server.address = address,
        server.port = port,
        http.response.status_code = Empty,
        error.type = Empty,
        otel.status_code = Empty,
        bunq.request_id = request_id,
        bunq.response_id = Empty,
    )
}

/// What became of it. 404 is an answer, and often the expected one.
pub(super) fn record(span: &Span, result: &Result<Believed, Error>) {
    let (status, response_id) = match result {
        Ok(believed) => (Some(believed.status), believed.response_id.as_deref()),
        Err(error) => (error.status(), error.response_id()),
    };
    span.record("http.response.status_code", status);
    span.record("bunq.response_id", response_id);
    let Err(error) = result else { return };
    match (error, error.class()) {
        (_, Class::NotFound) => return,
        (Error::Reach { source, .. }, _) => span.record("error.type", word(source.fault)),
        (_, Class::Unverified) => span.record("error.type", "unverified"),
        (_, _) => span.record("error.type", status.map(|status| status.to_string())),
    };
    span.record("otel.status_code", "ERROR");
}

fn word(fault: Fault) -> &'static str {
    match fault {
        Fault::Invalid => "invalid",
        Fault::Withheld => "withheld",
        Fault::Dns => "dns",
        Fault::Connect => "connect",
        Fault::Tls => "tls",
        Fault::Timeout => "timeout",
        Fault::Interrupted => "interrupted",
        Fault::TooLarge => "too_large",
    }
}
