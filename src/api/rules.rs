//! The rules a server checks before it stores an object, in CEL, with the
//! sentences a person reads when one is broken. `validate` holds the same rules
//! in Rust and uses the same sentences.

use schemars::Schema;
use serde_json::{Value, json};

use super::format;

/// The sentence for a bad URL.
pub const URL: &str = "must be an https URL, or http on localhost, 127.0.0.1 or [::1], of at most 2048 ASCII characters, without fragment (#), user name (@ before the path), wildcard (*), space or backslash";
/// The sentence for a blank display name.
pub const DISPLAY_NAME: &str = "must be 1 to 128 characters on one line, at least one of them visible";
/// The sentence for a bad name of a Secret.
pub const OBJECT_NAME: &str = "must be the name of a Secret: lower case letters, digits, '-' and '.', beginning and ending with a letter or digit, at most 253 characters";
/// The sentence for a bad key of a Secret.
pub const SECRET_KEY: &str = "must be a key of a Secret: letters, digits, '-', '_' and '.', not '.' and not beginning with '..', at most 253 characters";
/// The sentence for a bad interval.
pub const RESYNC_INTERVAL: &str = "must be between 5m and 24h, written like 1h, 90m or 300s";
/// The sentence for a URL that is declared twice.
pub const URLS_DISTINCT: &str = "additionalRedirectUrls must differ from each other and from redirectUrl";
/// The sentence for too many URLs.
pub const URLS_COUNT: &str = "additionalRedirectUrls may hold at most 10 URLs";
/// The sentence for an environment that changes.
pub const ENVIRONMENT_SET_ONCE: &str =
    "environment cannot be changed or removed once it is set; create another BunqOAuthClient for the other environment";
/// The sentence for keys with the format `ServiceBinding`.
pub const KEYS_ONLY_PLAIN: &str =
    "keys can be renamed only with format Plain; ServiceBinding has fixed names: remove keys";
/// The sentence for two keys of one name.
pub const KEYS_DISTINCT: &str = "the seven key names (clientId, clientSecret, redirectUri, authorizationUri, tokenUri, type, provider) must all differ, defaults included";
/// The sentence for a name that is too long for a label.
pub const NAME_LENGTH: &str = "metadata.name must be at most 63 characters";
/// The sentence for an output Secret that would overwrite the API key.
pub const SECRETS_DIFFER: &str = "the published Secret (spec.secret.name, or else metadata.name) must not be the Secret that holds the API key (spec.credentials.apiKeySecretRef.name)";
/// The sentence for labels the server would refuse on the Secret.
pub const LABELS: &str = "labels must have keys like example.com/name and values of at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit; bunq-operator.io/ is reserved";
/// The sentence for annotations the server would refuse on the Secret.
pub const ANNOTATIONS: &str = "annotations must have keys like example.com/name: a name of at most 63 letters, digits, '-', '_' and '.', optionally after a DNS name and '/'; bunq-operator.io/ is reserved";
/// Keys of labels and annotations that only the operator sets.
pub const RESERVED_PREFIX: &str = "bunq-operator.io/";

/// Labels and annotations a person may add to the Secret.
pub const MAX_METADATA_ENTRIES: usize = 32;
/// The longest annotation a person may add to the Secret, in characters.
pub const MAX_ANNOTATION_VALUE: usize = 4096;

/// The rules of `displayName`.
pub fn display_name(schema: &mut Schema) {
    add(schema, &matches(format::DISPLAY_NAME), DISPLAY_NAME);
}

/// The rules of `redirectUrl`.
pub fn url(schema: &mut Schema) {
    add(schema, &matches(format::URL), URL);
}

/// The rules of `additionalRedirectUrls`.
pub fn url_list(schema: &mut Schema) {
    schema.insert("x-kubernetes-list-type".into(), "set".into());
    if let Some(items) = schema.get_mut("items").and_then(Value::as_object_mut) {
        items.insert("description".into(), "A redirect URL, compared byte by byte.".into());
        items.insert(RULES.into(), json!([rule(&matches(format::URL), URL)]));
    }
}

/// The rules of a Secret's name.
pub fn object_name(schema: &mut Schema) {
    add(schema, &matches(format::OBJECT_NAME), OBJECT_NAME);
}

/// The rules of a Secret's key.
pub fn secret_key(schema: &mut Schema) {
    add(schema, &matches(format::SECRET_KEY), SECRET_KEY);
}

/// The rules of `resyncInterval`.
pub fn resync_interval(schema: &mut Schema) {
    let in_bounds = "duration(self) >= duration('5m') && duration(self) <= duration('24h')";
    let written_well = matches(format::INTERVAL);
    add(schema, &format!("self != '' && {written_well} && {in_bounds}"), RESYNC_INTERVAL);
}

