//! `POST oauth-client`: the disagreeing bodies (`bunq-api §5.2`).

use serde_json::{Map, Value};

use super::{Bank, Client, ClientStatus, client::check_status, random_hex};
use crate::sandbox::{
    behaviour::{CreateBody, CreateReply, DisplayName, SecondClient},
    reply::{Ask, Outcome, Refusal, Reply, text},
};

impl Bank {
    /// `POST oauth-client`.
    pub(super) fn create_client(&mut self, user: u64, ask: &Ask) -> Outcome {
        let wish = self.read_create_body(&ask.json()?)?;
        let existing =
            self.clients.iter().find(|it| it.user == user && it.status == ClientStatus::Active).map(|it| it.id);
        match (existing, self.behaviour.second_client) {
            (Some(_), SecondClient::Refused(status)) => {
                return Err(Refusal::new(status, "You already have an active OAuth client."));
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
        let unknown: Vec<&str> = fields.keys().map(String::as_str).filter(|name| *name != "status").collect();
        match mode {
            CreateBody::Superfluous if !unknown.is_empty() => Err(Refusal::superfluous(unknown)),
            CreateBody::IgnoresUnknown => Ok(fields.into_iter().filter(|(name, _)| name == "status").collect()),
            CreateBody::Stores | CreateBody::Superfluous | CreateBody::RefusesArray | CreateBody::RefusesAll => {
                check_status(&fields).map(|()| fields)
            }
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

    pub(super) fn store_name(&self, name: &str) -> Option<String> {
        match self.behaviour.display_name {
            DisplayName::Stored => Some(name.to_owned()),
            DisplayName::Ignored => None,
            DisplayName::Normalised => Some(name.trim().to_uppercase()),
        }
    }
}
