//! The redirect URLs of a client as a sub-resource (`bunq-api §5.1`).

use serde::Serialize;

use super::{
    call::Call,
    client::{Access, Bank, Reply},
    envelope::CallbackItem,
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
            let envelope = answer.envelope()?;
            for item in envelope.items {
                let url = item.oauth_callback_url;
                let url = url.ok_or_else(|| answer.senseless("an item is no callback URL"))?;
                let url = CallbackUrl::from(url);
                if !urls.contains(&url) {
                    urls.push(url);
                }
            }
            match envelope.pagination.and_then(|p| p.older_url) {
                None => return Ok(answer.reply(urls)),
                Some(_) if pages == MOST_PAGES => return Err(answer.too_many_pages(pages)),
                Some(older) => path = continuation(&answer, &list, &older)?,
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
        let answer = self.exchange(attempt.json(&CallbackBody { url })?).await?;
        let id = answer.envelope()?.id();
        Ok(answer.reply(id))
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

fn callbacks_path(access: &Access<'_>, client: u64) -> String {
    format!("{}/callback-url", client_path(access, client))
}
