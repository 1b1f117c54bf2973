//! Every judge at once.

use std::collections::BTreeSet;

use serde_json::Value;

use super::flux::flux_checks;
use super::kstatus::{Status, kstatus};
use super::view::{Seen, View};

/// Always present once a status was written (C03).
const PARTS: &[&str] = &["Ready", "CredentialsValid", "RemoteInSync", "SecretInSync", "DisplayNameSynced"];
/// Present only while they are True (C05).
const WHILE_TRUE: &[&str] = &["Reconciling", "Stalled"];

/// Fails with every complaint about an object's status: the form of its
/// conditions, Flux's checks, and whether kstatus concludes what Ready says. An
/// object without a status was not visited yet and has nothing to be judged.
pub fn assert_status_is_honest(object: &Value) -> Result<(), String> {
    if object["status"].is_null() {
        return Ok(());
    }
    let view = View::of(object);
    let mut complaints = flux_checks(object);
    complaints.extend(form(&view, object));
    complaints.extend(conclusion(&view, kstatus(object)));
    if complaints.is_empty() {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or("(no name)");
    let listed = complaints.join("\n- ");
    let status = serde_json::to_string_pretty(&object["status"]).unwrap_or_default();
    Err(format!("the status of {name} is not honest:\n- {listed}\nit is {status}"))
}

fn form(view: &View, object: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut present = BTreeSet::new();
    for seen in &view.conditions {
        let type_ = seen.type_.as_str();
        if !present.insert(type_) {
            complaints.push(format!("C01: two conditions of type {type_}"));
        }
        if !PARTS.contains(&type_) && !WHILE_TRUE.contains(&type_) {
            complaints.push(format!("C01: unknown condition {type_}"));
        }
        complaints.extend(form_of_condition(seen));
    }
    for missing in PARTS.iter().filter(|part| !present.contains(*part)) {
        complaints.push(format!("C03: no condition {missing}"));
    }
    let conditions = object["status"]["conditions"].as_array();
    for condition in conditions.into_iter().flatten() {
        let time = condition["lastTransitionTime"].as_str().unwrap_or_default();
        if time.parse::<jiff::Timestamp>().is_err() {
            complaints.push(format!("C01: lastTransitionTime of {} is {time:?}", condition["type"]));
        }
    }
    if !object["status"]["phase"].is_null() {
        complaints.push("C03: a status has no phase".to_owned());
    }
    complaints
}

fn form_of_condition(seen: &Seen) -> Vec<String> {
    let mut complaints = Vec::new();
    let type_ = &seen.type_;
    if !matches!(seen.status.as_str(), "True" | "False" | "Unknown") {
        complaints.push(format!("C01: {type_} is {:?}", seen.status));
    }
    let is_camel_case = seen.reason.starts_with(|first: char| first.is_ascii_uppercase())
        && seen.reason.chars().all(|letter| letter.is_ascii_alphanumeric());
    if !is_camel_case {
        complaints.push(format!("C01: the reason of {type_} is {:?}", seen.reason));
    }
    let length = seen.message.chars().count();
    if length > 32_768 {
        complaints.push(format!("C01: the message of {type_} has {length} characters"));
    }
    if seen.message.trim().is_empty() && seen.status != "True" {
        complaints.push(format!("C53: {type_} is {} without a message", seen.status));
    }
    complaints
}

/// Ready and kstatus must say the same to whoever waits for them.
fn conclusion(view: &View, concluded: Status) -> Option<String> {
    if view.deleting || view.observed_generation != Some(view.generation) {
        return None;
    }
    let ready = view.is("Ready", "True");
    let stalled = view.is("Stalled", "True");
    let expected = match (ready, stalled) {
        (true, false) => Status::Current,
        (false, true) => Status::Failed,
        (false, false) => Status::InProgress,
        (true, true) => return Some("C06: Ready and Stalled".to_owned()),
    };
    (concluded != expected).then(|| format!("C06: kstatus concludes {concluded:?} where Ready says {expected:?}"))
}
