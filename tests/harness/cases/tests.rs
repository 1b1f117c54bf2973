use bunq_oauth_operator::api::{self, BunqOAuthClient, Violation};
use kube_cel::{CompiledSchema, Validator, compile_schema};
use serde_json::{Value, json};

use super::{SpecCase, all_cases, spec_cases, url_cases};

/// What is wrong with an object, by the Rust rules.
fn refused_by_rust(case: &SpecCase) -> Vec<String> {
    let object: BunqOAuthClient = match serde_json::from_value(case.object.clone()) {
        Ok(object) => object,
        Err(error) => return vec![error.to_string()],
    };
    let old: Option<BunqOAuthClient> = case.old.as_ref().map(|old| serde_json::from_value(old.clone()).unwrap());
    let name = object.metadata.name.unwrap_or_default();
    let verdict = api::validate(&object.spec, &name, old.as_ref().map(|old| &old.spec));
    verdict.err().unwrap_or_default().iter().map(Violation::to_string).collect()
}

/// The definition's schema, with its rules compiled once.
struct Definition {
    schema: Value,
    rules: CompiledSchema,
    validator: Validator,
}

/// What is wrong with an object, by the schema and its CEL rules.
fn refused_by_cel(case: &SpecCase, definition: &Definition) -> Vec<String> {
    let mut found = Vec::new();
    check_structure(&definition.schema, &case.object, "", &mut found);
    let verdict = definition.validator.validate_compiled(&definition.rules, &case.object, case.old.as_ref());
    if let Err(errors) = verdict {
        found.extend(errors.iter().map(|error| format!("{}: {}", error.field_path, error.message)));
    }
    found
}

fn definition() -> Definition {
    let crd = serde_json::to_value(api::crd().unwrap()).unwrap();
    let schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    Definition { rules: compile_schema(&schema), schema, validator: Validator::new() }
}

/// The part of a schema that is not CEL: types, required fields, enums, bounds,
/// sets.
fn check_structure(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    let bound = |name: &str| schema[name].as_u64().map(|bound| usize::try_from(bound).unwrap());
    let mut fail = |what: &str| found.push(format!("{path}: {what}"));
    let type_fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64(),
        other => panic!("{path}: unknown type {other:?}"),
    };
    if !type_fits {
        return fail("has another type");
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        fail("is not one of the known words");
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count();
        if bound("minLength").is_some_and(|least| length < least) {
            fail("is too short");
        }
        if bound("maxLength").is_some_and(|most| length > most) {
            fail("is too long");
        }
    }
    if let Some(items) = value.as_array() {
        if bound("maxItems").is_some_and(|most| items.len() > most) {
            fail("has too many items");
        }
        let is_set = schema["x-kubernetes-list-type"] == json!("set");
        if is_set && items.iter().enumerate().any(|(n, item)| items[..n].contains(item)) {
            fail("holds an item twice");
        }
        for (index, item) in items.iter().enumerate() {
            check_structure(&schema["items"], item, &format!("{path}[{index}]"), found);
        }
    }
    let Some(fields) = value.as_object() else {
        return;
    };
    if bound("maxProperties").is_some_and(|most| fields.len() > most) {
        found.push(format!("{path}: has too many entries"));
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(required.as_str().unwrap()) {
            found.push(format!("{path}.{required}: is required"));
        }
    }
    for (key, field) in fields {
        let known = &schema["properties"][key];
        let schema = if known.is_null() { &schema["additionalProperties"] } else { known };
        if schema.is_object() {
            check_structure(schema, field, &format!("{path}.{key}"), found);
        }
    }
}

#[test]
fn there_are_at_least_sixty_urls_and_both_verdicts() {
    let urls = url_cases();
    assert!(urls.len() >= 60, "{}", urls.len());
    assert!(urls.iter().filter(|(_, accepted)| *accepted).count() >= 20);
    assert!(urls.iter().filter(|(_, accepted)| !accepted).count() >= 40);
}

#[test]
fn every_rule_refuses_something_and_accepts_something() {
    let cases = spec_cases();
    // A required field is accepted in every other case.
    let always_there = ["spec.credentials", "spec.secret.format", "spec.suspend"];
    for refused in cases.iter().filter(|case| !case.accepted) {
        let is_accepted = |case: &SpecCase| case.accepted && case.field == refused.field;
        let known = always_there.contains(&refused.field);
        assert!(known || cases.iter().any(is_accepted), "{}", refused.name);
    }
}

#[test]
fn the_rust_rules_give_the_verdicts_of_the_table() {
    let mut differences = Vec::new();
    for case in all_cases() {
        let found = refused_by_rust(&case);
        if found.is_empty() != case.accepted {
            differences.push(format!("{}: {found:?}", case.name));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_schema_and_its_cel_rules_give_the_verdicts_of_the_table() {
    let definition = definition();
    let mut differences = Vec::new();
    for case in all_cases() {
        let found = refused_by_cel(&case, &definition);
        if found.is_empty() != case.accepted {
            differences.push(format!("{}: {found:?}", case.name));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_refusal_names_the_field_of_the_table() {
    let definition = definition();
    let mut differences = Vec::new();
    for case in all_cases().iter().filter(|case| !case.accepted) {
        let by_rust = refused_by_rust(case);
        let is_typed = serde_json::from_value::<BunqOAuthClient>(case.object.clone()).is_ok();
        if is_typed && !by_rust.iter().any(|found| found.starts_with(case.field)) {
            differences.push(format!("Rust: {}: {by_rust:?}", case.name));
        }
        let by_cel = refused_by_cel(case, &definition);
        if !by_cel.iter().any(|found| found.replace('"', "").contains(case.field)) {
            differences.push(format!("CEL: {}: {by_cel:?}", case.name));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
