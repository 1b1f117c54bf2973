//! The rules about Secrets: the one that is read and the one that is published.

use serde_json::{Map, Value, json};

use super::specs::Table;

pub(super) fn references(table: &mut Table) {
    for (accepted, name) in [
        (true, "a"),
        (true, "a.b-c.1"),
        (false, ""),
        (false, "A"),
        (false, "-a"),
        (false, "a-"),
        (false, "a..b"),
        (false, "a/b"),
        (false, "a b"),
    ] {
        let title = format!("Secret name {name:?}");
        let reference = json!({"credentials": {"apiKeySecretRef": {"name": name}}});
        table.spec(accepted, "spec.credentials.apiKeySecretRef.name", reference, &title);
        table.spec(accepted, "spec.secret.name", json!({"secret": {"name": name}}), &title);
    }
    for (accepted, length) in [(true, 253), (false, 254)] {
        let name = "a".repeat(length);
        let title = format!("a Secret name of {length} characters");
        table.spec(accepted, "spec.secret.name", json!({"secret": {"name": name}}), &title);
    }
    for (accepted, key) in [
        (true, "api-key"),
        (true, "API_KEY"),
        (true, ".key"),
        (true, "key."),
        (false, ""),
        (false, "."),
        (false, ".."),
        (false, "..key"),
        (false, "a/b"),
        (false, "a b"),
        (false, "ключ"),
    ] {
        let reference = json!({"credentials": {"apiKeySecretRef": {"key": key}}});
        let title = format!("Secret key {key:?}");
        table.spec(accepted, "spec.credentials.apiKeySecretRef.key", reference, &title);
    }
    let same = json!({"metadata": {"name": "bunq-api-key"}});
    table.add(false, "spec.secret.name", &same, None, "the object is called like the credentials Secret");
    let renamed = json!({"metadata": {"name": "bunq-api-key"}, "spec": {"secret": {"name": "out"}}});
    table.add(true, "spec.secret.name", &renamed, None, "called like the credentials Secret, but publishes another");
    table.spec(
        false,
        "spec.secret.name",
        json!({"secret": {"name": "bunq-api-key"}}),
        "publishes into the credentials Secret",
    );
}

pub(super) fn key_names(table: &mut Table) {
    let field = "spec.secret.keys";
    for (accepted, secret, name) in [
        (true, json!({"keys": {}}), "no renamed keys"),
        (true, json!({"keys": {"clientId": "CLIENT_ID", "clientSecret": "CLIENT_SECRET"}}), "two renamed keys"),
        (true, json!({"keys": {"clientId": "client_secret", "clientSecret": "client_id"}}), "two swapped keys"),
        (true, json!({"keys": {"type": "kind"}}), "type renamed"),
        (false, json!({"keys": {"clientId": "x", "provider": "x"}}), "one name for two keys"),
        (false, json!({"keys": {"clientId": "client_secret"}}), "the default name of another key"),
        (false, json!({"keys": {"tokenUri": "type"}}), "the default name of type"),
        (true, json!({"format": "ServiceBinding"}), "ServiceBinding"),
        (true, json!({"format": "Plain", "keys": {"clientId": "id"}}), "Plain with renamed keys"),
        (false, json!({"format": "ServiceBinding", "keys": {"clientId": "id"}}), "ServiceBinding with renamed keys"),
    ] {
        table.spec(accepted, field, json!({"secret": secret}), name);
    }
    for (key, path) in [
        ("clientId", "spec.secret.keys.clientId"),
        ("clientSecret", "spec.secret.keys.clientSecret"),
        ("redirectUri", "spec.secret.keys.redirectUri"),
        ("authorizationUri", "spec.secret.keys.authorizationUri"),
        ("tokenUri", "spec.secret.keys.tokenUri"),
        ("type", "spec.secret.keys.type"),
        ("provider", "spec.secret.keys.provider"),
    ] {
        table.spec(true, path, json!({"secret": {"keys": {key: "a.B_c-1"}}}), "a good key name");
        table.spec(false, path, json!({"secret": {"keys": {key: "a b"}}}), "a key name with a space");
        table.spec(false, path, json!({"secret": {"keys": {key: ""}}}), "an empty key name");
    }
}

pub(super) fn metadata(table: &mut Table) {
    let many =
        |count: usize| -> Value { (0..count).map(|n| (format!("k{n}"), json!("v"))).collect::<Map<_, _>>().into() };
    for (accepted, labels, name) in [
        (true, json!({"team": "shop", "example.com/tier": "", "a": "A.b_c-1"}), "good labels"),
        (true, many(32), "32 labels"),
        (false, many(33), "33 labels"),
        (false, json!({"a": "x".repeat(64)}), "a label value of 64 characters"),
        (false, json!({"bunq-operator.io/x": "x"}), "a label the operator keeps for itself"),
        (true, json!({"x.bunq-operator.io/x": "x"}), "a label below another domain"),
        (false, json!({"a": "with space"}), "a label value with a space"),
        (false, json!({"a": "-x"}), "a label value that begins with a dash"),
        (false, json!({"a b": "x"}), "a label key with a space"),
        (false, json!({"": "x"}), "an empty label key"),
        (false, json!({"/x": "x"}), "a label key without its domain"),
        (false, json!({"A.example/x": "x"}), "a label key with an upper case domain"),
        (false, json!({"x".repeat(64): "x"}), "a label key of 64 characters"),
    ] {
        table.spec(accepted, "spec.secret.labels", json!({"secret": {"labels": labels}}), name);
    }
    for (accepted, annotations, name) in [
        (true, json!({"example.com/note": "any text: ü, spaces, 1"}), "good annotations"),
        (true, json!({"note": "x".repeat(4096)}), "an annotation of 4096 characters"),
        (false, json!({"note": "x".repeat(4097)}), "an annotation of 4097 characters"),
        (false, json!({"a b": "x"}), "an annotation key with a space"),
        (false, json!({"bunq-operator.io/keys": "x"}), "an annotation the operator keeps for itself"),
        (true, many(32), "32 annotations"),
        (false, many(33), "33 annotations"),
    ] {
        table.spec(accepted, "spec.secret.annotations", json!({"secret": {"annotations": annotations}}), name);
    }
}
