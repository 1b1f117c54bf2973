//! A raw client: reqwest, the `rsa` crate, and nothing that hides bytes.

use std::sync::OnceLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, header::HeaderMap};
use rsa::{
    RsaPrivateKey,
    pkcs1v15::SigningKey,
    pkcs8::{EncodePublicKey, LineEnding},
    sha2::Sha256,
    signature::{SignatureEncoding, Signer},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::sandbox::{Options, Sandbox, User, keys};

/// One key pair for all probes: making one takes a while.
fn key() -> &'static RsaPrivateKey {
    static KEY: OnceLock<RsaPrivateKey> = OnceLock::new();
    KEY.get_or_init(|| RsaPrivateKey::new(&mut rand::thread_rng(), 2048).unwrap())
}

pub(super) fn public_pem() -> String {
    let public = key().to_public_key();
    public.to_public_key_pem(LineEnding::LF).unwrap()
}

pub(super) fn sign(body: &[u8]) -> String {
    STANDARD.encode(SigningKey::<Sha256>::new(key().clone()).sign(body).to_bytes())
}

/// A reply as it came.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Vec<u8>,
}

impl Got {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// Item `at` of the response, unwrapped from its type name.
    pub(super) fn item(&self, at: usize) -> Value {
        let item = &self.json()["Response"][at];
        item.as_object().unwrap().values().next().unwrap().clone()
    }

    pub(super) fn items(&self) -> usize {
        self.json()["Response"].as_array().unwrap().len()
    }

    pub(super) fn id(&self) -> u64 {
        assert_eq!(self.status, 200, "{self:?}");
        self.item(0)["id"].as_u64().unwrap()
    }

    /// The first error text.
    pub(super) fn error(&self) -> String {
        let text = &self.json()["Error"][0]["error_description"];
        text.as_str().unwrap().to_owned()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|it| it.to_str().unwrap())
    }

    /// Whether the bank signed exactly these bytes.
    pub(super) fn is_signed(&self) -> bool {
        let public = keys::parse_public_key(&keys::ServerKey::shared().public_pem).unwrap();
        self.header("x-bunq-server-signature").is_some_and(|signature| keys::verify(&public, &self.bytes, signature))
    }
}

/// A client at some point of the handshake.
pub(super) struct Probe {
    pub(super) sandbox: Sandbox,
    pub(super) http: reqwest::Client,
    pub(super) user: User,
    pub(super) installation: Option<String>,
    pub(super) session: Option<String>,
    pub(super) user_id: u64,
}

impl Probe {
    /// Before the handshake.
    pub(super) async fn stranger(options: Options) -> Self {
        // A second installation is refused: fine.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let sandbox = Sandbox::start(options).await.unwrap();
        let user = sandbox.new_user();
        Self {
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .tls_certs_only([])
                .build()
                .unwrap(),
            user,
            installation: None,
            session: None,
            user_id: 0,
            sandbox,
        }
    }

    /// After the handshake, with the default bank.
    pub(super) async fn ready() -> Self {
        Self::ready_with(Options::default()).await
    }

    pub(super) async fn ready_with(options: Options) -> Self {
        let mut probe = Self::stranger(options).await;
        probe.handshake().await;
        probe
    }

    pub(super) async fn handshake(&mut self) {
        self.install().await;
        assert_eq!(self.device(&json!({})).await.status, 200);
        let got = self.open_session().await;
        assert_eq!(got.status, 200, "{got:?}");
    }

    pub(super) async fn install(&mut self) -> Got {
        let body = json!({"client_public_key": public_pem()});
        let got = self.call(Method::POST, "installation", None, Some(&body)).await;
        self.installation = got.item(1)["token"].as_str().map(str::to_owned);
        got
    }

    /// `device-server`, with more fields.
    pub(super) async fn device(&self, more: &Value) -> Got {
        let mut body = json!({"description": "probe", "secret": self.user.api_key});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let token = self.installation.as_deref();
        self.call(Method::POST, "device-server", token, Some(&body)).await
    }

    pub(super) async fn open_session(&mut self) -> Got {
        let body = json!({"secret": self.user.api_key});
        let token = self.installation.clone();
        let got = self.call(Method::POST, "session-server", token.as_deref(), Some(&body)).await;
        if got.status == 200 {
            self.session = got.item(1)["token"].as_str().map(str::to_owned);
            self.user_id = got.item(2)["id"].as_u64().unwrap();
        }
        got
    }

    /// A signed call with this token.
    pub(super) async fn call(&self, method: Method, path: &str, token: Option<&str>, body: Option<&Value>) -> Got {
        let body = body.map(|it| it.to_string().into_bytes()).unwrap_or_default();
        let signature = sign(&body);
        self.send(method, path, token, body, Some(&signature), &Uuid::new_v4().to_string()).await.unwrap()
    }

    /// Every byte chosen by the caller.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Vec<u8>,
        signature: Option<&str>,
        request_id: &str,
    ) -> reqwest::Result<Got> {
        let url = format!("{}{path}", self.sandbox.base_url());
        let mut request = self.http.request(method, url).header("x-bunq-client-request-id", request_id);
        if let Some(token) = token {
            request = request.header("x-bunq-client-authentication", token);
        }
        if let Some(signature) = signature {
            request = request.header("x-bunq-client-signature", signature);
        }
        let reply = request.body(body).send().await?;
        Ok(Got {
            status: reply.status().as_u16(),
            headers: reply.headers().clone(),
            bytes: reply.bytes().await?.to_vec(),
        })
    }

    /// A call of the session that may fail on the way.
    pub(super) async fn attempt(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Result<Got> {
        let body = body.map(|it| it.to_string().into_bytes()).unwrap_or_default();
        let signature = sign(&body);
        let path = path.replace("{u}", &self.user_id.to_string());
        let token = self.session.as_deref();
        let id = Uuid::new_v4().to_string();
        self.send(method, &path, token, body, Some(&signature), &id).await
    }

    pub(super) async fn get(&self, path: &str) -> Got {
        self.attempt(Method::GET, path, None).await.unwrap()
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Got {
        self.attempt(Method::POST, path, Some(body)).await.unwrap()
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Got {
        self.attempt(Method::PUT, path, Some(body)).await.unwrap()
    }

    pub(super) async fn delete(&self, path: &str) -> Got {
        self.attempt(Method::DELETE, path, None).await.unwrap()
    }
}
