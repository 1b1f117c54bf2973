//! `oauth-client` (`bunq-api §5`).

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Bank, random_hex, stamp};
use crate::sandbox::{
    behaviour::{
        Cancel, Cancelled, CreateBody, CreateReply, DisplayName, PutRedirectUrl, Reactivation,
        SecondClient, SecretField, SecretShown, UnsetName, UrlShape,
    },
    reply::{Ask, Outcome, Refusal, Reply, text},
};

/// Where a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientStatus {
    /// In use.
    Active,
    /// CANCELLED from this time on.
    CancelledPending(Timestamp),
    /// Cancelled.
    Cancelled,
}

/// A registered redirect URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUrl {
    /// Its number.
    pub id: u64,
    /// As stored.
    pub url: String,
    /// When it was registered.
    pub created: Timestamp,
    /// When it was changed.
    pub updated: Timestamp,
}

/// An OAuth client.
#[derive(Clone)]
pub struct Client {
    /// The number in paths.
    pub id: u64,
    /// Its user.
    pub user: u64,
    /// OAuth's `client_id`.
    pub client_id: String,
    /// OAuth's `client_secret`.
    pub secret: String,
    /// Where it stands.
    pub status: ClientStatus,
    /// `display_name`.
    pub display_name: Option<String>,
    /// Redirect URLs, oldest first.
    pub urls: Vec<RedirectUrl>,
    /// When it was created.
    pub created: Timestamp,
    /// How often a read has shown it.
    pub reads: usize,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("user", &self.user)
            .field("client_id", &self.client_id)
            .field("status", &self.status)
            .field("display_name", &self.display_name)
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn settle(&mut self, now: Timestamp) {
        if let ClientStatus::CancelledPending(due) = self.status
            && due <= now
        {
            self.status = ClientStatus::Cancelled;
        }
    }

    fn shown_status(&self) -> &'static str {
        match self.status {
            ClientStatus::Active => "ACTIVE",
            ClientStatus::CancelledPending(_) => "CANCELLED_PENDING",
            ClientStatus::Cancelled => "CANCELLED",
        }
    }
}

