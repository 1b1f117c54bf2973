//! The redirect URLs of a client as a sub-resource (`bunq-api §5.1`).

use serde::Serialize;

use super::{
    call::Call,
    client::{Access, Bank, Reply},
    envelope::{Believed, CallbackItem},
    error::Error,
    exchange::Attempt,
    oauth_client::{MOST_PAGES, client_path, continuation},
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

/// One page of a listing.
pub(super) struct Page {
    /// In the bank's order.
    pub(super) urls: Vec<CallbackUrl>,
    /// Where the next page is, below the base URL; `None` on the last.
    pub(super) older: Option<String>,
}

#[derive(Serialize)]
struct CallbackBody<'a> {
    url: &'a str,
}

impl Bank {
    /// Every redirect URL of the client. Complete or an error; pauses between pages.
    pub async fn list_callback_urls(&self, access: &Access<'_>, client: u64) -> Result<Reply<Vec<CallbackUrl>>, Error> {
        let list = callbacks_path(access, client);
        let mut path = format!("{list}?count=200");
        let mut urls = Vec::new();
        let mut pages = 1;
        loop {
            let attempt = Attempt::access(Call::ListCallbackUrls, path, access);
            let answer = self.exchange(attempt).await?;
            let page = answer.callbacks_page(&list)?;
            for url in page.urls {
                if !urls.contains(&url) {
                    urls.push(url);
                }
            }
            match page.older {
                None => return Ok(answer.reply(urls)),
                Some(_) if pages == MOST_PAGES => return Err(answer.too_many_pages(pages)),
                Some(older) => path = older,
            }
            pages += 1;
            crate::clock::pause(self.page_pause).await;
        }
    }

    /// Registers a redirect URL; the id is missing when the bank does not tell it.
    pub async fn create_callback_url(
        &self,
        access: &Access<'_>,
        client: u64,
        url: &str,
    ) -> Result<Reply<Option<u64>>, Error> {
        let path = callbacks_path(access, client);
        let attempt = Attempt::access(Call::CreateCallbackUrl, path, access);
        self.exchange(attempt.json(&CallbackBody { url })?).await?.created_callback()
    }

    /// Puts another URL in the place of a registered one.
    pub async fn update_callback_url(
        &self,
        access: &Access<'_>,
        client: u64,
        id: u64,
        url: &str,
    ) -> Result<Reply<()>, Error> {
        let path = format!("{}/{id}", callbacks_path(access, client));
        let attempt = Attempt::access(Call::UpdateCallbackUrl, path, access);
        let answer = self.exchange(attempt.json(&CallbackBody { url })?).await?;
        Ok(answer.reply(()))
    }

    /// Removes a registered URL; the answer may be empty (`{}`).
    pub async fn delete_callback_url(&self, access: &Access<'_>, client: u64, id: u64) -> Result<Reply<()>, Error> {
        let path = format!("{}/{id}", callbacks_path(access, client));
        let attempt = Attempt::access(Call::DeleteCallbackUrl, path, access);
        let answer = self.exchange(attempt).await?;
        Ok(answer.reply(()))
    }
}

impl Believed {
    /// A page of `list`, which is the path below the base URL.
    pub(super) fn callbacks_page(&self, list: &str) -> Result<Page, Error> {
        let envelope = self.envelope()?;
        let mut urls = Vec::with_capacity(envelope.items.len());
        for item in envelope.items {
            let url = item.oauth_callback_url.ok_or_else(|| self.senseless("an item is no callback URL"))?;
            urls.push(CallbackUrl::from(url));
        }
        let older = envelope.pagination.and_then(|pagination| pagination.older_url);
        let older = older.map(|url| continuation(self, list, &url)).transpose()?;
        Ok(Page { urls, older })
    }

    /// The number of a new callback URL, where the bank tells it.
    pub(super) fn created_callback(self) -> Result<Reply<Option<u64>>, Error> {
        let id = self.envelope()?.id();
        Ok(self.reply(id))
    }
}

pub(super) fn callbacks_path(access: &Access<'_>, client: u64) -> String {
    format!("{}/callback-url", client_path(access, client))
}
