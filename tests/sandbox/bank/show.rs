//! What a read shows of a client and its redirect URLs.

use serde_json::{Map, Value, json};

use super::{Bank, Client, ClientStatus, RedirectUrl, stamp};
use crate::sandbox::behaviour::{SecretField, SecretShown, UnsetName, UrlShape};

impl Bank {
    /// A read of one client.
    pub(super) fn show_client(&mut self, at: usize) -> Value {
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
        if matches!(shape, UrlShape::Array | UrlShape::Both | UrlShape::ArrayWithoutIds) {
            let with_ids = shape != UrlShape::ArrayWithoutIds;
            let urls: Vec<Value> = client.urls.iter().map(|it| url_object(it, with_ids)).collect();
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
            SecretShown::OnlyActive if client.status == ClientStatus::Active => Some(json!(client.secret)),
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
