//! A Kubernetes client before whose requests a test does something of its own.

use std::{future::Future, sync::Arc};

use hyper::Request;
use kube::{Client, client::Body};

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
