//! The redirect URLs of a client as a sub-resource (`bunq-api §5.1`).

use serde::Serialize;

use super::{
    listing::{Listing, Page, older},
    path,
};
use crate::bunq::{
    answer::{Believed, CallbackItem, Envelope, Reply},
    exchange::{Access, Attempt, Line},
    ground::{Call, Error},
};

/// A registered redirect URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackUrl {
    /// Needed to change or remove it; some answers leave it out.
    pub id: Option<u64>,
    /// The bytes that the bank stored.
    pub url: String,
}

impl From<CallbackItem> for CallbackUrl {
    fn from(item: CallbackItem) -> Self {
        Self { id: item.id, url: item.url }
    }
}

#[derive(Serialize)]
struct CallbackBody<'a> {
    url: &'a str,
}

pub(crate) async fn list(line: &Line, access: &Access<'_>, client: u64) -> Result<Reply<Vec<CallbackUrl>>, Error> {
    let list = Listing {
        call: Call::ListCallbackUrls,
        path: path::callbacks(access, client),
        read: read_page,
        is_same: |known, url| known == url,
    };
    list.whole(line, access).await
}

pub(crate) async fn create(
    line: &Line,
    access: &Access<'_>,
    client: u64,
    url: &str,
) -> Result<Reply<Option<u64>>, Error> {
    let attempt = Attempt::access(Call::CreateCallbackUrl, path::callbacks(access, client), access);
    read_created(line.exchange(attempt.json(&CallbackBody { url })?).await?)
}

pub(crate) async fn update(
    line: &Line,
    access: &Access<'_>,
    client: u64,
    id: u64,
    url: &str,
) -> Result<Reply<()>, Error> {
    let attempt = Attempt::access(Call::UpdateCallbackUrl, path::callback(access, client, id), access);
    let answer = line.exchange(attempt.json(&CallbackBody { url })?).await?;
    Ok(answer.reply(()))
}

pub(crate) async fn delete(line: &Line, access: &Access<'_>, client: u64, id: u64) -> Result<Reply<()>, Error> {
    let attempt = Attempt::access(Call::DeleteCallbackUrl, path::callback(access, client, id), access);
    let answer = line.exchange(attempt).await?;
    Ok(answer.reply(()))
}

/// A page of `list`, which is the path below the base URL.
pub(crate) fn read_page(answer: &Believed, list: &str) -> Result<Page<CallbackUrl>, Error> {
    let Envelope { items, pagination } = answer.envelope()?;
    let mut urls = Vec::with_capacity(items.len());
    for item in items {
        let url = item.oauth_callback_url.ok_or_else(|| answer.senseless("an item is no callback URL"))?;
        urls.push(CallbackUrl::from(url));
    }
    let older = older(answer, list, pagination)?;
    Ok(Page { items: urls, older })
}

/// The number of a new callback URL, where the bank tells it.
pub(crate) fn read_created(answer: Believed) -> Result<Reply<Option<u64>>, Error> {
    let id = answer.envelope()?.id();
    Ok(answer.reply(id))
}
