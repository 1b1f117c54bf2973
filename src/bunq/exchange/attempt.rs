//! One attempt before it is sent: where to, as whom, with which bytes.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use zeroize::Zeroizing;

use super::access::{Access, Installed};
use crate::bunq::ground::{Call, Error, KeyPair, ServerKey};

const CLIENT_AUTHENTICATION: HeaderName = HeaderName::from_static("x-bunq-client-authentication");
const CLIENT_SIGNATURE: HeaderName = HeaderName::from_static("x-bunq-client-signature");
/// We give it, and the bank gives it back.
pub(super) const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-bunq-client-request-id");
const LANGUAGE: HeaderName = HeaderName::from_static("x-bunq-language");
const REGION: HeaderName = HeaderName::from_static("x-bunq-region");
const GEOLOCATION: HeaderName = HeaderName::from_static("x-bunq-geolocation");

/// What differs between calls.
pub(crate) struct Attempt<'a> {
    pub(super) call: Call,
    /// Below the base URL.
    pub(super) path: String,
    token: Option<&'a SecretString>,
    signer: Option<&'a KeyPair>,
    /// `None` for `installation` only: the key is in its answer.
    pub(super) verifier: Option<&'a ServerKey>,
    pub(super) body: Option<Zeroizing<Vec<u8>>>,
    /// Masked in every text that comes back.
    secret: Option<&'a str>,
}

impl<'a> Attempt<'a> {
    /// `installation`: no token, no signature, nothing to verify with.
    pub(crate) fn open(call: Call) -> Self {
        Self {
            call,
            path: call.template().to_owned(),
            token: None,
            signer: None,
            verifier: None,
            body: None,
            secret: None,
        }
    }

    /// With the installation token; the path is the call's.
    pub(crate) fn installed(call: Call, installed: &Installed<'a>) -> Self {
        Self {
            token: Some(installed.token),
            signer: Some(installed.key_pair),
            verifier: Some(installed.server_key),
            ..Self::open(call)
        }
    }

    /// With the session token.
    pub(crate) fn access(call: Call, path: String, access: &Access<'a>) -> Self {
        Self {
            path,
            token: Some(access.session_token),
            signer: Some(access.key_pair),
            verifier: Some(access.server_key),
            ..Self::open(call)
        }
    }

    /// Serialised once: these bytes are signed and sent (`F20`).
    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        // Grown in one piece and wiped, because a body can hold the API key.
        let mut bytes = Zeroizing::new(Vec::with_capacity(8 * 1024));
        serde_json::to_writer(&mut *bytes, body)
            .map_err(|_| Error::Build { call: self.call, reason: "its body cannot be written as JSON" })?;
        self.body = Some(bytes);
        Ok(self)
    }

    /// A value that must never come back in a text.
    pub(crate) fn hiding(mut self, secret: &'a str) -> Self {
        self.secret = Some(secret);
        self
    }

    /// All that go with it; a body is signed here.
    pub(super) fn headers(&self, user_agent: &str, request_id: &str) -> Result<HeaderMap, Error> {
        let text =
            |value: &str, reason| HeaderValue::from_str(value).map_err(|_| Error::Build { call: self.call, reason });
        let mut headers = HeaderMap::with_capacity(10);
        headers.insert(reqwest::header::USER_AGENT, text(user_agent, "the user agent is no header value")?);
        headers.insert(reqwest::header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(LANGUAGE, HeaderValue::from_static("en_US"));
        headers.insert(REGION, HeaderValue::from_static("nl_NL"));
        headers.insert(GEOLOCATION, HeaderValue::from_static("0 0 0 0 000"));
        headers.insert(CLIENT_REQUEST_ID, text(request_id, "the request id is no header value")?);
        if let Some(token) = self.token {
            let mut value = text(token.expose_secret(), "the token is no header value")?;
            value.set_sensitive(true);
            headers.insert(CLIENT_AUTHENTICATION, value);
        }
        if let Some(body) = &self.body {
            headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if let Some(signer) = self.signer {
                let signature = signer
                    .sign(body)
                    .map_err(|_| Error::Build { call: self.call, reason: "its body cannot be signed" })?;
                headers.insert(CLIENT_SIGNATURE, text(&signature, "the signature is no header value")?);
            }
        }
        Ok(headers)
    }

    /// Both secrets that this attempt carries.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let token = self.token.map(ExposeSecret::expose_secret);
        token.into_iter().chain(self.secret)
    }
}
