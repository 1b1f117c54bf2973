//! The OAuth client: list, get, create, update (`bunq-api §5`).

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::{
    callback::CallbackUrl,
    listing::{Listing, Page, older},
    path,
};
use crate::bunq::{
    answer::{Believed, Envelope, OauthClientItem, Reply},
    exchange::{Access, Attempt, Line},
    ground::{Call, Error, bank_text},
};

/// An OAuth client as the bank tells it.
#[derive(Debug, Clone)]
pub struct OauthClient {
    /// The bank's number, for paths.
    pub id: u64,
    /// Whether it can be used.
    pub status: ClientStatus,
    /// Often missing (`bunq-api §5.1`).
    pub display_name: Option<String>,
    /// The public half of the credentials.
    pub client_id: Option<String>,
    /// The secret half; never empty.
    pub secret: Option<SecretString>,
    /// Where users may be sent back to.
    pub urls: Urls,
}

/// Redirect URLs in the shapes that the bank may use; the shape tells the route (protocol §4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Urls {
    /// `callback_url`, also when empty.
    pub array: Option<Vec<CallbackUrl>>,
    /// `redirect_url`, also when empty.
    pub scalar: Option<String>,
}

/// The bank's words for a client's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientStatus {
    /// In use.
    Active,
    /// Over.
    Cancelled,
    /// Being cancelled.
    CancelledPending,
    /// A word that we do not know.
    Other(String),
}

impl ClientStatus {
    /// The bank's word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "ACTIVE",
            Self::Cancelled => "CANCELLED",
            Self::CancelledPending => "CANCELLED_PENDING",
            Self::Other(word) => word,
        }
    }
}

impl Serialize for ClientStatus {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl From<&str> for ClientStatus {
    fn from(word: &str) -> Self {
        match word {
            "ACTIVE" => Self::Active,
            "CANCELLED" => Self::Cancelled,
            "CANCELLED_PENDING" => Self::CancelledPending,
            other => Self::Other(bank_text::sanitise(other, &[])),
        }
    }
}

/// The three bodies to try, in this order (protocol §2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateBody {
    /// One object in an array, as the bank's register page shows it.
    Array {
        /// Shown to users.
        display_name: String,
        /// Where users are sent back to.
        redirect_url: String,
    },
    /// The same object by itself.
    Object {
        /// Shown to users.
        display_name: String,
        /// Where users are sent back to.
        redirect_url: String,
    },
    /// Only `status`: the one field of the bank's published schema.
    StatusOnly,
}

#[derive(Serialize)]
struct ClientBody<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_url: Option<&'a str>,
}

/// What to change; what is `None` is not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UpdateBody {
    /// `ACTIVE` or `CANCELLED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ClientStatus>,
    /// Replaces all of them (protocol §4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,
}

impl From<OauthClientItem> for OauthClient {
    fn from(item: OauthClientItem) -> Self {
        let filled = |secret: &SecretString| !secret.expose_secret().is_empty();
        Self {
            id: item.id,
            status: ClientStatus::from(item.status.as_str()),
            display_name: item.display_name,
            client_id: item.client_id.filter(|id| !id.is_empty()),
            secret: item.secret.filter(filled).or_else(|| item.client_secret.filter(filled)),
            urls: Urls {
                array: item.callback_url.map(|items| items.into_iter().map(CallbackUrl::from).collect()),
                scalar: item.redirect_url,
            },
        }
    }
}

pub(crate) async fn list(line: &Line, access: &Access<'_>) -> Result<Reply<Vec<OauthClient>>, Error> {
    let list = Listing {
        call: Call::ListOauthClients,
        path: path::clients(access),
        read: read_page,
        is_same: |known, client| known.id == client.id,
    };
    list.whole(line, access).await
}

pub(crate) async fn get(line: &Line, access: &Access<'_>, id: u64) -> Result<Reply<OauthClient>, Error> {
    let attempt = Attempt::access(Call::GetOauthClient, path::client(access, id), access);
    read_client(line.exchange(attempt).await?, id)
}

pub(crate) async fn create(line: &Line, access: &Access<'_>, body: &CreateBody) -> Result<Reply<Option<u64>>, Error> {
    let attempt = Attempt::access(Call::CreateOauthClient, path::clients(access), access);
    let attempt = match body {
        CreateBody::Array { display_name, redirect_url } => attempt.json(&[full_body(display_name, redirect_url)])?,
        CreateBody::Object { display_name, redirect_url } => attempt.json(&full_body(display_name, redirect_url))?,
        CreateBody::StatusOnly => {
            attempt.json(&ClientBody { status: "ACTIVE", display_name: None, redirect_url: None })?
        }
    };
    read_created(line.exchange(attempt).await?)
}

fn full_body<'a>(display_name: &'a str, redirect_url: &'a str) -> ClientBody<'a> {
    ClientBody { status: "ACTIVE", display_name: Some(display_name), redirect_url: Some(redirect_url) }
}

pub(crate) async fn update(line: &Line, access: &Access<'_>, id: u64, body: &UpdateBody) -> Result<Reply<()>, Error> {
    let attempt = Attempt::access(Call::UpdateOauthClient, path::client(access, id), access).json(body)?;
    let answer = line.exchange(attempt).await?;
    Ok(answer.reply(()))
}

/// A page of `list`, which is the path below the base URL.
pub(crate) fn read_page(answer: &Believed, list: &str) -> Result<Page<OauthClient>, Error> {
    let Envelope { items, pagination } = answer.envelope()?;
    let older = older(answer, list, pagination)?;
    let mut clients = Vec::with_capacity(items.len());
    for item in items {
        let client = item.oauth_client.ok_or_else(|| answer.senseless("an item is no OAuth client"))?;
        clients.push(OauthClient::from(client));
    }
    Ok(Page { items: clients, older })
}

/// The client of this number, alone.
pub(crate) fn read_client(answer: Believed, id: u64) -> Result<Reply<OauthClient>, Error> {
    let mut items = answer.envelope()?.items.into_iter();
    let (Some(item), None) = (items.next(), items.next()) else {
        return Err(answer.senseless("it does not hold exactly one item"));
    };
    let client = item.oauth_client.ok_or_else(|| answer.senseless("its item is no OAuth client"))?;
    if client.id != id {
        return Err(answer.other_object());
    }
    Ok(answer.reply(OauthClient::from(client)))
}

/// The number of a new client, where the bank tells it.
pub(crate) fn read_created(answer: Believed) -> Result<Reply<Option<u64>>, Error> {
    let envelope = answer.envelope()?;
    let object = envelope.items.iter().find_map(|item| item.oauth_client.as_ref()).map(|client| client.id);
    let id = envelope.id().or(object);
    Ok(answer.reply(id))
}
