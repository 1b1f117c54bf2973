//! What the bank was told is in the operator's log, line by line.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use kube::api::{Patch, PatchParams};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{Outcome, World, ensure, ensure_eq},
    sandbox::{Call, Fault, FaultKind},
};

use crate::stage::{Stage, report, scenarios};

const CREATION: &str = "user/{u}/oauth-client$";
const URLS: &str = "user/{u}/oauth-client/{c}/callback-url";
const A_SECOND_URL: &str = "https://myapp.com/second";
const A_THIRD_URL: &str = "https://myapp.com/third";
const HOUR: Duration = Duration::from_hours(1);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "audit":
        the_bank_heard_exactly_what_the_audit_lines_tell_in_their_order,
        an_audit_line_names_who_wrote_the_spec,
        a_session_that_the_sweeper_closes_is_audited_in_the_name_of_its_context,
    )
}

/// The audit lines of a log.
fn audited(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "audit").collect()
}

/// What the bank was told: everything but reads and what an app's users do.
fn told(world: &World) -> Vec<Call> {
    let mut calls = world.sandbox.calls();
    calls.retain(|call| call.method != "GET" && !matches!(call.template, "auth" | "token"));
    calls
}

/// A life with everything that can become of a change: carried out, refused, lost, not believed, in vain (`H26`).
async fn the_bank_heard_exactly_what_the_audit_lines_tell_in_their_order(world: Arc<World>) -> Outcome {
    world.user().await?;
    let other = world.sandbox.new_user();
    world.put_key("other-key", &other.api_key).await?;
    world.sandbox.with(|bank| bank.create_by_hand(other.id, Some("Portal App"), &["https://portal.example/"]));
    let bank = &world.sandbox;
    bank.inject(Fault::new("POST", "session-server", FaultKind::Html(503)));
    bank.inject(Fault::new("POST", CREATION, FaultKind::Status(400, "Not in this form.".to_owned())));
    bank.inject(Fault::new("POST", CREATION, FaultKind::DropAfterCommit));
    bank.inject(Fault::new("POST", URLS, FaultKind::EndedSession));
    bank.inject(Fault::new("POST", URLS, FaultKind::WrongSignature).after(1));
    bank.inject(Fault::new("DELETE", URLS, FaultKind::DropAfterCommit));
    world.start_operator().await?;

    let cancel = json!({"deletionPolicy": "Cancel"});
    let with = |urls: Value| {
        let mut spec = cancel.clone();
        spec["additionalRedirectUrls"] = urls;
        world.manifest("my-app", &spec)
    };
    world.apply_ready(&with(json!([]))).await?;
    world.apply_ready(&with(json!([A_SECOND_URL, A_THIRD_URL]))).await?;
    world.apply_ready(&with(json!([A_THIRD_URL]))).await?;
    let adopted = json!({"credentials": {"apiKeySecretRef": {"name": "other-key"}}, "pruneRedirectUrls": true});
    world.apply_ready(&world.manifest("adopted", &adopted)).await?;
    world.delete("my-app").await?;
    world.gone("my-app").await?;

    let (lines, calls) = (audited(&world.operator_log().await), told(&world));
    let sent: Vec<&Value> = lines.iter().filter(|line| line["outcome"] != "not sent").collect();
    let of_lines: Vec<&str> = sent.iter().map(|line| line["request_id"].as_str().unwrap_or_default()).collect();
    let of_calls: Vec<&str> = calls.iter().map(|call| call.request_id.as_deref().unwrap_or_default()).collect();
    ensure(of_lines == of_calls, || format!("the lines\n{}\nthe calls\n{}", shown(&sent), calls_shown(&calls)))?;
    for (line, call) in sent.iter().zip(&calls) {
        let told = line["mutation"].as_str().unwrap_or_default();
        ensure(told.starts_with(&call.method), || format!("{line} is about another call than {call}"))?;
        if let Some(response_id) = line["response_id"].as_str() {
            ensure_eq(response_id, &call.response_id, "the response id")?;
        }
        if line["outcome"] == "accepted" {
            ensure(call.committed && call.response_id == line["response_id"], || format!("{line}, but {call}"))?;
        }
        for key in ["object", "uid", "generation", "manager", "namespace", "name", "reconcileID", "controller"] {
            ensure(!line[key].is_null(), || format!("{line} has no {key}"))?;
        }
    }
    let outcomes: BTreeSet<&str> = lines.iter().filter_map(|line| line["outcome"].as_str()).collect();
    ensure_eq(outcomes, ["accepted", "not carried out", "refused", "unknown"].into(), "the outcomes")?;
    let kinds: BTreeSet<&str> = lines.iter().filter_map(|line| line["mutation"].as_str()).collect();
    ensure_eq(kinds.len(), 7, &format!("kinds of changes: {kinds:?}"))?;
    report(&format!("audit: {} lines, as many calls, {} kinds of calls", lines.len(), kinds.len()));
    Ok(())
}

