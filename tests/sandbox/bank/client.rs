//! `oauth-client` (`bunq-api §5`).

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Bank;
use crate::sandbox::{
    behaviour::{Cancel, Cancelled, CreateBody, PutRedirectUrl, Reactivation},
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

    pub(super) fn shown_status(&self) -> &'static str {
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
            let hidden = self.behaviour.cancelled == Cancelled::Hidden && it.status == ClientStatus::Cancelled;
            it.user == user && !hidden && it.created.saturating_add(lag).is_ok_and(|at| at <= self.now)
        };
        let positions: Vec<usize> = (0..self.clients.len()).filter(|at| visible(&self.clients[*at])).collect();
        let items = positions.into_iter().map(|at| (self.clients[at].id, self.show_client(at))).collect();
        self.page(ask, items)
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
        if unknown.is_empty() { Ok(()) } else { Err(Refusal::superfluous(unknown)) }
    }

    fn activate(&mut self, at: usize) -> Result<(), Refusal> {
        if self.clients[at].status == ClientStatus::Active {
            return Ok(());
        }
        match self.behaviour.reactivation {
            Reactivation::Refused(status) => Err(Refusal::new(status, "A cancelled OAuth client cannot be activated.")),
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
            Cancel::Pending { seconds } => ClientStatus::CancelledPending(self.after(Duration::from_secs(seconds))),
        };
    }
}

pub(super) fn check_status(fields: &Map<String, Value>) -> Result<(), Refusal> {
    match fields.get("status") {
        None => Ok(()),
        Some(Value::String(status)) if matches!(status.as_str(), "ACTIVE" | "CANCELLED") => Ok(()),
        Some(_) => Err(Refusal::new(400, "The status is invalid.")),
    }
}
