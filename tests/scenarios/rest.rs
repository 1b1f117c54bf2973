//! At rest nothing moves: hours pass by the clock's seam, not by waiting.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq,
        world::{KEY_SECRET, condition, is_ready},
    },
    sandbox::{Fault, FaultKind},
};

use crate::stage::{Stage, scenarios};

/// More than a resync interval of one hour with its jitter, less than two.
const A_RESYNC: Duration = Duration::from_mins(80);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const ONE_GET: (&str, &str) = ("GET", "user/{u}/oauth-client/{c}");

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "rest":
        over_three_resyncs_nothing_moves_and_each_is_one_read,
        an_outage_of_the_bank_leaves_a_published_client_ready,
        a_refused_key_is_tried_five_times_in_the_first_hour_and_hourly_after,
        an_expired_session_costs_one_session_and_no_handshake,
        keys_and_session_that_nobody_uses_go_after_days,
        of_more_keys_than_memory_holds_none_costs_a_session_and_lists_of_several_pages_are_swept,
    )
}

/// The version of everything that belongs to a client.
async fn versions(world: &World) -> Outcome<BTreeMap<String, Option<String>>> {
    let mut versions = BTreeMap::new();
    let object = world.object("my-app").await?;
    versions.insert("manifest".to_owned(), object["metadata"]["resourceVersion"].as_str().map(str::to_owned));
    for name in ["my-app", KEY_SECRET] {
        let secret = world.secrets().get(name).await?;
        versions.insert(format!("Secret {name}"), secret.metadata.resource_version);
    }
    for claim in world.claims().await? {
        versions.insert(format!("claim {:?}", claim.metadata.name), claim.metadata.resource_version);
    }
    for context in world.contexts().await? {
        versions.insert(format!("context {:?}", context.metadata.name), context.metadata.resource_version);
    }
    Ok(versions)
}

/// What the bank was asked, without ids.
fn asked(world: &World) -> Vec<(String, &'static str)> {
    world.sandbox.calls().into_iter().map(|call| (call.method, call.template)).collect()
}

async fn over_three_resyncs_nothing_moves_and_each_is_one_read(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    operator.settle().await?;
    let before = versions(&world).await?;
    ensure_eq(before.len(), 5, "objects that belong to the client")?;

    for resync in 1..=3 {
        world.sandbox.clear_calls();
        operator.let_pass(A_RESYNC).await?;
        let (method, template) = ONE_GET;
        ensure_eq(asked(&world), [(method.to_owned(), template)], &format!("calls of resync {resync}"))?;
    }

    ensure_eq(versions(&world).await?, before, "versions after three resyncs")?;
    operator.stop().await
}

async fn an_outage_of_the_bank_leaves_a_published_client_ready(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    operator.settle().await?;
    let before = world.secrets().get("my-app").await?.metadata.resource_version;

    // Neither an error page nor silence means that the client is gone.
    world.sandbox.inject(Fault::new("*", "", FaultKind::Html(503)));
    world.sandbox.inject(Fault::new("*", "", FaultKind::DropBefore).forever());
    operator.let_pass(A_RESYNC).await?;
    let is_unknown = |object: &Value| condition(object, "RemoteInSync")["status"] == "Unknown";
    let object = world.until("my-app", "told of the outage", is_unknown).await?;
    ensure(is_ready(&object), || "it is no longer Ready".to_owned())?;
    let after = world.secrets().get("my-app").await?.metadata.resource_version;
    ensure_eq(after, before, "the version of the published Secret")?;

    world.sandbox.clear_faults();
    operator.let_pass(11 * MINUTE).await?;
    let is_back = |object: &Value| condition(object, "RemoteInSync")["status"] == "True";
    world.until("my-app", "told of the end", is_back).await?;
    operator.stop().await
}

