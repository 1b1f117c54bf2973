//! Whole objects and whether they are accepted: each rule has both.

use serde_json::{Map, Value, json};

use super::secrets;

/// One object, alone or as an update, and the verdict on it.
#[derive(Clone, Debug)]
pub struct SpecCase {
    /// What is tried, in words.
    pub name: String,
    /// The object.
    pub object: Value,
    /// What is stored before; absent: the object is new.
    pub old: Option<Value>,
    /// Whether the object is stored.
    pub accepted: bool,
    /// The field a refusal names.
    pub field: &'static str,
}

/// A valid object, changed by a merge patch.
#[must_use]
pub fn manifest(change: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "bunq-operator.io/v1alpha1",
        "kind": "BunqOAuthClient",
        "metadata": {"name": "my-app"},
        "spec": {
            "displayName": "My Cool App",
            "redirectUrl": "https://myapp.com/oauth/callback",
            "credentials": {"apiKeySecretRef": {"name": "bunq-api-key"}}
        }
    });
    merge(&mut object, change);
    object
}

/// Every rule's cases.
#[must_use]
pub fn spec_cases() -> Vec<SpecCase> {
    let mut table = Table(Vec::new());
    objects(&mut table);
    names(&mut table);
    urls(&mut table);
    secrets::references(&mut table);
    secrets::key_names(&mut table);
    secrets::metadata(&mut table);
    intervals(&mut table);
    updates(&mut table);
    table.0
}

fn objects(table: &mut Table) {
    table.spec(true, "spec", json!({}), "only what is required");
    table.spec(true, "spec", everything(), "every field");
    table.spec(false, "spec.displayName", json!({"displayName": null}), "no display name");
    table.spec(false, "spec.redirectUrl", json!({"redirectUrl": null}), "no redirect URL");
    table.spec(false, "spec.credentials", json!({"credentials": null}), "no credentials");
    table.spec(
        false,
        "spec.credentials.apiKeySecretRef.name",
        json!({"credentials": {"apiKeySecretRef": {"name": null}}}),
        "no name of the credentials Secret",
    );
    for (field, good, bad) in [
        ("status", "CANCELLED", "Cancelled"),
        ("environment", "Production", "PRODUCTION"),
        ("adoptionPolicy", "Never", "Always"),
        ("deletionPolicy", "Cancel", "Delete"),
    ] {
        let field_path: &'static str = match field {
            "status" => "spec.status",
            "environment" => "spec.environment",
            "adoptionPolicy" => "spec.adoptionPolicy",
            _ => "spec.deletionPolicy",
        };
        table.spec(true, field_path, json!({field: good}), "a known word");
        table.spec(false, field_path, json!({field: bad}), "an unknown word");
    }
    table.spec(false, "spec.secret.format", json!({"secret": {"format": "Yaml"}}), "an unknown format");
    table.spec(false, "spec.suspend", json!({"suspend": "yes"}), "a word for a boolean");
}

fn names(table: &mut Table) {
    for (accepted, length) in [(true, 63), (false, 64)] {
        let change = json!({"metadata": {"name": "a".repeat(length)}});
        table.add(accepted, "metadata.name", &change, None, &format!("a name of {length} characters"));
    }
    for (accepted, name) in [
        (true, "x"),
        (true, "Bücher & Co. 🏦"),
        (true, "  padded  "),
        (false, ""),
        (false, "   "),
        (false, "\t"),
        (false, "\u{a0}\u{2003}"),
        (false, "\u{200b}"),
        (false, "two\nlines"),
        (false, "bell\u{7}"),
        (false, "next\u{85}line"),
        (false, "\u{2028}x"),
    ] {
        table.spec(accepted, "spec.displayName", json!({"displayName": name}), &format!("display name {name:?}"));
    }
    for (accepted, length) in [(true, 128), (false, 129)] {
        let change = json!({"displayName": "ü".repeat(length)});
        table.spec(accepted, "spec.displayName", change, &format!("a display name of {length} characters"));
    }
}

