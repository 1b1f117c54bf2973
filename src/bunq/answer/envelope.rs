//! What stands in `{"Response": [{"Type": {…}}, …]}`: read by key, never by position, with
//! unknown fields ignored and `null` as absent.

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use super::by_key::by_key;

/// A list of items and where older ones are.
#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct Envelope {
    #[serde(rename = "Response")]
    pub(crate) items: Vec<Item>,
    #[serde(rename = "Pagination")]
    pub(crate) pagination: Option<Pagination>,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct Pagination {
    pub(crate) older_url: Option<String>,
}

/// Every type that this conversation reads; an item has one of them.
#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct Item {
    #[serde(rename = "Id")]
    pub(crate) id: Option<IdItem>,
    #[serde(rename = "Token")]
    pub(crate) token: Option<TokenItem>,
    #[serde(rename = "ServerPublicKey")]
    pub(crate) server_public_key: Option<ServerPublicKeyItem>,
    #[serde(rename = "UserPerson")]
    pub(crate) user_person: Option<UserItem>,
    #[serde(rename = "UserCompany")]
    pub(crate) user_company: Option<UserItem>,
    #[serde(rename = "UserApiKey")]
    pub(crate) user_api_key: Option<UserItem>,
    #[serde(rename = "UserPaymentServiceProvider")]
    pub(crate) user_payment_service_provider: Option<UserItem>,
    #[serde(rename = "OauthClient")]
    pub(crate) oauth_client: Option<OauthClientItem>,
    #[serde(rename = "OauthCallbackUrl")]
    pub(crate) oauth_callback_url: Option<CallbackItem>,
    #[serde(rename = "CredentialPasswordIp")]
    pub(crate) credential_password_ip: Option<CredentialItem>,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct IdItem {
    pub(crate) id: u64,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct TokenItem {
    pub(crate) token: SecretString,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct ServerPublicKeyItem {
    pub(crate) server_public_key: String,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct UserItem {
    pub(crate) id: u64,
    /// Of any JSON type: a strange one counts as missing.
    #[serde(default, deserialize_with = "seconds")]
    pub(crate) session_timeout: Option<u64>,
    pub(crate) requested_by_user: Option<RequestedByUser>,
}

/// Whom a `UserApiKey` acts for; these may have no id (`bunq-api §2`).
#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct RequestedByUser {
    #[serde(rename = "UserPerson")]
    pub(crate) person: Option<Timed>,
    #[serde(rename = "UserCompany")]
    pub(crate) company: Option<Timed>,
    #[serde(rename = "UserPaymentServiceProvider")]
    pub(crate) payment_service_provider: Option<Timed>,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct Timed {
    #[serde(default, deserialize_with = "seconds")]
    pub(crate) session_timeout: Option<u64>,
}

/// An OAuth client under the names that the bank may use.
#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct OauthClientItem {
    pub(crate) id: u64,
    pub(crate) status: String,
    pub(crate) display_name: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) secret: Option<SecretString>,
    pub(crate) client_secret: Option<SecretString>,
    pub(crate) callback_url: Option<Vec<CallbackItem>>,
    pub(crate) redirect_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct CallbackItem {
    pub(crate) id: Option<u64>,
    pub(crate) url: String,
}

/// Only what is needed: `token_value` is a secret and is never read.
#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct CredentialItem {
    pub(crate) status: Option<String>,
    pub(crate) permitted_device: Option<PermittedDeviceItem>,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct PermittedDeviceItem {
    pub(crate) ip: Option<String>,
}

by_key!(
    Envelope,
    Pagination,
    Item,
    IdItem,
    TokenItem,
    ServerPublicKeyItem,
    UserItem,
    RequestedByUser,
    Timed,
    OauthClientItem,
    CallbackItem,
    CredentialItem,
    PermittedDeviceItem,
);

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(serde_json::Value::deserialize(deserializer)?.as_u64())
}

impl Envelope {
    /// The one id of a create's answer; the `Id` item, wherever it stands.
    pub(crate) fn id(&self) -> Option<u64> {
        self.items.iter().find_map(|item| item.id.as_ref()).map(|item| item.id)
    }
}
