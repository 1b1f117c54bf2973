//! The definition that a cluster installs.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps,
};
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::rules;
use super::spec::BunqOAuthClient;

/// The first line of the file in `crds/`.
const HEADER: &str = "# Generated from src/api by `make crds`: edit there.\n";

/// The definition of the resource, as `crds/` holds it.
///
/// It is the derived one, and what the derive cannot say: printer columns,
/// rules that need `metadata`, and optional fields that are left out rather
/// than null.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    let mut crd = BunqOAuthClient::crd();
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns());
        complete_schema(version);
    }
    crd
}

/// [`crd()`] as YAML, always the same bytes.
///
/// # Panics
/// Never: a test renders this constant.
#[must_use]
#[expect(clippy::expect_used, reason = "the definition is a constant of this crate, and a test renders it")]
pub fn crd_yaml() -> String {
    let body = serde_saphyr::to_string(&crd()).expect("render the CRD as YAML");
    format!("{HEADER}{body}")
}

/// What `kubectl get` shows; the last three only with `-o wide` (C17).
fn columns() -> Vec<CustomResourceColumnDefinition> {
    let ready = |field: &str| format!(".status.conditions[?(@.type==\"Ready\")].{field}");
    let column =
        |name: &str, path: String, type_: &str, priority: i32, description: &str| CustomResourceColumnDefinition {
            name: name.into(),
            json_path: path,
            type_: type_.into(),
            priority: (priority > 0).then_some(priority),
            description: Some(description.into()),
            format: None,
        };
    vec![
        column("Ready", ready("status"), "string", 0, "Whether bank and Secret are as declared"),
        column("Status", ".status.clientStatus".into(), "string", 0, "The client's status at bunq"),
        column("Secret", ".status.binding.name".into(), "string", 0, "The published Secret"),
        column("Age", ".metadata.creationTimestamp".into(), "date", 0, "Time since creation"),
        column("Client-ID", ".status.clientId".into(), "string", 1, "The OAuth client_id"),
        column("Reason", ready("reason"), "string", 1, "Why it is ready or not"),
        column("URL", ".spec.redirectUrl".into(), "string", 1, "The redirect URL"),
    ]
}

#[expect(
    clippy::expect_used,
    reason = "the schema is a constant of this crate, and every test of the definition reads it"
)]
fn complete_schema(version: &mut CustomResourceDefinitionVersion) {
    let schema = version.schema.get_or_insert_default();
    schema.open_api_v3_schema =
        schema.open_api_v3_schema.take().map(|derived| completed(&derived).expect("complete the derived schema"));
}

fn completed(derived: &JSONSchemaProps) -> serde_json::Result<JSONSchemaProps> {
    let mut schema = serde_json::to_value(derived)?;
    remove_null(&mut schema);
    schema["description"] =
        "Keeps the one OAuth client of a bunq user as declared and publishes its credentials in a Secret.".into();
    schema["title"].take();
    schema["x-kubernetes-validations"] = rules::root();
    schema["properties"]["spec"]["description"] = "The client as it should be.".into();
    schema["properties"]["status"]["description"] = "The client as it was last seen.".into();
    serde_json::from_value(schema)
}

/// An optional field is absent, never null: without this every optional enum
/// would list null among its values.
fn remove_null(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("nullable") == Some(&json!(true)) {
                fields.remove("nullable");
            }
            if let Some(Value::Array(values)) = fields.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            fields.values_mut().for_each(remove_null);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
