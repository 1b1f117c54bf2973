//! The OAuth client: list, get, create, update (`bunq-api §5`).

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    by_key::by_key,
    call::Call,
    callback::CallbackUrl,
    client::{Access, Bank, Reply},
    envelope::{Believed, CallbackItem},
    error::Error,
    exchange::Attempt,
};

/// Pages of a listing; a user has one client, so more mean that something is wrong.
pub(super) const MOST_PAGES: usize = 50;
/// The bank's largest page (`bunq-api §8`).
const PAGE_SIZE: u32 = 200;

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
            other => Self::Other(super::bank_text::sanitise(other, &[])),
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

/// One page of a listing.
pub(super) struct Page {
    /// In the bank's order.
    pub(super) clients: Vec<OauthClient>,
    /// Where the next page is, below the base URL; `None` on the last.
    pub(super) older: Option<String>,
}

impl Bank {
    /// Every client of the user. Complete or an error, never a part; pauses between pages.
    pub async fn list_oauth_clients(&self, access: &Access<'_>) -> Result<Reply<Vec<OauthClient>>, Error> {
        let mut clients: Vec<OauthClient> = Vec::new();
        let mut pages = 1;
        let mut older = None;
        loop {
            let (answer, page) = self.clients_page(access, older.as_deref()).await?;
            for client in page.clients {
                // A page moves when a client is created meanwhile.
                if clients.iter().all(|known| known.id != client.id) {
                    clients.push(client);
                }
            }
            match page.older {
                None => return Ok(answer.reply(clients)),
                Some(_) if pages == MOST_PAGES => return Err(answer.too_many_pages(pages)),
                next => older = next,
            }
            pages += 1;
            crate::clock::pause(self.page_pause).await;
        }
    }

    /// One page; `older` comes from the page before.
    async fn clients_page(&self, access: &Access<'_>, older: Option<&str>) -> Result<(Believed, Page), Error> {
        let list = clients_path(access);
        let path = older.map_or_else(|| format!("{list}?count={PAGE_SIZE}"), str::to_owned);
        let attempt = Attempt::access(Call::ListOauthClients, path, access);
        let answer = self.exchange(attempt).await?;
        let page = answer.clients_page(&list)?;
        Ok((answer, page))
    }

    /// One client; another one than asked for is not believed.
    pub async fn get_oauth_client(&self, access: &Access<'_>, id: u64) -> Result<Reply<OauthClient>, Error> {
        let path = client_path(access, id);
        self.exchange(Attempt::access(Call::GetOauthClient, path, access)).await?.client(id)
    }

    /// Creates a client; the id is missing when the bank succeeds without telling it.
    pub async fn create_oauth_client(
        &self,
        access: &Access<'_>,
        body: &CreateBody,
    ) -> Result<Reply<Option<u64>>, Error> {
        let attempt = Attempt::access(Call::CreateOauthClient, clients_path(access), access);
        let attempt = match body {
            CreateBody::Array { display_name, redirect_url } => {
                attempt.json(&[full_body(display_name, redirect_url)])?
            }
            CreateBody::Object { display_name, redirect_url } => {
                attempt.json(&full_body(display_name, redirect_url))?
            }
            CreateBody::StatusOnly => {
                attempt.json(&ClientBody { status: "ACTIVE", display_name: None, redirect_url: None })?
            }
        };
        self.exchange(attempt).await?.created_client()
    }

    /// Changes a client; read it back, the answer says nothing about what was stored.
    pub async fn update_oauth_client(
        &self,
        access: &Access<'_>,
        id: u64,
        body: &UpdateBody,
    ) -> Result<Reply<()>, Error> {
        let path = client_path(access, id);
        let attempt = Attempt::access(Call::UpdateOauthClient, path, access).json(body)?;
        let answer = self.exchange(attempt).await?;
        Ok(answer.reply(()))
    }
}

impl Believed {
    /// A page of `list`, which is the path below the base URL.
    pub(super) fn clients_page(&self, list: &str) -> Result<Page, Error> {
        let envelope = self.envelope()?;
        let older = envelope
            .pagination
            .and_then(|pagination| pagination.older_url)
            .map(|url| continuation(self, list, &url))
            .transpose()?;
        let mut clients = Vec::with_capacity(envelope.items.len());
        for item in envelope.items {
            let client = item.oauth_client;
            clients.push(client.ok_or_else(|| self.senseless("an item is no OAuth client"))?);
        }
        Ok(Page { clients, older })
    }

    /// The client of this number, alone.
    pub(super) fn client(self, id: u64) -> Result<Reply<OauthClient>, Error> {
        let mut items = self.envelope()?.items.into_iter();
        let (Some(item), None) = (items.next(), items.next()) else {
            return Err(self.senseless("it does not hold exactly one item"));
        };
        let client = item.oauth_client.ok_or_else(|| self.senseless("its item is no OAuth client"))?;
        if client.id != id {
            return Err(self.other_object());
        }
        Ok(self.reply(client))
    }

    /// The number of a new client, where the bank tells it.
    pub(super) fn created_client(self) -> Result<Reply<Option<u64>>, Error> {
        let envelope = self.envelope()?;
        let object = envelope.items.iter().find_map(|item| item.oauth_client.as_ref()).map(|client| client.id);
        let id = envelope.id().or(object);
        Ok(self.reply(id))
    }
}

pub(super) fn clients_path(access: &Access<'_>) -> String {
    format!("user/{}/oauth-client", access.user_id)
}

pub(super) fn client_path(access: &Access<'_>, id: u64) -> String {
    format!("user/{}/oauth-client/{id}", access.user_id)
}

fn full_body<'a>(display_name: &'a str, redirect_url: &'a str) -> ClientBody<'a> {
    ClientBody { status: "ACTIVE", display_name: Some(display_name), redirect_url: Some(redirect_url) }
}

/// `/v1/<the same list>?…` only: another host or path would get our session token (`S10`).
pub(super) fn continuation(answer: &Believed, list: &str, url: &str) -> Result<String, Error> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~%&=+,".contains(&b);
    url.strip_prefix("/v1/")
        .filter(|path| {
            let query = path.strip_prefix(list).and_then(|r| r.strip_prefix('?'));
            query.is_some_and(|query| query.bytes().all(plain))
        })
        .map(str::to_owned)
        .ok_or_else(|| answer.senseless("its older_url is not a page of the same list"))
}

/// Under the names that the bank may use.
#[derive(Deserialize)]
#[serde(remote = "Self")]
struct WireClient {
    id: u64,
    status: String,
    display_name: Option<String>,
    client_id: Option<String>,
    secret: Option<SecretString>,
    client_secret: Option<SecretString>,
    callback_url: Option<Vec<CallbackItem>>,
    redirect_url: Option<String>,
}

by_key!(WireClient);

impl<'de> Deserialize<'de> for OauthClient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire: WireClient = Deserialize::deserialize(deserializer)?;
        let filled = |secret: &SecretString| !secret.expose_secret().is_empty();
        Ok(Self {
            id: wire.id,
            status: ClientStatus::from(wire.status.as_str()),
            display_name: wire.display_name,
            client_id: wire.client_id.filter(|id| !id.is_empty()),
            secret: wire.secret.filter(filled).or_else(|| wire.client_secret.filter(filled)),
            urls: Urls {
                array: wire.callback_url.map(|items| items.into_iter().map(CallbackUrl::from).collect()),
                scalar: wire.redirect_url,
            },
        })
    }
}