impl Bank {
    /// `oauth-client`: list, create.
    pub(super) fn oauth_clients(&mut self, ask: &Ask, session: usize) -> Outcome {
        self.refuse_access_tokens(session)?;
        let user = self.sessions[session].user;
        match ask.method.as_str() {
            "GET" => Ok(self.list_clients(ask, user)),
            "POST" => self.create_client(user, ask),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    /// `oauth-client/{c}`: read, change.
    pub(super) fn oauth_client(&mut self, ask: &Ask, session: usize, id: u64) -> Outcome {
        let at = self.own_client(session, id)?;
        match ask.method.as_str() {
            "GET" => {
                let item = self.show_client(at);
                Ok(Reply::Items(vec![item]))
            }
            "PUT" => self.update_client(ask, at),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    /// A session of an access token has no OAuth clients of its own.
    fn refuse_access_tokens(&self, session: usize) -> Result<(), Refusal> {
        let key = self.key_by_id(self.sessions[session].key);
        if key.is_some_and(|key| key.access_token_of.is_some()) {
            return Err(Refusal::authorisation(403));
        }
        Ok(())
    }

    pub(super) fn own_client(&self, session: usize, id: u64) -> Result<usize, Refusal> {
        self.refuse_access_tokens(session)?;
        let user = self.sessions[session].user;
        self.clients
            .iter()
            .position(|it| it.user == user && it.id == id)
            .ok_or_else(|| Refusal::not_found("Oauth client", id))
    }

    fn list_clients(&mut self, ask: &Ask, user: u64) -> Reply {
        let lag = self.behaviour.list_lag.unwrap_or(Duration::ZERO);
        let lag = jiff::SignedDuration::try_from(lag).unwrap_or(jiff::SignedDuration::ZERO);
        let visible = |it: &Client| {
            let hidden = self.behaviour.cancelled == Cancelled::Hidden
                && it.status == ClientStatus::Cancelled;
            it.user == user
                && !hidden
                && it
                    .created
                    .saturating_add(lag)
                    .is_ok_and(|at| at <= self.now)
        };
        let positions: Vec<usize> = (0..self.clients.len())
            .filter(|at| visible(&self.clients[*at]))
            .collect();
        let items = positions
            .into_iter()
            .map(|at| (self.clients[at].id, self.show_client(at)))
            .collect();
        self.page(ask, items)
    }

    /// `POST oauth-client`.
    pub(super) fn create_client(&mut self, user: u64, ask: &Ask) -> Outcome {
        let wish = self.read_create_body(&ask.json()?)?;
        let existing = self
            .clients
            .iter()
            .find(|it| it.user == user && it.status == ClientStatus::Active)
            .map(|it| it.id);
        match (existing, self.behaviour.second_client) {
            (Some(_), SecondClient::Refused(status)) => {
                return Err(Refusal::new(
                    status,
                    "You already have an active OAuth client.",
                ));
            }
            (Some(id), SecondClient::ReturnsExisting) => return Ok(Reply::id(id)),
            (None, _) | (Some(_), SecondClient::CreatesSecond) => {}
        }
        let url = text(&wish, "redirect_url");
        url.map_or(Ok(()), |url| self.refuse_url_text(url))?;
        let at = self.add_client(user, text(&wish, "display_name"));
        if let Some(url) = url {
            self.add_url(at, url);
        }
        if text(&wish, "status") == Some("CANCELLED") {
            self.clients[at].status = ClientStatus::Cancelled;
        }
        Ok(match self.behaviour.create_reply {
            CreateReply::Id => Reply::id(self.clients[at].id),
            CreateReply::OauthClientObject => Reply::Items(vec![self.show_client(at)]),
        })
    }

    /// What the bank takes from a create body (`§5.2`).
    fn read_create_body(&self, body: &Value) -> Result<Map<String, Value>, Refusal> {
        let mode = self.behaviour.create_body;
        if mode == CreateBody::RefusesAll {
            return Err(Refusal::new(400, "The OAuth client could not be created."));
        }
        let fields = match body {
            Value::Null => Map::new(),
            Value::Object(fields) => fields.clone(),
            Value::Array(items) => match items.as_slice() {
                [] => Map::new(),
                [Value::Object(_), ..] if mode == CreateBody::RefusesArray => {
                    return Err(Refusal::new(400, "The request body must be an object."));
                }
                [Value::Object(fields)] => fields.clone(),
                _ => return Err(Refusal::new(400, "The request body is invalid.")),
            },
            _ => return Err(Refusal::new(400, "The request body is invalid.")),
        };
        let unknown: Vec<&str> = fields
            .keys()
            .map(String::as_str)
            .filter(|name| *name != "status")
            .collect();
        match mode {
            CreateBody::Superfluous if !unknown.is_empty() => Err(Refusal::superfluous(unknown)),
            CreateBody::IgnoresUnknown => Ok(fields
                .into_iter()
                .filter(|(name, _)| name == "status")
                .collect()),
            CreateBody::Stores
            | CreateBody::Superfluous
            | CreateBody::RefusesArray
            | CreateBody::RefusesAll => check_status(&fields).map(|()| fields),
        }
    }

    /// A new ACTIVE client; returns its position.
    pub(super) fn add_client(&mut self, user: u64, name: Option<&str>) -> usize {
        let client = Client {
            id: self.next_id(),
            user,
            client_id: random_hex(64),
            secret: random_hex(64),
            status: ClientStatus::Active,
            display_name: name.and_then(|name| self.store_name(name)),
            urls: Vec::new(),
            created: self.now,
            reads: 0,
        };
        self.clients.push(client);
        self.clients.len() - 1
    }

    fn store_name(&self, name: &str) -> Option<String> {
        match self.behaviour.display_name {
            DisplayName::Stored => Some(name.to_owned()),
            DisplayName::Ignored => None,
            DisplayName::Normalised => Some(name.trim().to_uppercase()),
        }
    }

    /// `PUT oauth-client/{c}`.
    fn update_client(&mut self, ask: &Ask, at: usize) -> Outcome {
        let fields = ask.object()?;
        check_status(&fields)?;
        self.refuse_put_fields(&fields)?;
        if let Some(url) = text(&fields, "redirect_url") {
            match self.behaviour.put_redirect_url {
                PutRedirectUrl::Replace => {
                    self.refuse_url_text(url)?;
                    self.clients[at].urls.clear();
                    self.add_url(at, url);
                }
                PutRedirectUrl::Append => {
                    self.refuse_url(at, url)?;
                    self.add_url(at, url);
                }
                PutRedirectUrl::Ignore | PutRedirectUrl::Refuse => {}
            }
        }
        if let Some(name) = text(&fields, "display_name") {
            let stored = self.store_name(name);
            let client = &mut self.clients[at];
            client.display_name = stored.or(client.display_name.take());
        }
        match text(&fields, "status") {
            Some("ACTIVE") => self.activate(at)?,
            Some("CANCELLED") => self.cancel_at(at),
            _ => {}
        }
        Ok(Reply::id(self.clients[at].id))
    }

    fn refuse_put_fields(&self, fields: &Map<String, Value>) -> Result<(), Refusal> {
        let strict = self.behaviour.create_body == CreateBody::Superfluous;
        let refuses_url = self.behaviour.put_redirect_url == PutRedirectUrl::Refuse;
        let unknown: Vec<&str> = fields
            .keys()
            .map(String::as_str)
            .filter(|name| match *name {
                "status" => false,
                "redirect_url" => refuses_url,
                _ => strict,
            })
            .collect();
        if unknown.is_empty() {
            Ok(())
        } else {
            Err(Refusal::superfluous(unknown))
        }
    }

    fn activate(&mut self, at: usize) -> Result<(), Refusal> {
        if self.clients[at].status == ClientStatus::Active {
            return Ok(());
        }
        match self.behaviour.reactivation {
            Reactivation::Refused(status) => Err(Refusal::new(
                status,
                "A cancelled OAuth client cannot be activated.",
            )),
            Reactivation::Allowed => {
                self.clients[at].status = ClientStatus::Active;
                Ok(())
            }
        }
    }

    pub(super) fn cancel_at(&mut self, at: usize) {
        if self.clients[at].status != ClientStatus::Active {
            return;
        }
        self.clients[at].status = match self.behaviour.cancel {
            Cancel::Immediate => ClientStatus::Cancelled,
            Cancel::Pending { seconds } => {
                ClientStatus::CancelledPending(self.after(Duration::from_secs(seconds)))
            }
        };
    }

    /// A read of one client.
    fn show_client(&mut self, at: usize) -> Value {
        self.clients[at].reads += 1;
        let client = &self.clients[at];
        let mut fields = Map::new();
        fields.insert("id".to_owned(), json!(client.id));
        fields.insert("status".to_owned(), json!(client.shown_status()));
        fields.insert("client_id".to_owned(), json!(client.client_id));
        if client.display_name.is_some() || self.behaviour.unset_name == UnsetName::Null {
            fields.insert("display_name".to_owned(), json!(client.display_name));
        }
        if let Some(secret) = self.shown_secret(client) {
            let name = match self.behaviour.secret_field {
                SecretField::Secret => "secret",
                SecretField::ClientSecret => "client_secret",
            };
            fields.insert(name.to_owned(), secret);
        }
        let shape = self.behaviour.url_shape;
        if matches!(
            shape,
            UrlShape::Array | UrlShape::Both | UrlShape::ArrayWithoutIds
        ) {
            let with_ids = shape != UrlShape::ArrayWithoutIds;
            let urls: Vec<Value> = client
                .urls
                .iter()
                .map(|it| url_object(it, with_ids))
                .collect();
            fields.insert("callback_url".to_owned(), json!(urls));
        }
        if matches!(shape, UrlShape::Scalar | UrlShape::Both) {
            let first = client.urls.first().map(|it| it.url.clone());
            fields.insert("redirect_url".to_owned(), json!(first));
        }
        json!({"OauthClient": fields})
    }

    fn shown_secret(&self, client: &Client) -> Option<Value> {
        match self.behaviour.secret_shown {
            SecretShown::Always => Some(json!(client.secret)),
            SecretShown::OnlyActive if client.status == ClientStatus::Active => {
                Some(json!(client.secret))
            }
            SecretShown::OnlyActive => Some(Value::Null),
            SecretShown::FirstReadOnly if client.reads == 1 => Some(json!(client.secret)),
            SecretShown::FirstReadOnly | SecretShown::Never => None,
        }
    }
}

/// One redirect URL, as it stands in an `OauthClient`.
pub(super) fn url_object(url: &RedirectUrl, with_id: bool) -> Value {
    if with_id {
        json!({
            "id": url.id,
            "created": stamp(url.created),
            "updated": stamp(url.updated),
            "url": url.url,
        })
    } else {
        json!({"url": url.url})
    }
}

fn check_status(fields: &Map<String, Value>) -> Result<(), Refusal> {
    match fields.get("status") {
        None => Ok(()),
        Some(Value::String(status)) if matches!(status.as_str(), "ACTIVE" | "CANCELLED") => Ok(()),
        Some(_) => Err(Refusal::new(400, "The status is invalid.")),
    }
}
