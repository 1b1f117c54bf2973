//! The rules of [`super::rules`] in Rust, for objects that were stored before
//! a rule existed or by a server that does not check it.

use std::collections::BTreeSet;
use std::fmt;

use super::spec::{
    ApiKeySecretRef, BunqOAuthClientSpec, MAX_ADDITIONAL_REDIRECT_URLS, OutputSecret, SecretFormat, SecretKeys,
};
use super::{format, rules};

/// The longest name of an object, in characters: names become label values.
const MAX_OBJECT_NAME: usize = 63;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field, as a path from the object's root.
    pub field: String,
    /// What it must be, in a sentence.
    pub message: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.message)
    }
}

/// Checks the spec of the object called `name`, against what was stored
/// before if it is an update. The answer lists every broken rule.
pub fn validate(
    spec: &BunqOAuthClientSpec,
    name: &str,
    old: Option<&BunqOAuthClientSpec>,
) -> Result<(), Vec<Violation>> {
    let mut found = Found::default();
    found.unless(name.len() <= MAX_OBJECT_NAME, "metadata.name", rules::NAME_LENGTH);
    found.unless(format::is_display_name(&spec.display_name), "spec.displayName", rules::DISPLAY_NAME);
    check_urls(spec, &mut found);
    check_reference(&spec.credentials.api_key_secret_ref, &mut found);
    if let Some(secret) = &spec.secret {
        check_output(secret, &mut found);
    }
    found.unless(
        spec.output_secret_name(name) != spec.credentials.api_key_secret_ref.name,
        "spec.secret.name",
        rules::SECRETS_DIFFER,
    );
    found.unless(spec.resync_interval.to_duration().is_ok(), "spec.resyncInterval", rules::RESYNC_INTERVAL);
    let pinned = old.and_then(|old| old.environment);
    found.unless(pinned.is_none() || pinned == spec.environment, "spec.environment", rules::ENVIRONMENT_SET_ONCE);
    found.into_result()
}

fn check_urls(spec: &BunqOAuthClientSpec, found: &mut Found) {
    found.unless(format::is_redirect_url(&spec.redirect_url), "spec.redirectUrl", rules::URL);
    for (index, url) in spec.additional_redirect_urls.iter().enumerate() {
        found.unless(format::is_redirect_url(url), &format!("spec.additionalRedirectUrls[{index}]"), rules::URL);
    }
    let distinct: BTreeSet<&str> = spec.wanted_urls().collect();
    found.unless(distinct.len() == spec.wanted_urls().count(), "spec.additionalRedirectUrls", rules::URLS_DISTINCT);
    found.unless(
        spec.additional_redirect_urls.len() <= MAX_ADDITIONAL_REDIRECT_URLS,
        "spec.additionalRedirectUrls",
        rules::URLS_COUNT,
    );
}

fn check_reference(reference: &ApiKeySecretRef, found: &mut Found) {
    let field = "spec.credentials.apiKeySecretRef";
    found.unless(format::is_object_name(&reference.name), &format!("{field}.name"), rules::OBJECT_NAME);
    found.unless(format::is_secret_key(&reference.key), &format!("{field}.key"), rules::SECRET_KEY);
}

fn check_output(secret: &OutputSecret, found: &mut Found) {
    if let Some(name) = &secret.name {
        found.unless(format::is_object_name(name), "spec.secret.name", rules::OBJECT_NAME);
    }
    if let Some(keys) = &secret.keys {
        found.unless(secret.format == SecretFormat::Plain, "spec.secret.keys", rules::KEYS_ONLY_PLAIN);
        check_keys(keys, found);
    }
    let labels_fit = secret.labels.len() <= rules::MAX_METADATA_ENTRIES
        && secret.labels.iter().all(|(key, value)| is_free_key(key) && format::is_label_value(value));
    found.unless(labels_fit, "spec.secret.labels", rules::LABELS);
    let annotations_fit = secret.annotations.len() <= rules::MAX_METADATA_ENTRIES
        && secret
            .annotations
            .iter()
            .all(|(key, value)| is_free_key(key) && value.chars().count() <= rules::MAX_ANNOTATION_VALUE);
    found.unless(annotations_fit, "spec.secret.annotations", rules::ANNOTATIONS);
}

fn check_keys(keys: &SecretKeys, found: &mut Found) {
    for (field, name) in [
        ("clientId", &keys.client_id),
        ("clientSecret", &keys.client_secret),
        ("redirectUri", &keys.redirect_uri),
        ("authorizationUri", &keys.authorization_uri),
        ("tokenUri", &keys.token_uri),
        ("type", &keys.type_),
        ("provider", &keys.provider),
    ] {
        found.unless(
            name.as_deref().is_none_or(format::is_secret_key),
            &format!("spec.secret.keys.{field}"),
            rules::SECRET_KEY,
        );
    }
    let names = keys.clone().into_names();
    let distinct = BTreeSet::from([
        names.client_id,
        names.client_secret,
        names.redirect_uri,
        names.authorization_uri,
        names.token_uri,
        names.type_,
        names.provider,
    ]);
    found.unless(distinct.len() == 7, "spec.secret.keys", rules::KEYS_DISTINCT);
}

/// Whether a person may set this label or annotation.
fn is_free_key(key: &str) -> bool {
    format::is_qualified_name(key) && !key.starts_with(rules::RESERVED_PREFIX)
}

/// The broken rules found so far.
#[derive(Default)]
struct Found(Vec<Violation>);

impl Found {
    fn unless(&mut self, holds: bool, field: &str, message: &'static str) {
        if !holds {
            self.0.push(Violation { field: field.to_owned(), message });
        }
    }

    fn into_result(self) -> Result<(), Vec<Violation>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}
