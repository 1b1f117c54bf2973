//! Authorization and token exchange (`bunq-api §9`).

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Bank, ClientStatus, user::AccessToken};
use crate::sandbox::{
    behaviour::TokenParameters,
    reply::{Ask, Outcome, Refusal, Reply},
};

/// How long a code can be exchanged.
const CODE_LIFE: Duration = Duration::from_mins(10);

/// An authorization code.
#[derive(Clone)]
pub struct Code {
    /// The code itself.
    pub code: String,
    /// The client it was given to ([`Client::id`](super::Client)).
    pub client: u64,
    /// The URL it was sent to.
    pub redirect_uri: String,
    /// What the client sent along.
    pub state: Option<String>,
    /// The user who consented.
    pub granted_by: u64,
    /// When it ends.
    pub expires: Timestamp,
    /// Whether it was exchanged.
    pub used: bool,
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Code")
            .field("client", &self.client)
            .field("redirect_uri", &self.redirect_uri)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

impl Bank {
    /// `GET /auth`: a bunq user consents at once.
    pub(super) fn authorize(&mut self, ask: &Ask) -> Outcome {
        if ask.method != "GET" {
            return Ok(Reply::Html(405, "Method not allowed".to_owned()));
        }
        let page = |text: &str| Ok(Reply::Html(400, text.to_owned()));
        if ask.parameter("response_type") != Some("code") {
            return page("Unsupported response_type: expected code");
        }
        let client = self
            .clients
            .iter()
            .find(|it| it.status == ClientStatus::Active && Some(it.client_id.as_str()) == ask.parameter("client_id"));
        let Some(client) = client else {
            return page("Unknown client_id");
        };
        let wanted = ask.parameter("redirect_uri").unwrap_or_default();
        if !client.urls.iter().any(|it| it.url == wanted) {
            return page("Redirect mismatch: this redirect_uri is not registered");
        }
        let client = client.id;
        let code = Code {
            code: super::random_hex(64),
            client,
            redirect_uri: wanted.to_owned(),
            state: ask.parameter("state").map(str::to_owned),
            granted_by: self.add_user(),
            expires: self.after(CODE_LIFE),
            used: false,
        };
        let location = location(&code);
        self.codes.push(code);
        Ok(Reply::Redirect(location))
    }

    /// `POST /v1/token`.
    pub(super) fn token(&mut self, ask: &Ask) -> Outcome {
        if ask.method != "POST" {
            return Err(Refusal::method_not_allowed());
        }
        let form: Vec<(String, String)> = match self.behaviour.token_parameters {
            TokenParameters::Query => Vec::new(),
            TokenParameters::QueryOrForm => url::form_urlencoded::parse(&ask.body).into_owned().collect(),
        };
        let parameter = |name: &str| {
            let in_form = form.iter().find(|(key, _)| key == name);
            ask.parameter(name).or(in_form.map(|(_, value)| value.as_str()))
        };
        if parameter("grant_type") != Some("authorization_code") {
            return Ok(oauth_error("unsupported_grant_type", "Only authorization_code is supported."));
        }
        let client = self.clients.iter().find(|it| {
            it.status == ClientStatus::Active
                && Some(it.client_id.as_str()) == parameter("client_id")
                && Some(it.secret.as_str()) == parameter("client_secret")
        });
        let Some(client) = client else {
            return Ok(oauth_error("invalid_client", "The client credentials are invalid."));
        };
        let (client, owner, now) = (client.id, client.user, self.now);
        let code = self.codes.iter_mut().find(|it| {
            it.client == client
                && !it.used
                && now < it.expires
                && Some(it.code.as_str()) == parameter("code")
                && Some(it.redirect_uri.as_str()) == parameter("redirect_uri")
        });
        let Some(code) = code else {
            return Ok(oauth_error("invalid_grant", "The authorization code is invalid or expired."));
        };
        code.used = true;
        let (state, granted_by) = (code.state.clone(), code.granted_by);
        let token = self.issue_token(owner, granted_by);
        Ok(Reply::OAuth(200, json!({"access_token": token, "token_type": "bearer", "state": state})))
    }

    /// An access token: an API key whose sessions belong to a `UserApiKey`.
    fn issue_token(&mut self, requested_by: u64, granted_by: u64) -> String {
        let token = self.add_key(granted_by, false);
        let id = self.next_id();
        if let Some(key) = self.keys.last_mut() {
            key.access_token_of = Some(AccessToken { id, requested_by, granted_by });
        }
        token
    }
}

fn oauth_error(error: &str, description: &str) -> Reply {
    let body: Value = json!({"error": error, "error_description": description});
    Reply::OAuth(400, body)
}

/// The redirect URL with `code` and `state`.
fn location(code: &Code) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("code", &code.code);
    if let Some(state) = &code.state {
        query.append_pair("state", state);
    }
    let separator = if code.redirect_uri.contains('?') { '&' } else { '?' };
    format!("{}{separator}{}", code.redirect_uri, query.finish())
}