/// The rules of `secret.labels`.
pub fn labels(schema: &mut Schema) {
    bound_map(schema, "A label's value.", 63);
    let key = metadata_key();
    let value = cel_text(format::LABEL_VALUE);
    let all = format!("self.all(key, {key} && self[key].matches({value}))");
    add(schema, &all, LABELS);
}

/// The rules of `secret.annotations`.
pub fn annotations(schema: &mut Schema) {
    bound_map(schema, "An annotation's value.", MAX_ANNOTATION_VALUE);
    let key = metadata_key();
    add(schema, &format!("self.all(key, {key})"), ANNOTATIONS);
}

/// What a key of a label or an annotation must be.
fn metadata_key() -> String {
    let pattern = cel_text(format::QUALIFIED_NAME);
    let reserved = cel_text(RESERVED_PREFIX);
    format!("key.size() <= 317 && key.matches({pattern}) && !key.startsWith({reserved})")
}

/// The rules of `secret.keys`: all seven differ, with the defaults filled in.
pub fn secret_keys(schema: &mut Schema) {
    let names = [
        ("clientId", "client_id"),
        ("clientSecret", "client_secret"),
        ("redirectUri", "redirect_uri"),
        ("authorizationUri", "authorization_uri"),
        ("tokenUri", "token_uri"),
        ("type", "type"),
        ("provider", "provider"),
    ]
    .map(|(field, default)| format!("has(self.{field}) ? self.{field} : '{default}'"))
    .join(", ");
    // A list of one list gives the list a name without computing it twice.
    add(
        schema,
        &format!("[[{names}]].all(names, names.all(one, names.exists_one(other, other == one)))"),
        KEYS_DISTINCT,
    );
}

/// The rules of `secret`.
pub fn output_secret(schema: &mut Schema) {
    add_at(schema, "self.format == 'Plain' || !has(self.keys)", KEYS_ONLY_PLAIN, ".keys");
}

/// The rules of `spec`.
pub fn spec(schema: &mut Schema) {
    add_at(schema, "!(self.redirectUrl in self.additionalRedirectUrls)", URLS_DISTINCT, ".additionalRedirectUrls");
    add_at(
        schema,
        "!has(oldSelf.environment) || (has(self.environment) && self.environment == oldSelf.environment)",
        ENVIRONMENT_SET_ONCE,
        ".environment",
    );
}

/// An optional enum: absent or one of its values, described by its field and not
/// by its type.
pub fn optional_enum(schema: &mut Schema) {
    let Some(Value::Array(mut choices)) = schema.remove("anyOf") else {
        return;
    };
    if let Some(Value::Object(values)) = choices.first_mut() {
        for (key, value) in std::mem::take(values) {
            if key != "description" {
                schema.insert(key, value);
            }
        }
    }
}

/// The rules that need `metadata`, for the root of the schema.
#[must_use]
pub fn root() -> Value {
    let output = "has(self.spec.secret) && has(self.spec.secret.name) ? self.spec.secret.name : self.metadata.name";
    json!([
        rule("self.metadata.name.size() <= 63", NAME_LENGTH),
        rule_at(
            &format!("({output}) != self.spec.credentials.apiKeySecretRef.name"),
            SECRETS_DIFFER,
            ".spec.secret.name"
        ),
    ])
}

const RULES: &str = "x-kubernetes-validations";

fn rule(expression: &str, message: &str) -> Value {
    json!({ "rule": expression, "message": message })
}

fn rule_at(expression: &str, message: &str, field_path: &str) -> Value {
    json!({ "rule": expression, "message": message, "fieldPath": field_path })
}

fn add(schema: &mut Schema, expression: &str, message: &str) {
    push(schema, rule(expression, message));
}

/// `fieldPath` is accepted on objects only (design §2).
fn add_at(schema: &mut Schema, expression: &str, message: &str, field_path: &str) {
    push(schema, rule_at(expression, message, field_path));
}

fn push(schema: &mut Schema, rule: Value) {
    let rules = schema.ensure_object().entry(RULES).or_insert_with(|| json!([]));
    if let Value::Array(rules) = rules {
        rules.push(rule);
    }
}

fn bound_map(schema: &mut Schema, description: &str, longest: usize) {
    schema.insert("maxProperties".into(), MAX_METADATA_ENTRIES.into());
    schema.insert(
        "additionalProperties".into(),
        json!({ "type": "string", "maxLength": longest, "description": description }),
    );
}

fn matches(pattern: &str) -> String {
    format!("self.matches({})", cel_text(pattern))
}

/// A CEL string literal of any text.
fn cel_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
