//! One attempt: build, sign, send, check, believe.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tracing::Instrument;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    audit::UnderWay,
    bank_text,
    call::Call,
    classify,
    client::{Access, Bank, Installed},
    envelope::Believed,
    error::{Distrust, Error},
    signature::{KeyPair, ServerKey},
    span,
    transport::{Request, Response},
};

const CLIENT_AUTHENTICATION: HeaderName = HeaderName::from_static("x-bunq-client-authentication");
const CLIENT_SIGNATURE: HeaderName = HeaderName::from_static("x-bunq-client-signature");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-bunq-client-request-id");
const CLIENT_RESPONSE_ID: HeaderName = HeaderName::from_static("x-bunq-client-response-id");
const SERVER_SIGNATURE: HeaderName = HeaderName::from_static("x-bunq-server-signature");
const LANGUAGE: HeaderName = HeaderName::from_static("x-bunq-language");
const REGION: HeaderName = HeaderName::from_static("x-bunq-region");
const GEOLOCATION: HeaderName = HeaderName::from_static("x-bunq-geolocation");

/// What differs between calls.
pub(super) struct Attempt<'a> {
    call: Call,
    /// Below the base URL.
    path: String,
    token: Option<&'a SecretString>,
    signer: Option<&'a KeyPair>,
    /// `None` for `installation` only: the key is in its answer.
    verifier: Option<&'a ServerKey>,
    body: Option<Zeroizing<Vec<u8>>>,
    /// Masked in every text that comes back.
    secret: Option<&'a str>,
}

impl<'a> Attempt<'a> {
    /// `installation`: no token, no signature, nothing to verify with.
    pub(super) fn open(call: Call) -> Self {
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
    pub(super) fn installed(call: Call, installed: &Installed<'a>) -> Self {
        Self {
            token: Some(installed.token),
            signer: Some(installed.key_pair),
            verifier: Some(installed.server_key),
            ..Self::open(call)
        }
    }

    /// With the session token.
    pub(super) fn access(call: Call, path: String, access: &Access<'a>) -> Self {
        Self {
            path,
            token: Some(access.session_token),
            signer: Some(access.key_pair),
            verifier: Some(access.server_key),
            ..Self::open(call)
        }
    }

    /// Serialised once: these bytes are signed and sent (`F20`).
    pub(super) fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        // Grown in one piece and wiped, because a body can hold the API key.
        let mut bytes = Zeroizing::new(Vec::with_capacity(8 * 1024));
        serde_json::to_writer(&mut *bytes, body)
            .map_err(|_| Error::Build { call: self.call, reason: "its body cannot be written as JSON" })?;
        self.body = Some(bytes);
        Ok(self)
    }

    /// A value that must never come back in a text.
    pub(super) fn hiding(mut self, secret: &'a str) -> Self {
        self.secret = Some(secret);
        self
    }

    fn headers(&self, bank: &Bank, request_id: &str) -> Result<HeaderMap, Error> {
        let text =
            |value: &str, reason| HeaderValue::from_str(value).map_err(|_| Error::Build { call: self.call, reason });
        let mut headers = HeaderMap::with_capacity(10);
        headers.insert(reqwest::header::USER_AGENT, text(&bank.user_agent, "the user agent is no header value")?);
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
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let token = self.token.map(ExposeSecret::expose_secret);
        token.into_iter().chain(self.secret)
    }
}

impl Bank {
    /// Sends one attempt under a request id of its own and returns what can be believed.
    pub(super) async fn exchange(&self, mut attempt: Attempt<'_>) -> Result<Believed, Error> {
        let request_id = Uuid::new_v4().to_string();
        let headers = attempt.headers(self, &request_id)?;
        let request = Request {
            method: attempt.call.method(),
            url: format!("{}{}", self.endpoints.base, attempt.path),
            headers,
            body: attempt.body.take(),
            deadline: self.deadline_of(attempt.call),
        };
        let under_way = UnderWay::begin(self.auditor.as_ref(), attempt.call, &request_id);
        let span = span::of(attempt.call, &self.endpoints, &request_id);
        let result = match self.transport.send(request).instrument(span.clone()).await {
            Ok(response) => judge(&attempt, request_id, response),
            Err(source) => Err(Error::Reach { call: attempt.call, request_id, source }),
        };
        span::record(&span, &result);
        under_way.end(&result);
        result
    }
}

/// Believes a success only if it answers this request and the bank signed it (`S11`, `H09`).
fn judge(attempt: &Attempt<'_>, request_id: String, response: Response) -> Result<Believed, Error> {
    let response_id = header(&response, &CLIENT_RESPONSE_ID).map(bank_text::identifier);
    let distrust = |reason| Error::Distrust {
        call: attempt.call,
        status: response.status,
        reason,
        request_id: request_id.clone(),
        response_id: response_id.clone(),
    };
    let mut echoes = response.headers.get_all(&CLIENT_REQUEST_ID).iter();
    if echoes.any(|echo| echo.as_bytes() != request_id.as_bytes()) {
        return Err(distrust(Distrust::OtherRequest));
    }
    if !(200..=299).contains(&response.status) {
        let secrets: Vec<&str> = attempt.secrets().collect();
        let frame = classify::Frame { call: attempt.call, request_id, response_id, secrets: &secrets };
        return Err(frame.classify(&response));
    }
    if let Some(key) = attempt.verifier {
        let signature = header(&response, &SERVER_SIGNATURE).ok_or_else(|| distrust(Distrust::SignatureMissing))?;
        key.verify(&response.body, signature).map_err(|_| distrust(Distrust::SignatureWrong))?;
    }
    Ok(Believed { call: attempt.call, status: response.status, request_id, response_id, body: response.body })
}

/// A header that occurs exactly once and is text; a repeated one means nothing.
fn header<'r>(response: &'r Response, name: &HeaderName) -> Option<&'r str> {
    let mut values = response.headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
