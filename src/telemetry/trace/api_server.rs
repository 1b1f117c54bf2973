//! A span for each request to the API server that belongs to a trace.

use std::task::{Context, Poll};

use futures::{FutureExt, future::BoxFuture};
use hyper::{Request, Response, Uri};
use opentelemetry::trace::TraceContextExt;
use tower::{Layer, Service};
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::telemetry::rest_client;

/// Puts a span around each request that a traced pass makes; watches and what else runs outside of
/// passes have none.
#[derive(Clone, Debug)]
pub struct ApiServerSpans {
    /// Requests do not know it yet when they pass here.
    server: Uri,
}

impl ApiServerSpans {
    /// For a client of the API server at this URL.
    #[must_use]
    pub fn new(server: &Uri) -> Self {
        Self { server: server.clone() }
    }
}

impl<S> Layer<S> for ApiServerSpans {
    type Service = Spanned<S>;

    fn layer(&self, inner: S) -> Spanned<S> {
        Spanned { inner, server: self.server.clone() }
    }
}

/// What [`ApiServerSpans`] makes of a client.
#[derive(Clone, Debug)]
pub struct Spanned<S> {
    inner: S,
    server: Uri,
}

impl<S, B, A> Service<Request<B>> for Spanned<S>
where
    S: Service<Request<B>, Response = Response<A>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !Span::current().context().span().span_context().is_valid() {
            return self.inner.call(request).boxed();
        }
        let span = span(&request, &self.server);
        let answer = span.in_scope(|| self.inner.call(request));
        let end = End { span: span.clone(), status: None };
        async move {
            let mut end = end;
            let answer = answer.await;
            end.status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            answer
        }
        .instrument(span)
        .boxed()
    }
}

/// As the semantic conventions for HTTP clients have it, but for `url.full`: it holds names.
fn span<B>(request: &Request<B>, server: &Uri) -> Span {
    let (method, template) = (request.method().as_str(), template(request.uri()));
    tracing::debug_span!(
        "api_server_call",
        otel.name = format_args!("{method} {template}"),
        otel.kind = "client",
        http.request.method = method,
        url.template = template,
        server.address = server.host(),
        server.port = rest_client::port(server),
        http.response.status_code = tracing::field::Empty,
        error.type = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
    )
}

/// Writes down what became of a request, also when its deadline passed and nobody waits any more.
struct End {
    span: Span,
    status: Option<u16>,
}

impl Drop for End {
    fn drop(&mut self) {
        record(&self.span, self.status);
    }
}

/// 404 is an answer, and often the expected one.
fn record(span: &Span, status: Option<u16>) {
    if let Some(status) = status {
        span.record("http.response.status_code", status);
    }
    let error = match status {
        Some(404) => return,
        Some(status) if status >= 400 => status.to_string(),
        Some(_) => return,
        None => "no_answer".to_owned(),
    };
    span.record("error.type", error);
    span.record("otel.status_code", "ERROR");
}

/// The path with its names left open.
fn template(uri: &Uri) -> String {
    let mut open = String::new();
    let segments: Vec<&str> = uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
    // /api/v1/… or /apis/group/version/…
    let head = match segments.first() {
        Some(&"api") => 2,
        Some(&"apis") => 3,
        Some(_) | None => segments.len(),
    };
    let is_namespaced = segments.get(head) == Some(&"namespaces") && segments.len() > head + 2;
    let resource = if is_namespaced { head + 2 } else { head };
    for (index, segment) in segments.iter().enumerate() {
        open.push('/');
        open.push_str(match index {
            _ if is_namespaced && index == head + 1 => "{namespace}",
            _ if index == resource + 1 => "{name}",
            _ => segment,
        });
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_holds_no_name() {
        let cases = [
            ("/api/v1/namespaces/shop/secrets/my-app?x=y", "/api/v1/namespaces/{namespace}/secrets/{name}"),
            ("/api/v1/namespaces/shop/configmaps", "/api/v1/namespaces/{namespace}/configmaps"),
            (
                "/apis/bunq-operator.io/v1alpha1/namespaces/shop/bunqoauthclients/my-app/status",
                "/apis/bunq-operator.io/v1alpha1/namespaces/{namespace}/bunqoauthclients/{name}/status",
            ),
            ("/apis/bunq-operator.io/v1alpha1/bunqoauthclients", "/apis/bunq-operator.io/v1alpha1/bunqoauthclients"),
            ("/api/v1/namespaces/shop", "/api/v1/namespaces/{name}"),
            ("/version", "/version"),
        ];
        for (path, wanted) in cases {
            assert_eq!(template(&format!("https://10.0.0.1:6443{path}").parse().unwrap()), wanted);
        }
    }
}
