//! What the tests of several rooms share: a clock that is set by hand, and an API server in memory.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::{Request, Response};
use jiff::Timestamp;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::service_fn;

use crate::clock::Clock;

/// A clock that is set by hand; wall time begins with the epoch.
#[derive(Default)]
pub(crate) struct Seconds(AtomicU64);

impl Seconds {
    pub(crate) fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for Seconds {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH.saturating_add(self.monotonic()).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }

    fn jumps(&self) -> watch::Receiver<u64> {
        watch::Sender::new(0).subscribe()
    }
}

/// An API server that answers each request as a test says, and remembers what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// A client whose requests `answer` is given as method and path; it names status and body.
    pub(crate) fn client(
        &self,
        answer: impl Fn(&str, &Value) -> (u16, Value) + Clone + Send + Sync + 'static,
    ) -> kube::Client {
        let asked = Arc::clone(&self.asked);
        let service = service_fn(move |request: Request<Body>| {
            let (asked, answer) = (Arc::clone(&asked), answer.clone());
            async move {
                let line = format!("{} {}", request.method(), request.uri().path());
                let sent = request.into_body().collect_bytes().await.unwrap_or_default();
                let (status, body) = answer(&line, &serde_json::from_slice(&sent).unwrap_or_default());
                asked.lock().unwrap().push(line);
                let body = Body::from(body.to_string().into_bytes());
                Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
            }
        });
        kube::Client::new(service, "default")
    }

    /// Every request so far, as method and path.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The body of a refusal.
pub(crate) fn refusal(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason});
    (code, status)
}
