//! The definition that a cluster installs.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps,
};
use kube::CustomResourceExt;
use serde_json::{Value, json};
use thiserror::Error;

use super::rules;
use super::spec::BunqOAuthClient;

/// The first line of the file in `crds/`.
const HEADER: &str = "# Generated from src/api by `make crds`: edit there.\n";

/// The definition of the resource, as `crds/` holds it.
///
/// It is the derived one, and what the derive cannot say: printer columns,
/// rules that need `metadata`, and optional fields that are left out rather
/// than null.
pub fn crd() -> Result<CustomResourceDefinition, RenderError> {
    let mut crd = BunqOAuthClient::crd();
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns());
        complete_schema(version).map_err(RenderError::Schema)?;
    }
    Ok(crd)
}

/// [`crd()`] as YAML, always the same bytes.
pub fn crd_yaml() -> Result<String, RenderError> {
    let body = serde_saphyr::to_string(&crd()?).map_err(|error| RenderError::Yaml(error.to_string()))?;
    Ok(format!("{HEADER}{body}"))
}

/// Why there is no definition. It is a constant of this crate and a test renders it, so nobody has
/// seen this.
#[derive(Debug, Error)]
pub enum RenderError {
    /// The derived schema is no schema any more after it was completed.
    #[error("complete the derived schema")]
    Schema(#[source] serde_json::Error),
    /// It cannot be written as YAML.
    #[error("render the definition as YAML: {0}")]
    Yaml(String),
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

fn complete_schema(version: &mut CustomResourceDefinitionVersion) -> serde_json::Result<()> {
    let schema = version.schema.get_or_insert_default();
    let derived = schema.open_api_v3_schema.take().unwrap_or_default();
    schema.open_api_v3_schema = Some(completed(&derived)?);
    Ok(())
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
