//! Traces by OpenTelemetry: off unless the standard `OTEL_*` variables ask for them. A pass is the
//! root, its calls are the children.
//!
//! Only spans of this crate go out, never a library's and never a log line: those could hold what
//! nobody may read (`H05`). The variables that are not named here are read by the OpenTelemetry
//! crates themselves: endpoint, headers, timeout, sampler, batch sizes, resource attributes.
//!
//! | module | holds |
//! |---|---|
//! | `api_server` | a span for each request to the API server |
//! | `post` | the way of the spans to the collector |

mod api_server;
mod post;

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    trace::{Status, TraceContextExt, TraceId, TracerProvider},
};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, TelemetryResourceDetector},
    trace::SdkTracerProvider,
};
use thiserror::Error;
use tokio::runtime::Handle;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, Registry, filter::filter_fn};

pub use self::api_server::ApiServerSpans;
use self::post::Post;
use super::version::VERSION;

const SERVICE: &str = "bunq-oauth-operator";
/// What is left at the end is sent within this time, or not at all.
const FLUSH: Duration = Duration::from_secs(2);
/// The one protocol that is built in; it is also the standard's default.
const PROTOCOL: &str = "http/protobuf";

/// Why there are no traces although they were asked for.
#[derive(Debug, Error)]
pub enum TraceError {
    /// Another exporter or protocol than the one that is built in.
    #[error("export traces by {variable}={value}: only {supported} is built in")]
    Unsupported {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What it can be.
        supported: &'static str,
    },
    /// The HTTP client cannot be set up.
    #[error("set up the HTTP client for traces")]
    Client(#[source] reqwest::Error),
    /// The exporter does not take what the variables say.
    #[error("set up the exporter of traces")]
    Exporter(#[source] ExporterBuildError),
}

/// The way of spans to the collector, until [`Traces::finish`].
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts exporting if the environment asks for it; `variable` looks one up. Requests are made
    /// on `runtime`, everything else on a thread of its own.
    pub fn start(runtime: &Handle, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, TraceError> {
        if !is_asked_for(&variable)? {
            return Ok(None);
        }
        let post = Post::new(runtime.clone()).map_err(TraceError::Client)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(post)
            .with_protocol(Protocol::HttpBinary)
            .build()
            .map_err(TraceError::Exporter)?;
        let provider =
            SdkTracerProvider::builder().with_resource(resource(&variable)).with_batch_exporter(exporter).build();
        Ok(Some(Self { provider }))
    }

    /// What hands our spans over.
    pub(super) fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        tracing_opentelemetry::layer()
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_tracer(self.provider.tracer(SERVICE))
            .with_filter(filter_fn(|metadata| {
                metadata.is_span() && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
            }))
            .boxed()
    }

    /// Sends what is left. Blocks, at most for two seconds.
    pub fn finish(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "the last spans could not be exported");
        }
    }
}

/// Writes the trace's id into the field `trace_id` of its root, so that every log line of a pass
/// has it. Does nothing without traces.
pub fn show_id(span: &Span) {
    let id = span.context().span().span_context().trace_id();
    if id != TraceId::INVALID {
        span.record("trace_id", tracing::field::display(id));
    }
}

/// Marks a span as failed.
pub fn fail(span: &Span, error_type: &'static str) {
    span.set_attribute("error.type", error_type);
    span.set_status(Status::error(""));
}

/// By an exporter that is named, or by an endpoint that is.
fn is_asked_for(variable: &impl Fn(&str) -> Option<String>) -> Result<bool, TraceError> {
    let set = |name| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    if set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(false);
    }
    match set("OTEL_TRACES_EXPORTER").as_deref() {
        Some("none") => return Ok(false),
        Some("otlp") => {}
        Some(other) => return Err(unsupported("OTEL_TRACES_EXPORTER", other, "otlp")),
        None if ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]
            .into_iter()
            .all(|name| set(name).is_none()) =>
        {
            return Ok(false);
        }
        None => {}
    }
    let protocol = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]
        .into_iter()
        .find_map(|name| set(name).map(|value| (name, value)));
    match protocol {
        Some((name, value)) if value != PROTOCOL => Err(unsupported(name, &value, PROTOCOL)),
        Some(_) | None => Ok(true),
    }
}

fn unsupported(variable: &'static str, value: &str, supported: &'static str) -> TraceError {
    TraceError::Unsupported { variable, value: value.to_owned(), supported }
}

/// Who sends the spans; what `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` say goes first.
fn resource(variable: &impl Fn(&str) -> Option<String>) -> Resource {
    let namespace = variable("POD_NAMESPACE");
    let known = [
        // A pod is called as its host, unless its manifest says otherwise.
        ("service.name", Some(SERVICE.to_owned())),
        ("service.version", Some(VERSION.to_owned())),
        ("k8s.pod.name", variable("POD_NAME").or_else(|| namespace.as_ref().and_then(|_| variable("HOSTNAME")))),
        ("k8s.namespace.name", namespace),
    ];
    let known = known.into_iter().filter_map(|(name, value)| Some(KeyValue::new(name, value?)));
    let resource = Resource::builder_empty()
        .with_attributes(known)
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match variable("OTEL_SERVICE_NAME").filter(|name| !name.is_empty()) {
        Some(name) => resource.with_service_name(name),
        None => resource,
    }
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(variables: &[(&str, &str)]) -> Result<bool, String> {
        let look_up = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        is_asked_for(&look_up).map_err(|error| error.to_string())
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    #[test]
    fn traces_are_off_unless_an_exporter_or_an_endpoint_is_named() {
        assert_eq!(asked(&[]), Ok(false));
        assert_eq!(asked(&[("OTEL_SERVICE_NAME", "x"), ("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), Ok(false));
        assert_eq!(asked(&[ENDPOINT]), Ok(true));
        assert_eq!(asked(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318/v1/traces")]), Ok(true));
        assert_eq!(asked(&[("OTEL_TRACES_EXPORTER", "otlp")]), Ok(true));
    }

    #[test]
    fn what_turns_them_off_wins() {
        assert_eq!(asked(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]), Ok(false));
        assert_eq!(asked(&[ENDPOINT, ("OTEL_SDK_DISABLED", "false")]), Ok(true));
        assert_eq!(asked(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]), Ok(false));
    }

    #[test]
    fn what_is_not_built_in_is_refused_by_name() {
        let error = asked(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err();
        assert!(error.contains("OTEL_EXPORTER_OTLP_PROTOCOL=grpc") && error.contains(PROTOCOL), "{error}");
        assert!(asked(&[("OTEL_TRACES_EXPORTER", "console")]).is_err());
        assert_eq!(asked(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", PROTOCOL)]), Ok(true));
    }
}
