//! `callback-url`: the redirect URLs as a sub-resource (`bunq-api §5.1`).

use serde_json::{Value, json};

use super::{Bank, RedirectUrl, show::url_object};
use crate::sandbox::{
    behaviour::{CallbackRoutes, StoredUrl},
    reply::{Ask, Outcome, Refusal, Reply, text},
};

impl Bank {
    /// `callback-url`: list, create.
    pub(super) fn callback_urls(&mut self, ask: &Ask, session: usize, client: u64) -> Outcome {
        self.check_routes()?;
        let at = self.own_client(session, client)?;
        match ask.method.as_str() {
            "GET" => {
                let urls = self.clients[at].urls.iter();
                let items = urls.map(|it| (it.id, callback_object(it))).collect();
                Ok(self.page(ask, items))
            }
            "POST" => {
                let url = wanted_url(ask)?;
                self.refuse_url(at, &url)?;
                Ok(Reply::id(self.add_url(at, &url)))
            }
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    /// `callback-url/{m}`: read, change, delete.
    pub(super) fn callback_url(&mut self, ask: &Ask, session: usize, client: u64, id: u64) -> Outcome {
        self.check_routes()?;
        let at = self.own_client(session, client)?;
        let index = self.clients[at]
            .urls
            .iter()
            .position(|it| it.id == id)
            .ok_or_else(|| Refusal::not_found("Oauth callback url", id))?;
        match ask.method.as_str() {
            "GET" => {
                let item = callback_object(&self.clients[at].urls[index]);
                Ok(Reply::Items(vec![item]))
            }
            "PUT" => {
                let url = wanted_url(ask)?;
                self.refuse_url_text(&url)?;
                let (stored, now) = (self.store_url(&url), self.now);
                let entry = &mut self.clients[at].urls[index];
                entry.url = stored;
                entry.updated = now;
                Ok(Reply::id(id))
            }
            "DELETE" => {
                self.clients[at].urls.remove(index);
                Ok(Reply::Empty)
            }
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn check_routes(&self) -> Result<(), Refusal> {
        match self.behaviour.callback_routes {
            CallbackRoutes::On => Ok(()),
            CallbackRoutes::Off => Err(Refusal::route_not_found()),
            CallbackRoutes::MethodNotAllowed => Err(Refusal::method_not_allowed()),
        }
    }

    /// Registers a URL; returns its number.
    pub(super) fn add_url(&mut self, client: usize, url: &str) -> u64 {
        let entry = RedirectUrl { id: self.next_id(), url: self.store_url(url), created: self.now, updated: self.now };
        let id = entry.id;
        self.clients[client].urls.push(entry);
        id
    }

    pub(super) fn refuse_url(&self, client: usize, url: &str) -> Result<(), Refusal> {
        self.refuse_url_text(url)?;
        match self.behaviour.max_callback_urls {
            Some(limit) if self.clients[client].urls.len() >= limit => {
                Err(Refusal::new(400, format!("You can have a maximum of {limit} callback URLs.")))
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn refuse_url_text(&self, url: &str) -> Result<(), Refusal> {
        let known_scheme = url.starts_with("https://") || url.starts_with("http://");
        let refused = self.behaviour.refused_urls.iter().any(|part| url.contains(part));
        if !known_scheme || refused {
            return Err(Refusal::new(400, "The callback URL is invalid."));
        }
        Ok(())
    }

    fn store_url(&self, url: &str) -> String {
        match self.behaviour.stored_url {
            StoredUrl::AsSent => url.to_owned(),
            StoredUrl::TrailingSlash if url.ends_with('/') => url.to_owned(),
            StoredUrl::TrailingSlash => format!("{url}/"),
            StoredUrl::LowerCase => url.to_lowercase(),
            StoredUrl::UnicodeHost => unicode_host(url),
        }
    }
}

fn unicode_host(url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    let host = parsed.as_ref().and_then(url::Url::host_str).unwrap_or_default();
    url.replacen(host, &url::quirks::domain_to_unicode(host), 1)
}

fn wanted_url(ask: &Ask) -> Result<String, Refusal> {
    text(&ask.object()?, "url").map(str::to_owned).ok_or_else(|| Refusal::new(400, "Missing field \"url\"."))
}

fn callback_object(url: &RedirectUrl) -> Value {
    json!({"OauthCallbackUrl": url_object(url, true)})
}
