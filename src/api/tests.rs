//! Properties of the finished definition, seen by walking its schema.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::interval::ResyncInterval;
use super::spec::{OutputSecret, SecretFormat, SecretKeys};
use super::{BunqOAuthClientSpec, crd, crd_yaml, format, status};

const FILE: &str = "crds/bunqoauthclients.bunq-operator.io.yaml";

fn schema() -> Value {
    let crd = serde_json::to_value(crd().unwrap()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Calls `visit` for every schema below `schema`, with its path.
fn walk(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), visit);
    }
    for (key, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[key].is_object() {
            walk(&schema[key], &format!("{path}{suffix}"), visit);
        }
    }
}

fn gaps(is_gap: impl Fn(&Value) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    walk(&schema(), "", &mut |path, schema| {
        if is_gap(schema) {
            found.push(path.to_owned());
        }
    });
    found
}

#[test]
fn the_file_in_crds_is_what_the_types_say() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(stored == crd_yaml().unwrap(), "{FILE} is out of date: run make crds");
}

#[test]
fn the_walk_reaches_the_leaves() {
    let mut paths = BTreeSet::new();
    walk(&schema(), "", &mut |path, _| {
        paths.insert(path.to_owned());
    });
    for leaf in [
        ".spec.additionalRedirectUrls[]",
        ".spec.secret.keys.type",
        ".spec.secret.labels{}",
        ".status.conditions[].reason",
        ".status.boundIP",
    ] {
        assert!(paths.contains(leaf), "{leaf} is not in {paths:?}");
    }
}

#[test]
fn every_property_is_described_in_a_sentence_for_people() {
    let undescribed = gaps(|schema| {
        let description = schema["description"].as_str().unwrap_or_default();
        description.len() < 10 || !description.ends_with('.') || description.contains('\n')
    });
    assert_eq!(undescribed, Vec::<String>::new());
}

#[test]
fn every_string_list_and_map_is_bounded() {
    let unbounded = gaps(|schema| match schema["type"].as_str() {
        Some("string") => schema["maxLength"].is_null() && schema["enum"].is_null(),
        Some("array") => schema["maxItems"].is_null() || schema["x-kubernetes-list-type"].is_null(),
        Some("object") => schema["additionalProperties"].is_object() && schema["maxProperties"].is_null(),
        _ => false,
    });
    assert_eq!(unbounded, Vec::<String>::new());
}

#[test]
fn integers_are_signed_and_nothing_is_nullable() {
    let odd = gaps(|schema| {
        let format = schema["format"].as_str().unwrap_or_default();
        let lists_null = schema["enum"].as_array().is_some_and(|words| words.contains(&Value::Null));
        format.starts_with("uint") || !schema["nullable"].is_null() || lists_null
    });
    assert_eq!(odd, Vec::<String>::new());
}

#[test]
fn a_field_path_stands_on_objects_only_and_names_a_property() {
    walk(&schema(), "", &mut |path, schema| {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            assert!(rule["message"].as_str().is_some_and(|text| text.len() > 20), "{path}");
            let Some(field) = rule["fieldPath"].as_str() else {
                continue;
            };
            let pointer = field.replace('.', "/properties/");
            assert!(schema.pointer(&pointer).is_some(), "{path}{field}");
        }
    });
}

#[test]
fn the_bounds_of_the_schema_are_the_constants_of_the_code() {
    let schema = schema();
    for (pointer, expected) in [
        ("/spec/properties/redirectUrl/maxLength", format::MAX_URL),
        ("/spec/properties/displayName/maxLength", format::MAX_DISPLAY_NAME),
        ("/spec/properties/additionalRedirectUrls/maxItems", super::spec::MAX_ADDITIONAL_REDIRECT_URLS),
        ("/status/properties/redirectUrls/maxItems", status::MAX_REDIRECT_URLS),
        ("/status/properties/redirectUrls/items/properties/url/maxLength", status::MAX_REDIRECT_URL),
        ("/status/properties/authorizationUrl/maxLength", status::MAX_AUTHORIZATION_URL),
        ("/status/properties/clientId/maxLength", status::MAX_CLIENT_ID),
        ("/status/properties/boundIP/maxLength", status::MAX_BOUND_IP),
        ("/status/properties/lastHandledReconcileAt/maxLength", status::MAX_REQUESTED_AT),
        ("/status/properties/conditions/items/properties/message/maxLength", super::condition::MAX_MESSAGE),
    ] {
        let bound = schema.pointer(&format!("/properties{pointer}"));
        assert_eq!(bound, Some(&json!(expected)), "{pointer}");
    }
}

