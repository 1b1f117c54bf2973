use serde_json::{Value, json};

use super::flux::{at_rest, at_rest_with, flux_checks, in_progress};
use super::{Status, assert_status_is_honest, kstatus};

/// Rows of [Ready, Reconciling, Stalled, status.observedGeneration, each
/// condition's observedGeneration, deleting, verdict of `status.Compute`, ids
/// found by `NewChecker`, ids found by `NewInProgressChecker`], null: absent;
/// metadata.generation is 3.
///
/// Written once by a Go program that loops over all these values, builds the
/// object that `object` builds below as `unstructured.Unstructured`, and prints
/// the verdicts of `status.Compute` (sigs.k8s.io/cli-utils v0.37.2) and of
/// `check.NewChecker` and `check.NewInProgressChecker` with `DisableFetch` and the
/// negative conditions Reconciling and Stalled, over
/// `conditions.UnstructuredGetter` (github.com/fluxcd/pkg/runtime v0.110.3).
const VERDICTS: &str = include_str!("verdicts.json");

fn object(row: &[Value]) -> Value {
    let mut conditions = Vec::new();
    for (type_, status) in ["Ready", "Reconciling", "Stalled"].iter().zip(row) {
        if !status.is_null() {
            let mut condition = json!({
                "type": type_, "status": status, "reason": "R", "message": "m",
                "lastTransitionTime": "2026-01-01T00:00:00Z"
            });
            set(&mut condition, "observedGeneration", &row[4]);
            conditions.push(condition);
        }
    }
    let mut status = json!({ "conditions": conditions });
    set(&mut status, "observedGeneration", &row[3]);
    let mut object = json!({"metadata": {"name": "a", "generation": 3}, "status": status});
    if row[5] == json!(true) {
        object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    }
    object
}

fn set(target: &mut Value, field: &str, value: &Value) {
    if !value.is_null() {
        target[field] = value.clone();
    }
}

fn ids(found: &[String]) -> Vec<&str> {
    let mut ids: Vec<_> = found.iter().filter_map(|text| text.split(':').next()).collect();
    ids.sort_unstable();
    ids
}

fn words(text: &Value) -> Vec<&str> {
    let mut words: Vec<_> = text.as_str().unwrap().split_whitespace().collect();
    words.sort_unstable();
    words
}

#[test]
fn the_ports_give_the_verdicts_of_the_originals() {
    let rows: Vec<Vec<Value>> = serde_json::from_str(VERDICTS).unwrap();
    assert!(rows.len() > 400, "{}", rows.len());
    for row in &rows {
        let object = object(row);
        assert_eq!(format!("{:?}", kstatus(&object)), row[6].as_str().unwrap(), "{row:?}");
        assert_eq!(ids(&at_rest(&object)), words(&row[7]), "{row:?}");
        assert_eq!(ids(&in_progress(&object)), words(&row[8]), "{row:?}");
    }
}

#[test]
fn the_verdicts_hold_every_answer_of_kstatus_and_every_check() {
    for answer in ["InProgress", "Failed", "Current", "Terminating"] {
        assert!(VERDICTS.contains(answer), "{answer}");
    }
    // WARN0002 needs a negative condition of its own: see the test below.
    for check in 1..=11 {
        let id = format!("FAIL{check:04}");
        assert!(check == 10 || VERDICTS.contains(&id), "{id}");
    }
    for id in ["WARN0001", "WARN0003", "WARN0004", "WARN0005"] {
        assert!(VERDICTS.contains(id), "{id}");
    }
}

/// An object of generation 3 with these conditions, all of generation 3.
fn with(conditions: &[(&str, &str)]) -> Value {
    let conditions: Vec<_> = conditions
        .iter()
        .map(|(type_, status)| {
            json!({
                "type": type_, "status": status, "reason": "Because", "message": "So.",
                "observedGeneration": 3, "lastTransitionTime": "2026-01-01T00:00:00Z"
            })
        })
        .collect();
    json!({
        "metadata": {"name": "my-app", "generation": 3},
        "status": {"observedGeneration": 3, "conditions": conditions}
    })
}

fn ready() -> Value {
    with(&[
        ("Ready", "True"),
        ("CredentialsValid", "True"),
        ("RemoteInSync", "True"),
        ("SecretInSync", "True"),
        ("DisplayNameSynced", "True"),
    ])
}

