//! What the operator answers: `status` of a `BunqOAuthClient`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::environment::Environment;
use super::rules;

/// The most redirect URLs the status lists.
pub const MAX_REDIRECT_URLS: usize = 256;
/// The longest redirect URL the status shows, in characters.
pub const MAX_REDIRECT_URL: usize = 4096;
/// The longest authorization URL the status shows, in characters: a redirect
/// URL of 2048 characters, each percent-encoded, and room for the rest.
pub const MAX_AUTHORIZATION_URL: usize = 8192;
/// The longest `client_id` the status shows, in characters.
pub const MAX_CLIENT_ID: usize = 512;
/// The longest address the status shows, in characters.
pub const MAX_BOUND_IP: usize = 256;
/// The longest `requestedAt` that is echoed, in characters.
pub const MAX_REQUESTED_AT: usize = 256;

/// What is known about the client at the bank and its Secret. It repeats what a
/// person wants to see and is never the only copy (protocol §1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BunqOAuthClientStatus {
    /// The metadata.generation that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Ready is the summary; CredentialsValid, RemoteInSync, SecretInSync and DisplayNameSynced are its parts; Reconciling and Stalled stand here only while they are True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// The bunq environment in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::optional_enum)]
    pub environment: Option<Environment>,
    /// bunq's number of the user whose client this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub user_id: Option<i64>,
    /// bunq's number of the OAuth client.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub oauth_client_id: Option<i64>,
    /// The OAuth client_id, as applications send it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub client_id: Option<String>,
    /// The status of the client in bunq's words, for example ACTIVE, CANCELLED or CANCELLED_PENDING.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub client_status: Option<String>,
    /// The redirect URLs as the bank holds them, byte for byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub redirect_urls: Vec<RedirectUrlStatus>,
    /// The address that bunq bound the API key to when it was first used.
    #[serde(rename = "boundIP", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub bound_ip: Option<String>,
    /// Where an application sends its users to log in; the application adds its own state parameter, and scope if it wants one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub authorization_url: Option<String>,
    /// The published Secret, in the form that servicebinding.io reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// A hash of the published Secret's data: it changes if and only if the data does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub secret_hash: Option<String>,
    /// A hash of what the last pass worked from: the generation, both Secrets' versions and the requestedAt annotation. When it differs, back-off is skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub attempted_inputs: Option<String>,
    /// When the bank last confirmed the client; written along with another change or once a day, the exact time is a metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 64))]
    pub last_verified_time: Option<Time>,
    /// When the operator tries again; present only while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 64))]
    pub next_attempt_time: Option<Time>,
    /// The value of the reconcile.fluxcd.io/requestedAt annotation that was handled last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: Option<String>,
}

/// One redirect URL at the bank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedirectUrlStatus {
    /// The URL as the bank holds it.
    #[schemars(length(max = 4096))]
    pub url: String,
    /// bunq's number of this entry, where it gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub id: Option<i64>,
    /// Whether a generation of this object declared it; others belong to somebody else and stay.
    pub managed: bool,
}

/// The reference that service binding implementations follow (C24).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The name of the published Secret.
    #[schemars(length(max = 253))]
    pub name: String,
}
