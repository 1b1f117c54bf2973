//! What a person writes: `spec` of a `BunqOAuthClient`.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::Environment;
use super::interval::ResyncInterval;
use super::rules;
use super::status::BunqOAuthClientStatus;

/// The most additional redirect URLs.
pub const MAX_ADDITIONAL_REDIRECT_URLS: usize = 10;

/// The one OAuth client of a bunq user, as it should be.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "bunq-operator.io",
    version = "v1alpha1",
    kind = "BunqOAuthClient",
    plural = "bunqoauthclients",
    singular = "bunqoauthclient",
    shortname = "boc",
    shortname = "bunqoauth",
    category = "bunq",
    namespaced,
    status = "BunqOAuthClientStatus",
    derive = "PartialEq",
    selectable = ".spec.environment",
    selectable = ".spec.credentials.apiKeySecretRef.name",
    label("servicebinding.io/provisioned-service", "true")
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::spec)]
pub struct BunqOAuthClientSpec {
    /// The name that bunq shows to people who are asked to grant access, 1 to 128 characters.
    #[schemars(length(min = 1, max = 128), transform = rules::display_name)]
    pub display_name: String,
    /// Whether the client should be ACTIVE or CANCELLED, in bunq's own words; ACTIVE if left out.
    #[serde(default)]
    pub status: DesiredStatus,
    /// The URL that bunq sends people back to: https, or http on localhost, 127.0.0.1 or the IPv6 loopback address; compared byte by byte.
    #[schemars(length(max = 2048), transform = rules::url)]
    pub redirect_url: String,
    /// Further redirect URLs under the same rules, at most 10.
    #[serde(default)]
    #[schemars(
        length(max = 10),
        inner(length(max = 2048)),
        transform = rules::url_list
    )]
    pub additional_redirect_urls: Vec<String>,
    /// Who signs in to bunq.
    pub credentials: Credentials,
    /// The bunq environment, Production or Sandbox; if left out, the API key tells; cannot be changed once set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::optional_enum)]
    pub environment: Option<Environment>,
    /// How the Secret with the client's credentials is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<OutputSecret>,
    /// What to do with a client that exists at bunq already: Adopt it, or Never; Adopt if left out.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,
    /// What happens to the client at bunq when this object is deleted: Retain it, or Cancel it; Retain if left out.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Whether redirect URLs that somebody else registered are removed; false if left out.
    #[serde(default)]
    pub prune_redirect_urls: bool,
    /// How often the bank is compared with this object, between 5m and 24h; 1h if left out.
    #[serde(default)]
    #[schemars(transform = rules::resync_interval)]
    pub resync_interval: ResyncInterval,
    /// While true, nothing is sent to bunq and the Secret is left as it is; false if left out.
    #[serde(default)]
    pub suspend: bool,
}

/// Who signs in to bunq.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The Secret in this namespace that holds the API key of the bunq user.
    pub api_key_secret_ref: ApiKeySecretRef,
}

/// A key of a Secret in the object's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeySecretRef {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253), transform = rules::object_name)]
    pub name: String,
    /// The key inside the Secret; api-key if left out.
    #[serde(default = "default_api_key")]
    #[schemars(length(min = 1, max = 253), transform = rules::secret_key)]
    pub key: String,
}

/// The published Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::output_secret)]
pub struct OutputSecret {
    /// Its name; the name of this object if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), transform = rules::object_name)]
    pub name: Option<String>,
    /// Which names its keys have: Plain (client_id, renamable) or ServiceBinding (client-id, as Spring Cloud Bindings reads them); Plain if left out.
    #[serde(default)]
    pub format: SecretFormat,
    /// Other names for its keys; only with the format Plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<SecretKeys>,
    /// Labels that the Secret gets in addition, at most 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = rules::labels)]
    pub labels: BTreeMap<String, String>,
    /// Annotations that the Secret gets in addition, at most 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = rules::annotations)]
    pub annotations: BTreeMap<String, String>,
}