fn shown(lines: &[&Value]) -> String {
    let shown = |line: &&Value| format!("{} {} {}", line["request_id"], line["mutation"], line["outcome"]);
    lines.iter().map(shown).collect::<Vec<_>>().join("\n")
}

fn calls_shown(calls: &[Call]) -> String {
    calls.iter().map(|call| format!("{:?} {call}", call.request_id)).collect::<Vec<_>>().join("\n")
}

async fn an_audit_line_names_who_wrote_the_spec(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = audited(&world.operator_log().await);
    let first: BTreeSet<&str> = before.iter().filter_map(|line| line["manager"].as_str()).collect();
    ensure_eq(first.len(), 1, &format!("managers so far: {first:?}"))?;

    let params = PatchParams { field_manager: Some("argocd-controller".to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"spec": {"additionalRedirectUrls": [A_SECOND_URL]}}));
    world.objects().patch("my-app", &params, &patch).await?;
    world.until("my-app", "changed", |object| object["status"]["observedGeneration"] == 2).await?;
    world.ready("my-app").await?;

    let lines = audited(&world.operator_log().await);
    let [line] = &lines[before.len()..] else {
        return Err(format!("not one line about the change: {:?}", &lines[before.len()..]).into());
    };
    for (key, wanted) in [
        ("manager", json!("argocd-controller")),
        ("generation", json!(2)),
        ("uid", object["metadata"]["uid"].clone()),
        ("outcome", json!("accepted")),
    ] {
        ensure_eq(&line[key], &wanted, key)?;
    }
    Ok(())
}

async fn a_session_that_the_sweeper_closes_is_audited_in_the_name_of_its_context(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process_logged().await?;
    let suspended = json!({"suspend": true});
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let context = world.contexts().await?.pop().and_then(|secret| secret.metadata.name).ok_or("there is no context")?;
    world.delete("my-app").await?;
    world.gone("my-app").await?;
    operator.settle().await?;

    // A day until it counts as unused, a day until it goes, and more in case a sweep comes before its cause.
    for day in 1..=5 {
        let name = format!("leaves-on-day-{day}");
        world.apply_reason(&world.manifest(&name, &suspended), "Suspended").await?;
        operator.let_pass(25 * HOUR).await?;
        world.delete(&name).await?;
        world.gone(&name).await?;
        operator.settle().await?;
    }

    let lines = operator.lines()?;
    let closed: Vec<&Value> = lines.iter().filter(|line| line["mutation"] == "DELETE session/{id}").collect();
    let [line] = closed.as_slice() else { return Err(format!("not one session was closed: {closed:?}").into()) };
    ensure_eq(&line["object"], &json!(format!("Secret {}/{context}", world.operator_namespace)), "whose it was")?;
    let calls = told(&world);
    let id = calls.iter().find(|call| call.method == "DELETE").and_then(|call| call.request_id.clone());
    ensure_eq(&line["request_id"], &json!(id), "its request id")?;
    operator.stop().await
}