fn urls(table: &mut Table) {
    let base = "https://myapp.com/";
    for (accepted, length) in [(true, 2048), (false, 2049)] {
        let url = format!("{base}{}", "a".repeat(length - base.len()));
        table.spec(accepted, "spec.redirectUrl", json!({"redirectUrl": url}), &format!("a URL of {length} characters"));
    }
    let field = "spec.additionalRedirectUrls";
    let many = |count: usize| -> Vec<String> { (0..count).map(|n| format!("{base}{n}")).collect() };
    for (accepted, list, name) in [
        (true, json!([]), "no further URLs"),
        (true, json!(many(10)), "ten further URLs"),
        (false, json!(many(11)), "eleven further URLs"),
        (true, json!(["https://a.example/1", "https://a.example/1/"]), "URLs that differ by a slash"),
        (false, json!(["https://a.example/1", "https://a.example/1"]), "the same URL twice"),
        (false, json!(["https://myapp.com/oauth/callback"]), "the redirect URL again"),
        (false, json!(["https://a.example/1", "http://a.example/2"]), "http to a public host"),
        (false, json!([""]), "an empty further URL"),
    ] {
        table.spec(accepted, field, json!({"additionalRedirectUrls": list}), name);
    }
}

fn intervals(table: &mut Table) {
    for (accepted, interval) in [
        (true, "5m"),
        (true, "300s"),
        (true, "1h30m"),
        (true, "4m60s"),
        (true, "1440m"),
        (true, "86400s"),
        (true, "24h"),
        (true, "0h5m"),
        (false, ""),
        (false, "4m59s"),
        (false, "299s"),
        (false, "24h1s"),
        (false, "1441m"),
        (false, "25h"),
        (false, "0s"),
        (false, "60"),
        (false, "1 h"),
        (false, "1d"),
        (false, "1.5h"),
        (false, "-1h"),
        (false, "+1h"),
        (false, "30m1h"),
        (false, "1H"),
        (false, "PT1H"),
        (false, "600000ms"),
        (false, "١h"),
    ] {
        table.spec(
            accepted,
            "spec.resyncInterval",
            json!({"resyncInterval": interval}),
            &format!("interval {interval:?}"),
        );
    }
}

fn updates(table: &mut Table) {
    for (accepted, before, after) in [
        (true, json!(null), json!("Sandbox")),
        (true, json!("Sandbox"), json!("Sandbox")),
        (true, json!(null), json!(null)),
        (false, json!("Sandbox"), json!("Production")),
        (false, json!("Sandbox"), json!(null)),
    ] {
        let name = format!("environment {before} becomes {after}");
        let old = manifest(&json!({"spec": {"environment": before}}));
        let change = json!({"spec": {"environment": after, "displayName": "Another name"}});
        table.add(accepted, "spec.environment", &change, Some(old), &name);
    }
    let old = manifest(&json!({"spec": {"secret": {"keys": {"clientId": "id"}}}}));
    let change = json!({"spec": {"secret": {"format": "ServiceBinding"}}});
    table.add(true, "spec.secret.keys", &change, Some(old), "from renamed keys to ServiceBinding");
}

fn everything() -> Value {
    json!({
        "status": "ACTIVE",
        "additionalRedirectUrls": ["http://localhost:3000/cb"],
        "credentials": {"apiKeySecretRef": {"name": "bunq-api-key", "key": "key"}},
        "environment": "Sandbox",
        "secret": {
            "name": "my-app-bunq",
            "format": "Plain",
            "keys": {
                "clientId": "a", "clientSecret": "b", "redirectUri": "c", "authorizationUri": "d",
                "tokenUri": "e", "type": "f", "provider": "g"
            },
            "labels": {"team": "shop"},
            "annotations": {"example.com/note": "x"}
        },
        "adoptionPolicy": "Adopt",
        "deletionPolicy": "Retain",
        "pruneRedirectUrls": true,
        "resyncInterval": "1h",
        "suspend": false
    })
}

/// The cases so far.
pub(super) struct Table(Vec<SpecCase>);

impl Table {
    pub(super) fn spec(&mut self, accepted: bool, field: &'static str, spec: Value, name: &str) {
        let change = Value::Object(Map::from_iter([("spec".to_owned(), spec)]));
        self.add(accepted, field, &change, None, name);
    }

    pub(super) fn add(&mut self, accepted: bool, field: &'static str, change: &Value, old: Option<Value>, name: &str) {
        self.0.push(SpecCase { name: format!("{field}: {name}"), object: manifest(change), old, accepted, field });
    }
}

/// A JSON merge patch (RFC 7386): null removes.
fn merge(target: &mut Value, change: &Value) {
    let Value::Object(change) = change else {
        *target = change.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    if let Value::Object(target) = target {
        for (key, value) in change {
            if value.is_null() {
                target.remove(key);
            } else {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
    }
}
