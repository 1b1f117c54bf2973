//! Counts the requests to the API server, as client-go does.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::{BoxFuture, FutureExt};
use hyper::{Method, Request, Response, StatusCode, Uri};
use tower::{Layer, Service};

use super::metrics::{Metrics, RestCall, RestCode};

/// Put around a client, counts whatever goes through it.
#[derive(Debug, Clone)]
pub struct CountRequests {
    metrics: Arc<Metrics>,
    host: Arc<str>,
}

impl CountRequests {
    /// Counts requests to this API server.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, server: &Uri) -> Self {
        Self { metrics, host: host_and_port(server).into() }
    }
}

fn host_and_port(server: &Uri) -> String {
    format!("{}:{}", server.host().unwrap_or_default(), port(server))
}

/// The port of a server, also if its URL leaves it out.
pub(super) fn port(server: &Uri) -> u16 {
    let default = if server.scheme_str() == Some("http") { 80 } else { 443 };
    server.port_u16().unwrap_or(default)
}

impl<S> Layer<S> for CountRequests {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, count: self.clone() }
    }
}

/// A client whose requests are counted.
#[derive(Debug, Clone)]
pub struct Counted<S> {
    inner: S,
    count: CountRequests,
}

impl<S, B, A> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<A>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    A: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let pending = Pending { count: self.count.clone(), method: word(request.method()), code: RestCode::NoAnswer };
        let answer = self.inner.call(request);
        async move {
            let answer = answer.await;
            pending.answered(answer.as_ref().ok().map(Response::status));
            answer
        }
        .boxed()
    }
}

/// A request under way. Whoever stops waiting for it had no answer, and it counts all the same.
struct Pending {
    count: CountRequests,
    method: &'static str,
    code: RestCode,
}

impl Pending {
    fn answered(mut self, status: Option<StatusCode>) {
        self.code = status.map_or(RestCode::NoAnswer, |status| RestCode::Status(status.as_u16()));
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Self { count, method, code } = self;
        count.metrics.rest_call(&RestCall { code: *code, method, host: Arc::clone(&count.host) });
    }
}

/// The methods that Kubernetes has: a closed set.
fn word(method: &Method) -> &'static str {
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    known.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER")
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future, io};

    use tower::service_fn;

    use super::*;

    fn counted<S>(inner: S) -> (Arc<Metrics>, Counted<S>) {
        let metrics = Arc::new(Metrics::new());
        let server = Uri::from_static("https://10.96.0.1");
        (Arc::clone(&metrics), CountRequests::new(metrics, &server).layer(inner))
    }

    fn series(metrics: &Metrics) -> Vec<String> {
        let text = metrics.prometheus_text().unwrap();
        text.lines().filter(|line| line.starts_with("rest_client_requests_total{")).map(str::to_owned).collect()
    }

    fn request(method: &str) -> Request<()> {
        Request::builder().method(method).body(()).unwrap()
    }

    #[tokio::test]
    async fn an_answer_counts_with_its_code_method_and_host() {
        let answer = |_| future::ready(Ok::<_, Infallible>(Response::builder().status(409).body(()).unwrap()));
        let (metrics, mut client) = counted(service_fn(answer));

        client.call(request("PATCH")).await.unwrap();
        client.call(request("PATCH")).await.unwrap();

        let expected = "rest_client_requests_total{code=\"409\",method=\"PATCH\",host=\"10.96.0.1:443\"} 2";
        assert_eq!(series(&metrics), [expected]);
    }

    #[tokio::test]
    async fn a_request_without_an_answer_is_an_error_also_when_nobody_waits_for_it_any_more() {
        let refused = |request: Request<()>| async move {
            if request.method() == Method::GET {
                return future::pending().await;
            }
            Err::<Response<()>, _>(io::Error::other("connection refused"))
        };
        let (metrics, mut client) = counted(service_fn(refused));

        client.call(request("DELETE")).await.unwrap_err();
        drop(client.call(request("GET")));

        let count = |method: &str| {
            format!("rest_client_requests_total{{code=\"<error>\",method=\"{method}\",host=\"10.96.0.1:443\"}} 1")
        };
        let mut found = series(&metrics);
        found.sort();
        assert_eq!(found, [count("DELETE"), count("GET")]);
    }

    #[test]
    fn a_port_that_is_named_stays() {
        assert_eq!(host_and_port(&Uri::from_static("https://api.example:6443/base")), "api.example:6443");
        assert_eq!(host_and_port(&Uri::from_static("http://[::1]/")), "[::1]:80");
    }
}