#[test]
fn the_definition_has_its_names_columns_and_selectors() {
    let crd = serde_json::to_value(crd().unwrap()).unwrap();
    assert_eq!(crd["metadata"]["name"], "bunqoauthclients.bunq-operator.io");
    let label = &crd["metadata"]["labels"]["servicebinding.io/provisioned-service"];
    assert_eq!(label, "true");
    assert_eq!(crd["spec"]["names"]["shortNames"], json!(["boc", "bunqoauth"]));
    assert_eq!(crd["spec"]["names"]["categories"], json!(["bunq"]));
    assert_eq!(crd["spec"]["scope"], "Namespaced");
    let version = &crd["spec"]["versions"][0];
    assert_eq!(version["subresources"]["status"], json!({}));
    let columns: Vec<_> = version["additionalPrinterColumns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| (column["name"].as_str().unwrap(), column["priority"].as_i64().unwrap_or(0)))
        .collect();
    let expected =
        [("Ready", 0), ("Status", 0), ("Secret", 0), ("Age", 0), ("Client-ID", 1), ("Reason", 1), ("URL", 1)];
    assert_eq!(columns, expected);
    let selectors = json!([
        {"jsonPath": ".spec.environment"},
        {"jsonPath": ".spec.credentials.apiKeySecretRef.name"}
    ]);
    assert_eq!(version["selectableFields"], selectors);
}

#[test]
fn a_minimal_manifest_gets_the_defaults_of_the_schema() {
    let spec: BunqOAuthClientSpec = serde_json::from_value(json!({
        "displayName": "My Cool App",
        "redirectUrl": "https://myapp.com/cb",
        "credentials": {"apiKeySecretRef": {"name": "bunq-api-key"}}
    }))
    .unwrap();
    let written = serde_json::to_value(&spec).unwrap();
    let mut defaults = 0;
    walk(&schema()["properties"]["spec"], "", &mut |path, schema| {
        let pointer = path.replace('.', "/");
        if let (Some(default), Some(value)) = (schema.get("default"), written.pointer(&pointer)) {
            assert_eq!(default, value, "{path}");
            defaults += 1;
        }
    });
    assert_eq!(defaults, 8);
    assert_eq!(spec.output_secret_name("my-app"), "my-app");
    assert_eq!(spec.key_names().client_id, "client_id");
}

#[test]
fn service_binding_has_the_names_that_spring_reads() {
    let mut spec: BunqOAuthClientSpec = serde_json::from_value(json!({
        "displayName": "x",
        "redirectUrl": "https://myapp.com/cb",
        "credentials": {"apiKeySecretRef": {"name": "k"}}
    }))
    .unwrap();
    spec.secret = Some(OutputSecret { format: SecretFormat::ServiceBinding, ..OutputSecret::default() });
    let names = spec.key_names();
    assert_eq!(names.client_secret, "client-secret");
    assert_eq!(names.authorization_uri, "authorization-uri");
    assert_eq!(names.authorization_grant_type.as_deref(), Some("authorization-grant-type"));
}

#[test]
fn renamed_keys_keep_the_defaults_of_the_others() {
    let keys = SecretKeys { client_id: Some("ID".into()), ..SecretKeys::default() };
    let names = keys.into_names();
    assert_eq!((names.client_id.as_str(), names.token_uri.as_str()), ("ID", "token_uri"));
}

#[test]
fn an_interval_is_read_in_seconds() {
    for (text, seconds) in [("1h", 3600), ("90m", 5400), ("1h30m", 5400), ("300s", 300)] {
        let length = ResyncInterval::new(text).to_duration().unwrap();
        assert_eq!(length.as_secs(), seconds, "{text}");
    }
    let error = ResyncInterval::new("1 day").to_duration().unwrap_err();
    assert!(error.to_string().contains("\"1 day\""), "{error}");
}

#[test]
fn every_pattern_compiles() {
    for pattern in [
        format::URL,
        format::DISPLAY_NAME,
        format::OBJECT_NAME,
        format::SECRET_KEY,
        format::INTERVAL,
        format::QUALIFIED_NAME,
        format::LABEL_VALUE,
    ] {
        regex::Regex::new(pattern).unwrap();
        assert!(pattern.starts_with('^') && pattern.ends_with('$'), "{pattern}");
    }
}