#[test]
fn each_check_passes_one_object_and_fails_another() {
    let rest: fn(&Value) -> Vec<String> = at_rest;
    let progress: fn(&Value) -> Vec<String> = in_progress;
    let mut old = with(&[("Ready", "True")]);
    old["metadata"]["generation"] = 4.into();
    let mut ahead = with(&[("Ready", "True")]);
    ahead["metadata"]["generation"] = 2.into();
    let mut nameless = with(&[("Ready", "True")]);
    nameless["status"]["conditions"][0]["observedGeneration"] = Value::Null;
    let good = with(&[("Ready", "True")]);
    let stalled = with(&[("Ready", "False"), ("Stalled", "True")]);
    let working = with(&[("Ready", "False"), ("Reconciling", "True")]);
    let unknown = with(&[("Ready", "Unknown"), ("Reconciling", "True")]);
    for (id, check, passing, failing) in [
        ("FAIL0001", rest, &good, &with(&[("Ready", "True"), ("Stalled", "True")])),
        ("FAIL0002", rest, &good, &with(&[])),
        ("FAIL0003", rest, &working, &unknown),
        ("FAIL0004", rest, &stalled, &with(&[("Ready", "Unknown"), ("Stalled", "True")])),
        ("FAIL0005", rest, &stalled, &with(&[("Reconciling", "True"), ("Stalled", "True")])),
        ("FAIL0006", rest, &good, &ahead),
        ("FAIL0007", rest, &good, &old),
        ("FAIL0008", rest, &good, &old),
        ("FAIL0009", rest, &good, &nameless),
        ("FAIL0011", progress, &unknown, &with(&[("Ready", "Unknown")])),
        ("WARN0001", rest, &good, &with(&[("Ready", "True"), ("Reconciling", "False")])),
        ("WARN0003", rest, &working, &with(&[("Ready", "False"), ("Reconciling", "False")])),
        ("WARN0004", rest, &stalled, &with(&[("Ready", "False"), ("Stalled", "False")])),
        ("WARN0005", rest, &good, &nameless),
    ] {
        assert!(!ids(&check(passing)).contains(&id), "{id}: {:?}", check(passing));
        assert!(ids(&check(failing)).contains(&id), "{id}: {:?}", check(failing));
    }
}

#[test]
fn ready_repeats_the_highest_negative_condition() {
    let repeats = with(&[("Ready", "False"), ("Rejected", "True")]);
    let mut differs = repeats.clone();
    differs["status"]["conditions"][0]["reason"] = "Otherwise".into();
    assert!(at_rest_with(&repeats, &["Rejected"]).is_empty());
    assert_eq!(ids(&at_rest_with(&differs, &["Rejected"])), ["WARN0002"]);
}

#[test]
fn an_edit_that_was_not_looked_at_is_judged_as_in_progress() {
    let mut edited = ready();
    edited["metadata"]["generation"] = 4.into();
    assert!(flux_checks(&edited).is_empty());
    assert!(!at_rest(&edited).is_empty());
    assert_eq!(kstatus(&edited), Status::InProgress);
    assert_eq!(assert_status_is_honest(&edited), Ok(()));
}

#[test]
fn an_honest_status_passes() {
    assert_eq!(assert_status_is_honest(&ready()), Ok(()));
    assert_eq!(assert_status_is_honest(&json!({"metadata": {"generation": 1}})), Ok(()));
    for (status, part) in [("False", "Stalled"), ("Unknown", "Reconciling")] {
        let mut object = ready();
        object["status"]["conditions"][0]["status"] = status.into();
        let mut more = object["status"]["conditions"][1].clone();
        more["type"] = part.into();
        object["status"]["conditions"].as_array_mut().unwrap().push(more);
        assert_eq!(assert_status_is_honest(&object), Ok(()), "{part}");
    }
}

#[test]
fn a_dishonest_status_is_named() {
    for (pointer, value, complaint) in [
        ("/status/conditions/0/type", json!("Reddy"), "unknown condition Reddy"),
        ("/status/conditions/1/type", json!("Ready"), "two conditions of type Ready"),
        ("/status/conditions/2/type", json!("Stalled"), "FAIL0001"),
        ("/status/conditions/0/reason", json!("not a word"), "the reason of Ready"),
        ("/status/conditions/0/reason", json!(""), "the reason of Ready"),
        ("/status/conditions/0/status", json!("Maybe"), "Ready is \"Maybe\""),
        ("/status/conditions/0/lastTransitionTime", json!("now"), "lastTransitionTime"),
        ("/status/conditions/0/message", json!("x".repeat(32_769)), "32769 characters"),
        ("/status/observedGeneration", json!(5), "FAIL0006"),
        ("/status/conditions", json!([]), "FAIL0002"),
    ] {
        let mut object = ready();
        *object.pointer_mut(pointer).unwrap() = value;
        let error = assert_status_is_honest(&object).unwrap_err();
        assert!(error.contains(complaint), "{pointer}: {error}");
    }
    let mut silent = ready();
    silent["status"]["conditions"][1]["status"] = "False".into();
    silent["status"]["conditions"][1]["message"] = "".into();
    let error = assert_status_is_honest(&silent).unwrap_err();
    assert!(error.contains("CredentialsValid is False without a message"), "{error}");
}
