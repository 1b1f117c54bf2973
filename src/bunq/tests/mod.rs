//! Tests of the client against a scripted bank behind the `Transport` seam.

mod audit;
mod base_url;
mod bodies;
mod calls;
mod context;
mod hostile;
mod http;
mod limit;
mod listing;
mod properties;
mod refusals;
mod signature;
mod tampered;
mod texts;
mod trust;

use std::{
    collections::VecDeque,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{
    Access, ApiKey, Bank, BaseUrl, Endpoints, Installed, KeyPair, Method, Request, Response, ServerKey, Transport,
    TransportError,
};

pub(super) const USER: u64 = 7;
pub(super) const TOKEN: &str = "session-token-canary";
pub(super) const API_KEY: &str = "sandbox_api-key-canary";

static CLIENT_KEYS: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());
static SERVER_KEYS: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());

/// A request as the bank saw it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
    pub(super) deadline: Duration,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.body.as_ref().unwrap()).unwrap()
    }
}

type Script = Box<dyn FnOnce(&Request) -> Result<Response, TransportError> + Send>;

/// Answers what it was told, in order, and remembers what it was asked.
#[derive(Default)]
pub(super) struct FakeBank {
    script: Mutex<VecDeque<Script>>,
    seen: Mutex<Vec<Seen>>,
}

impl Transport for FakeBank {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let script = self.script.lock().unwrap().pop_front();
        let answer = script.expect("an unexpected request")(&request);
        self.seen.lock().unwrap().push(Seen {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body.map(|body| body.to_vec()),
            deadline: request.deadline,
        });
        Box::pin(async move { answer })
    }
}

/// A bank, its client, and what a handshake would have given.
pub(super) struct World {
    pub(super) bank: Bank,
    pub(super) fake: Arc<FakeBank>,
    pub(super) server_key: ServerKey,
    pub(super) token: SecretString,
    pub(super) api_key: ApiKey,
}

impl World {
    pub(super) fn new() -> Self {
        let fake = Arc::new(FakeBank::default());
        let base = BaseUrl::parse("http://127.0.0.1:9/v1/").unwrap();
        let bank = Bank::new(Endpoints::overridden(base), fake.clone(), "test/1").with_page_pause(Duration::ZERO);
        Self {
            bank,
            fake,
            server_key: server_key(),
            token: SecretString::from(TOKEN),
            api_key: ApiKey::new(API_KEY).unwrap(),
        }
    }

    pub(super) fn access(&self) -> Access<'_> {
        Access { key_pair: client_keys(), server_key: &self.server_key, session_token: &self.token, user_id: USER }
    }

    pub(super) fn installed(&self) -> Installed<'_> {
        Installed { key_pair: client_keys(), server_key: &self.server_key, token: &self.token }
    }

    /// The next answer is made by hand.
    pub(super) fn script(
        &self,
        script: impl FnOnce(&Request) -> Result<Response, TransportError> + Send + 'static,
    ) -> &Self {
        self.fake.script.lock().unwrap().push_back(Box::new(script));
        self
    }

    /// The next answer is signed and echoes the request id.
    pub(super) fn answer(&self, status: u16, body: impl Into<Vec<u8>>) -> &Self {
        let body = body.into();
        self.script(move |request| Ok(signed(request, status, body)))
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.fake.seen.lock().unwrap())
    }

    /// The only request so far.
    pub(super) fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1);
        seen.pop().unwrap()
    }
}

pub(super) fn client_keys() -> &'static KeyPair {
    &CLIENT_KEYS
}

pub(super) fn server_keys() -> &'static KeyPair {
    &SERVER_KEYS
}

pub(super) fn server_key() -> ServerKey {
    ServerKey::from_spki_pem(&SERVER_KEYS.public_spki_pem().unwrap()).unwrap()
}

pub(super) fn signed(request: &Request, status: u16, body: Vec<u8>) -> Response {
    let signature = SERVER_KEYS.sign(&body).unwrap();
    let mut response = unsigned(request, status, body);
    set(&mut response, "x-bunq-server-signature", &signature);
    response
}

pub(super) fn unsigned(request: &Request, status: u16, body: Vec<u8>) -> Response {
    let mut headers = HeaderMap::new();
    let echo = HeaderName::from_static("x-bunq-client-request-id");
    headers.insert(echo.clone(), request.headers[&echo].clone());
    headers.insert(HeaderName::from_static("x-bunq-client-response-id"), HeaderValue::from_static("0f4c5d1e-response"));
    Response { status, headers, body: Zeroizing::new(body) }
}

pub(super) fn set(response: &mut Response, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).unwrap();
    response.headers.insert(HeaderName::from_static(name), value);
}

pub(super) fn refusal(text: &str) -> Vec<u8> {
    serde_json::json!({"Error": [{
        "error_description": text,
        "error_description_translated": text,
    }]})
    .to_string()
    .into_bytes()
}

/// For tests that are not async, such as properties.
pub(super) fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