/// The names of the Secret's keys, where they differ from the default.
// The server fills in no defaults here: under server-side apply they would
// outlive the removal of the last name a person set, and then stand in the way
// of the format `ServiceBinding`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::secret_keys)]
pub struct SecretKeys {
    /// The key of the OAuth client_id; client_id if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), transform = rules::secret_key)]
    pub client_id: Option<String>,
    /// The key of the OAuth client_secret; client_secret if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), transform = rules::secret_key)]
    pub client_secret: Option<String>,
    /// The key of the redirect URL; redirect_uri if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), transform = rules::secret_key)]
    pub redirect_uri: Option<String>,
    /// The key of the authorization endpoint; authorization_uri if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), transform = rules::secret_key)]
    pub authorization_uri: Option<String>,
    /// The key of the token endpoint; token_uri if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), transform = rules::secret_key)]
    pub token_uri: Option<String>,
    /// The key of the binding's type, oauth2; type if left out.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), transform = rules::secret_key)]
    pub type_: Option<String>,
    /// The key of the binding's provider, bunq; provider if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), transform = rules::secret_key)]
    pub provider: Option<String>,
}

/// The names of the Secret's keys after all defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyNames {
    /// Holds the OAuth `client_id`.
    pub client_id: String,
    /// Holds the OAuth `client_secret`.
    pub client_secret: String,
    /// Holds the redirect URL.
    pub redirect_uri: String,
    /// Holds the authorization endpoint.
    pub authorization_uri: String,
    /// Holds the token endpoint.
    pub token_uri: String,
    /// Holds `oauth2`.
    pub type_: String,
    /// Holds `bunq`.
    pub provider: String,
    /// Holds `authorization_code`; only in the format `ServiceBinding` (C25).
    pub authorization_grant_type: Option<String>,
}

/// Whether the client should work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum DesiredStatus {
    /// It works.
    #[default]
    Active,
    /// It is cancelled; its Secret is kept.
    Cancelled,
}

/// Which names the Secret's keys have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SecretFormat {
    /// `client_id` and so on, renamable.
    #[default]
    Plain,
    /// `client-id` and so on, as servicebinding.io and Spring Cloud Bindings
    /// read them.
    ServiceBinding,
}

/// What to do with a client that exists already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionPolicy {
    /// Take it over (protocol §3).
    #[default]
    Adopt,
    /// Leave it alone and say so.
    Never,
}

/// What happens to the client at the bank when the object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Nothing.
    #[default]
    Retain,
    /// It is cancelled (protocol §10).
    Cancel,
}

impl BunqOAuthClientSpec {
    /// Every redirect URL this generation declares, the main one first.
    pub fn wanted_urls(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.redirect_url).chain(&self.additional_redirect_urls).map(String::as_str)
    }

    /// The name of the published Secret of the object called `cr_name`.
    #[must_use]
    pub fn output_secret_name<'a>(&'a self, cr_name: &'a str) -> &'a str {
        self.secret.as_ref().and_then(|secret| secret.name.as_deref()).unwrap_or(cr_name)
    }

    /// The format of the published Secret.
    #[must_use]
    pub fn secret_format(&self) -> SecretFormat {
        self.secret.as_ref().map(|secret| secret.format).unwrap_or_default()
    }

    /// The names of the published Secret's keys after all defaults (D12, C25).
    #[must_use]
    pub fn key_names(&self) -> KeyNames {
        match self.secret_format() {
            SecretFormat::Plain => {
                self.secret.as_ref().and_then(|secret| secret.keys.clone()).unwrap_or_default().into_names()
            }
            SecretFormat::ServiceBinding => KeyNames::service_binding(),
        }
    }
}

impl SecretKeys {
    /// Fills in the default names.
    #[must_use]
    pub fn into_names(self) -> KeyNames {
        KeyNames {
            client_id: self.client_id.unwrap_or_else(|| "client_id".into()),
            client_secret: self.client_secret.unwrap_or_else(|| "client_secret".into()),
            redirect_uri: self.redirect_uri.unwrap_or_else(|| "redirect_uri".into()),
            authorization_uri: self.authorization_uri.unwrap_or_else(|| "authorization_uri".into()),
            token_uri: self.token_uri.unwrap_or_else(|| "token_uri".into()),
            type_: self.type_.unwrap_or_else(|| "type".into()),
            provider: self.provider.unwrap_or_else(|| "provider".into()),
            authorization_grant_type: None,
        }
    }
}

impl KeyNames {
    /// The names that Spring Cloud Bindings reads for the type `oauth2` (C25).
    fn service_binding() -> Self {
        Self {
            client_id: "client-id".into(),
            client_secret: "client-secret".into(),
            redirect_uri: "redirect-uri".into(),
            authorization_uri: "authorization-uri".into(),
            token_uri: "token-uri".into(),
            type_: "type".into(),
            provider: "provider".into(),
            authorization_grant_type: Some("authorization-grant-type".into()),
        }
    }
}

/// The key of the API key's Secret if none is named.
fn default_api_key() -> String {
    "api-key".into()
}
