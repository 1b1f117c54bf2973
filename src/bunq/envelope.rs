//! What stands in `{"Response": [{"Type": {…}}, …]}`: read by key, never by position, with
//! unknown fields ignored and `null` as absent.

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use super::by_key::by_key;

/// A list of items and where older ones are.
#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(super) struct Envelope {
    #[serde(rename = "Response")]
    pub(super) items: Vec<Item>,
    #[serde(rename = "Pagination")]
    pub(super) pagination: Option<Pagination>,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(super) struct Pagination {
    pub(super) older_url: Option<String>,
}

/// Every type that this conversation reads; an item has one of them.
#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(super) struct Item {
    #[serde(rename = "Id")]
    pub(super) id: Option<IdItem>,
    #[serde(rename = "Token")]
    pub(super) token: Option<TokenItem>,
    #[serde(rename = "ServerPublicKey")]
    pub(super) server_public_key: Option<ServerPublicKeyItem>,
    #[serde(rename = "UserPerson")]
    pub(super) user_person: Option<UserItem>,
    #[serde(rename = "UserCompany")]
    pub(super) user_company: Option<UserItem>,
    #[serde(rename = "UserApiKey")]
    pub(super) user_api_key: Option<UserItem>,
    #[serde(rename = "UserPaymentServiceProvider")]
    pub(super) user_payment_service_provider: Option<UserItem>,
    #[serde(rename = "OauthClient")]
    pub(super) oauth_client: Option<OauthClientItem>,
    #[serde(rename = "OauthCallbackUrl")]
    pub(super) oauth_callback_url: Option<CallbackItem>,
    #[serde(rename = "CredentialPasswordIp")]
    pub(super) credential_password_ip: Option<CredentialItem>,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(super) struct IdItem {
    pub(super) id: u64,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(super) struct TokenItem {
    pub(super) token: SecretString,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(super) struct ServerPublicKeyItem {
    pub(super) server_public_key: String,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(super) struct UserItem {
    pub(super) id: u64,
    /// Of any JSON type: a strange one counts as missing.
    #[serde(default, deserialize_with = "seconds")]
    pub(super) session_timeout: Option<u64>,
    pub(super) requested_by_user: Option<RequestedByUser>,
}

/// Whom a `UserApiKey` acts for; these may have no id (`bunq-api §2`).
#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(super) struct RequestedByUser {
    #[serde(rename = "UserPerson")]
    pub(super) person: Option<Timed>,
    #[serde(rename = "UserCompany")]
    pub(super) company: Option<Timed>,
    #[serde(rename = "UserPaymentServiceProvider")]
    pub(super) payment_service_provider: Option<Timed>,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(super) struct Timed {
    #[serde(default, deserialize_with = "seconds")]
    pub(super) session_timeout: Option<u64>,
}

/// An OAuth client under the names that the bank may use.
#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(super) struct OauthClientItem {
    pub(super) id: u64,
    pub(super) status: String,
    pub(super) display_name: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) secret: Option<SecretString>,
    pub(super) client_secret: Option<SecretString>,
    pub(super) callback_url: Option<Vec<CallbackItem>>,
    pub(super) redirect_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(super) struct CallbackItem {
    pub(super) id: Option<u64>,
    pub(super) url: String,
}

/// Only what is needed: `token_value` is a secret and is never read.
#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(super) struct CredentialItem {
    pub(super) status: Option<String>,
    pub(super) permitted_device: Option<PermittedDeviceItem>,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(super) struct PermittedDeviceItem {
    pub(super) ip: Option<String>,
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
    pub(super) fn id(&self) -> Option<u64> {
        self.items.iter().find_map(|item| item.id.as_ref()).map(|item| item.id)
    }
}
