//! A Kubernetes client before whose requests a test does something of its own.

use std::{future::Future, io, sync::Arc};

use hyper::{Request, Response, StatusCode};
use kube::{Client, client::Body};
use serde_json::json;

/// Sends what it is given through `inner`, after `before` has seen method and path and is done.
pub fn meddled<Before, Done>(inner: Client, before: Before) -> Client
where
    Before: Fn(String) -> Done + Send + Sync + 'static,
    Done: Future<Output = ()> + Send,
{
    let namespace = inner.default_namespace().to_owned();
    let before = Arc::new(before);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (inner, before) = (inner.clone(), Arc::clone(&before));
        async move {
            before(format!("{} {}", request.method(), request.uri())).await;
            inner.send(request).await
        }
    });
    Client::new(service, namespace)
}

/// The API server behind `inner` as if it streamed no lists: what there is comes in pages, and watches after it.
#[must_use]
pub fn without_streams(inner: Client) -> Client {
    let namespace = inner.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let inner = inner.clone();
        async move {
            if is_stream(&request) { refusal_of_streams() } else { inner.send(request).await.map_err(io::Error::other) }
        }
    });
    Client::new(service, namespace)
}

/// Whether it asks for a watch that begins with what there is.
#[must_use]
pub fn is_stream(request: &Request<Body>) -> bool {
    request.uri().query().unwrap_or_default().contains("sendInitialEvents=true")
}

/// What a real server says that streams no lists.
pub fn refusal_of_streams() -> io::Result<Response<Body>> {
    let said = "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden \
                for watch unless the WatchList feature gate is enabled";
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Invalid",
        "message": said, "code": 422,
    });
    let answer = Response::builder().status(StatusCode::UNPROCESSABLE_ENTITY);
    answer.body(Body::from(status.to_string().into_bytes())).map_err(io::Error::other)
}