async fn a_refused_key_is_tried_five_times_in_the_first_hour_and_hourly_after(world: Arc<World>) -> Outcome {
    let unknown = format!("sandbox_{}", "bad2".repeat(14));
    world.bench.plant(unknown.clone());
    world.put_key(KEY_SECRET, &unknown).await?;
    let operator = world.start_in_process().await?;
    world.apply_reason(&world.manifest("my-app", &json!({})), "CredentialsRejected").await?;
    operator.settle().await?;
    let attempts = || world.sandbox.count("POST", "device-server") + world.sandbox.count("POST", "session-server");

    for _ in 0..29 {
        operator.let_pass(2 * MINUTE).await?;
    }
    let first_hour = attempts();
    ensure((2..=5).contains(&first_hour), || format!("{first_hour} attempts in the first hour"))?;

    for _ in 0..16 {
        operator.let_pass(HOUR / 4).await?;
    }
    let later = attempts() - first_hour;
    ensure((3..=4).contains(&later), || format!("{later} attempts in the four hours after"))?;
    operator.stop().await
}

async fn an_expired_session_costs_one_session_and_no_handshake(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.sandbox.behave(|bank| bank.session_timeout = Some(3600));
    let operator = world.start_in_process().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    operator.settle().await?;
    world.sandbox.clear_calls();

    operator.let_pass(A_RESYNC).await?;

    let count = |template| world.sandbox.count("POST", template);
    ensure_eq((count("installation"), count("device-server")), (0, 0), "handshake calls")?;
    ensure_eq(count("session-server"), 1, "sessions")?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    operator.stop().await
}

/// The sweeper looks at them when a manifest goes.
async fn keys_and_session_that_nobody_uses_go_after_days(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process().await?;
    let suspended = json!({"suspend": true});
    world.apply(&world.manifest("bystander", &suspended)).await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    world.delete("my-app").await?;
    world.gone("my-app").await?;
    operator.settle().await?;
    ensure_eq(world.contexts().await?.len(), 1, "contexts right after the manifest went")?;

    for day in 1..=3 {
        let name = format!("leaves-on-day-{day}");
        world.apply_reason(&world.manifest(&name, &suspended), "Suspended").await?;
        operator.let_pass(25 * HOUR).await?;
        world.delete(&name).await?;
        world.gone(&name).await?;
        operator.settle().await?;
    }

    ensure_eq(world.contexts().await?.len(), 0, "contexts after three days")?;
    ensure_eq(world.sandbox.count("DELETE", "session/{s}"), 1, "sessions closed")?;
    operator.stop().await
}

/// More than contexts are kept in memory, and than a page of a list holds.
const A_CROWD: usize = 70;

/// What is dropped from memory is read again, not made again (S7, D7); claims beyond the first page are found (D9).
async fn of_more_keys_than_memory_holds_none_costs_a_session_and_lists_of_several_pages_are_swept(
    world: Arc<World>,
) -> Outcome {
    let operator = world.start_in_process().await?;
    let members = world.crowd(A_CROWD).await?;
    for member in &members {
        world.ready_within(&member.name, MINUTE).await?;
    }
    operator.settle().await?;
    world.sandbox.clear_calls();
    for _ in 0..2 {
        operator.let_pass(A_RESYNC).await?;
    }
    ensure_eq(world.sandbox.count(ONE_GET.0, ONE_GET.1), 2 * A_CROWD, "reads in two resyncs")?;
    ensure_eq(world.sandbox.calls().len(), 2 * A_CROWD, "calls in two resyncs")?;
    operator.stop().await?;

    let last = members.iter().max_by_key(|member| format!("bunq-user-sandbox-{}", member.user.id)).ok_or("nobody")?;
    let first = members.iter().min_by_key(|member| format!("bunq-user-sandbox-{}", member.user.id)).ok_or("nobody")?;
    for gone in [first, last] {
        world.delete(&gone.name).await?;
        world.gone(&gone.name).await?;
    }
    let operator = world.start_in_process().await?;
    operator.settle_when("every manifest was looked at", || operator.passes() >= (A_CROWD - 2) as u64).await?;
    let claims = world.claims().await?;
    ensure_eq(claims.len(), A_CROWD - 2, "claims that stay")?;
    ensure_eq(world.sandbox.count("POST", "session-server"), 0, "sessions")?;
    operator.stop().await
}
