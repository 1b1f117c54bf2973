//! What the tests of several rooms share: a clock that is set by hand, an API server and a bank in memory.

use std::{
    convert::Infallible,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use hyper::{Request, Response};
use jiff::Timestamp;
use kube::client::Body;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::service_fn;
use zeroize::Zeroizing;

use super::bank::Banks;
use crate::{
    api::BunqOAuthClient,
    bunq::{self, Bank, BaseUrl, Endpoints, KeyPair, Transport, TransportError},
    clock::Clock,
};

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

/// Keeps what it is given, whatever it is: nothing is there before.
pub(crate) fn keeper(line: &str, body: &Value) -> (u16, Value) {
    match line.split(' ').next() {
        Some("GET") if line.ends_with("/secrets") => (200, json!({"metadata": {}, "items": []})),
        Some("GET") => refusal(404, "NotFound"),
        _ => {
            let mut kept = body.clone();
            kept["metadata"]["resourceVersion"] = json!("1");
            (200, kept)
        }
    }
}

static BANKS_KEYS: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());

/// A bank that answers each call as a test says, signs it, and remembers what it was asked.
pub(crate) struct ScriptedBank<A> {
    answer: A,
    asked: Mutex<Vec<String>>,
}

impl<A> ScriptedBank<A>
where
    A: Fn(&str) -> (u16, Value) + Send + Sync + 'static,
{
    /// `answer` is given method and path, and names status and body; a handshake goes well by itself.
    pub(crate) fn new(answer: A) -> Arc<Self> {
        Arc::new(Self { answer, asked: Mutex::default() })
    }

    /// The bank of either environment.
    pub(crate) fn banks(self: &Arc<Self>) -> Banks {
        let base = BaseUrl::parse("http://127.0.0.1:9/v1/").unwrap();
        let bank = Bank::new(Endpoints::overridden(base), Arc::clone(self) as Arc<dyn Transport>, "test/1");
        Banks { production: bank.clone(), sandbox: bank }
    }

    /// Every call so far, as method and path.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl<A> Transport for ScriptedBank<A>
where
    A: Fn(&str) -> (u16, Value) + Send + Sync + 'static,
{
    fn send(&self, request: bunq::Request) -> BoxFuture<'_, Result<bunq::Response, TransportError>> {
        let path = request.url.trim_start_matches("http://127.0.0.1:9/v1/");
        let line = format!("{} {path}", request.method.as_str());
        let (status, body) = greeting(&line).unwrap_or_else(|| (self.answer)(&line));
        self.asked.lock().unwrap().push(line);
        let body = body.to_string().into_bytes();
        let signature = HeaderValue::from_str(&BANKS_KEYS.sign(&body).unwrap()).unwrap();
        let echo = HeaderName::from_static("x-bunq-client-request-id");
        let mut headers = HeaderMap::new();
        headers.insert(echo.clone(), request.headers[&echo].clone());
        headers.insert(HeaderName::from_static("x-bunq-server-signature"), signature);
        Box::pin(std::future::ready(Ok(bunq::Response { status, headers, body: Zeroizing::new(body) })))
    }
}

/// The handshake goes well.
fn greeting(line: &str) -> Option<(u16, Value)> {
    let response = match line {
        "POST installation" => json!([
            {"Token": {"token": "installation"}},
            {"ServerPublicKey": {"server_public_key": BANKS_KEYS.public_spki_pem().unwrap()}},
        ]),
        "POST device-server" => json!([{"Id": {"id": 3}}]),
        "POST session-server" => json!([
            {"Token": {"token": "session"}},
            {"UserPerson": {"id": 7, "session_timeout": 3600}},
        ]),
        "GET user/7/credential-password-ip" => json!([]),
        _ => return None,
    };
    Some((200, json!({"Response": response})))
}

/// The body of a refusal by the bank.
pub(crate) fn bank_refusal(status: u16) -> (u16, Value) {
    (status, json!({"Error": [{"error_description": "no", "error_description_translated": "no"}]}))
}

/// The manifest `shop/app` of generation 3, with more metadata.
pub(crate) fn manifest(metadata: &Value) -> BunqOAuthClient {
    let mut object = json!({
        "apiVersion": "bunq-operator.io/v1alpha1", "kind": "BunqOAuthClient",
        "metadata": {"name": "app", "namespace": "shop", "uid": "u1", "generation": 3},
        "spec": {
            "displayName": "App", "redirectUrl": "https://a.example",
            "credentials": {"apiKeySecretRef": {"name": "bunq"}},
        },
    });
    if let (Some(all), Some(more)) = (object["metadata"].as_object_mut(), metadata.as_object()) {
        all.extend(more.clone());
    }
    serde_json::from_value(object).unwrap()
}
