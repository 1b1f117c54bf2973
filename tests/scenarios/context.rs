//! The context is a journal of the handshake: each step is taken once per key, whoever asks, and
//! what the bank refuses costs as little as it can (D7, protocol §8).

mod damage;
mod keys;
mod kills;

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq,
        world::{InProcess, condition, is_ready, ready_reason},
    },
    sandbox::{Bank, Fault, FaultKind, User, bank::KeyStatus, behaviour::SecondSession},
};

use crate::stage::{Stage, scenarios};

const MINUTE: Duration = Duration::from_mins(1);
/// More than a resync interval of one hour with its jitter, less than two.
const A_RESYNC: Duration = Duration::from_mins(80);
const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
/// The client itself, not what is below it.
const CLIENT: &str = "user/{u}/oauth-client/{c}$";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let mut trials = scenarios!(stage, "context":
        manifests_with_one_key_applied_at_once_shake_hands_once,
        a_session_that_ends_before_any_call_of_a_pass_costs_one_session_and_one_replay,
        within_the_banks_limits_a_dead_session_costs_a_wait_and_one_replay,
        a_bank_that_wants_a_new_installation_gets_five_a_day_and_the_status_says_when_it_goes_on,
        an_installation_whose_device_was_refused_is_used_again,
        an_installation_that_the_bank_forgot_before_the_device_is_made_anew,
    );
    trials.extend(damage::trials(stage));
    trials.extend(kills::trials(stage));
    trials.extend(keys::trials(stage));
    trials
}

/// Installations, devices and sessions that the bank has made so far.
fn made(world: &World) -> (usize, usize, usize) {
    world.sandbox.with(|bank| (bank.installations.len(), bank.devices.len(), bank.sessions.len()))
}

/// Waits until the manifest is Ready and the bank was read since.
async fn synced(world: &World, name: &str) -> Outcome<Value> {
    let is_synced = |object: &Value| is_ready(object) && condition(object, "RemoteInSync")["status"] == "True";
    world.until(name, "Ready and in sync", is_synced).await
}

/// A user of its own for a manifest: a key in a Secret, and the spec that names it.
async fn user_of(world: &World, name: &str) -> Outcome<(User, Value)> {
    let user = world.sandbox.new_user();
    let secret = format!("key-{name}");
    world.put_key(&secret, &user.api_key).await?;
    Ok((user, json!({"credentials": {"apiKeySecretRef": {"name": secret}}})))
}

/// S3, S14: the first one shakes hands, and all others wait for what it brings.
async fn manifests_with_one_key_applied_at_once_shake_hands_once(world: Arc<World>) -> Outcome {
    const MANIFESTS: usize = 6;
    let user = world.user().await?;
    for number in 0..MANIFESTS {
        world.apply(&world.manifest(&format!("app-{number}"), &json!({}))).await?;
    }
    // A bank that takes its time, so that all of them ask while the first one shakes hands.
    for call in ["installation", "device-server", "session-server"] {
        world.sandbox.inject(Fault::new("POST", call, FaultKind::DelayReply(Duration::from_millis(300))));
    }

    let operator = world.start_in_process().await?;
    operator.settle().await?;

    let mut reasons = Vec::new();
    for number in 0..MANIFESTS {
        let told = |object: &Value| matches!(ready_reason(object), "Synced" | "UserAlreadyClaimed");
        reasons.push(ready_reason(&world.until(&format!("app-{number}"), "judged", told).await?).to_owned());
    }
    reasons.sort_unstable();
    ensure_eq(reasons.iter().filter(|reason| *reason == "Synced").count(), 1, "manifests that hold the claim")?;
    ensure_eq(made(&world), (1, 1, 1), "installations, devices, sessions")?;
    let handshakes = ["installation", "device-server", "session-server"].map(|call| world.sandbox.count("POST", call));
    ensure_eq(handshakes, [1, 1, 1], "calls of the handshake")?;
    ensure_eq(world.sandbox.mutations().len(), 1, "changes at the bank")?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")?;
    operator.stop().await
}

/// F18: played for every position in a first pass, and in one that changes a redirect URL.
async fn a_session_that_ends_before_any_call_of_a_pass_costs_one_session_and_one_replay(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process().await?;
    let first = calls_of_a_pass(&world, &operator, "first", None, &json!({})).await?;
    let moved = json!({"redirectUrl": "https://moved.example/callback"});
    let change = calls_of_a_pass(&world, &operator, "change", None, &moved).await?;
    ensure(first.len() >= 2 && change.len() >= 5, || format!("too few calls: {first:?}, {change:?}"))?;

    for (what, reference, spec) in [("first", &first, json!({})), ("change", &change, moved)] {
        for position in 0..reference.len() {
            let name = format!("{what}-{position}");
            let found = calls_of_a_pass(&world, &operator, &name, Some(position), &spec).await?;
            let mut wanted = reference.clone();
            wanted.insert(position, reference[position].clone());
            ensure_eq(found, wanted, &format!("calls with a session that ended before call {position}"))?;
        }
    }
    operator.stop().await
}

/// What the bank is asked about the client when a new user's manifest becomes Ready, or, where the
/// spec says more, when it is changed after that; the session ends before the call of that number.
async fn calls_of_a_pass(
    world: &World,
    operator: &InProcess,
    name: &str,
    ends_before: Option<usize>,
    change: &Value,
) -> Outcome<Vec<(String, &'static str)>> {
    let (user, mut spec) = user_of(world, name).await?;
    let is_first = change.as_object().is_none_or(serde_json::Map::is_empty);
    if !is_first {
        world.apply_ready(&world.manifest(name, &spec)).await?;
        operator.settle().await?;
    }
    let (before, since) = (made(world), world.sandbox.calls().len());
    if let Some(position) = ends_before {
        let fault = Fault::new("*", "user/{u}/oauth-client", FaultKind::EndedSession).after(position);
        world.sandbox.inject(fault.of(user.id));
    }
    for (field, value) in change.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    world.apply_ready(&world.manifest(name, &spec)).await?;
    operator.settle().await?;

    let own = usize::from(is_first);
    let renewed = usize::from(ends_before.is_some());
    let after = made(world);
    let added = (after.0 - before.0, after.1 - before.1, after.2 - before.2);
    ensure_eq(added, (own, own, own + renewed), &format!("{name}: installations, devices, sessions"))?;
    ensure_eq(world.sandbox.waiting_faults(), 0, &format!("{name}: faults that hit nothing"))?;
    let calls = world.sandbox.calls().split_off(since);
    let calls: Vec<_> = calls.into_iter().filter(|call| call.user == Some(user.id)).collect();
    let refused = calls.iter().filter(|call| call.status != 200).count();
    ensure_eq(refused, renewed, &format!("{name}: calls refused"))?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, &format!("{name}: clients"))?;
    let about_the_client = calls.into_iter().filter(|call| call.template.starts_with("user/{u}/oauth-client"));
    Ok(about_the_client.map(|call| (call.method, call.template)).collect())
}

/// F18, S7: the next session has to wait for half a minute, and nobody asks for anything meanwhile.
async fn within_the_banks_limits_a_dead_session_costs_a_wait_and_one_replay(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    let operator = world.start_in_process_within_limits().await?;
    world.sandbox.inject(Fault::new("POST", "user/{u}/oauth-client$", FaultKind::EndedSession));
    world.apply_reason(&world.manifest("my-app", &json!({})), "WaitingForBankLimit").await?;
    operator.settle().await?;
    let sessions = || world.sandbox.count("POST", "session-server");
    ensure_eq(sessions(), 1, "sessions at first")?;

    let mut steps = 0;
    while !is_ready(&world.object("my-app").await?) {
        ensure(steps < 24, || "it is not Ready after two minutes".to_owned())?;
        operator.let_pass(Duration::from_secs(5)).await?;
        steps += 1;
    }

    ensure(steps >= 5, || format!("the second session came after {steps} × 5 s"))?;
    ensure_eq(sessions(), 2, "sessions")?;
    let refused: Vec<_> = world.sandbox.calls().into_iter().filter(|call| call.status != 200).collect();
    ensure(refused.len() == 1 && refused[0].status == 401, || format!("the bank refused {refused:?}"))?;
    ensure_eq(world.sandbox.count("POST", "user/{u}/oauth-client"), 2, "creations sent")?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")?;
    operator.stop().await
}

/// The bank no longer accepts a session and says that there is one: only a new installation helps.
async fn a_bank_that_wants_a_new_installation_gets_five_a_day_and_the_status_says_when_it_goes_on(
    world: Arc<World>,
) -> Outcome {
    world.user().await?;
    world.sandbox.behave(|bank| bank.second_session = SecondSession::Refused);
    let operator = world.start_in_process().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    operator.settle().await?;
    let refuse_once = || {
        let refusal = FaultKind::Status(401, "Insufficient authorisation.".to_owned());
        world.sandbox.inject(Fault::new("GET", CLIENT, refusal));
    };

    for again in 1..=5 {
        refuse_once();
        operator.let_pass(A_RESYNC).await?;
        operator.settle_when("the refusal", || world.sandbox.waiting_faults() == 0).await?;
        synced(&world, "my-app").await?;
        ensure_eq(made(&world), (1 + again, 1 + again, 1 + again), "installations, devices, sessions")?;
    }
    refuse_once();
    operator.let_pass(A_RESYNC).await?;
    operator.settle_when("the refusal", || world.sandbox.waiting_faults() == 0).await?;
    let waits = |object: &Value| object["status"]["nextAttemptTime"].is_string();
    let object = world.until("my-app", "told when it goes on", waits).await?;
    ensure(is_ready(&object), || "what is published is no longer Ready".to_owned())?;
    ensure_eq(&condition(&object, "RemoteInSync")["status"], &json!("Unknown"), "RemoteInSync")?;
    let message = condition(&object, "RemoteInSync")["message"].as_str().unwrap_or_default();
    ensure(message.contains("5 times"), || format!("the message does not say why: {message}"))?;

    let (calls, before) = (world.sandbox.calls().len(), made(&world));
    ensure_eq(before, (6, 6, 6), "installations, devices, sessions at the end of the day's five")?;
    for _ in 0..4 {
        operator.let_pass(A_RESYNC).await?;
    }
    ensure_eq(world.sandbox.calls().len(), calls, "calls while it waits")?;

    for _ in 0..12 {
        operator.let_pass(A_RESYNC).await?;
    }
    synced(&world, "my-app").await?;
    ensure_eq(made(&world).0, 7, "installations a day after the first")?;
    ensure_eq(world.sandbox.mutations().len(), 1, "changes at the bank")?;
    operator.stop().await
}

/// Every key of a user gets this status, and dies no more.
fn set_keys(world: &World, user: &User, status: KeyStatus) {
    world.sandbox.with(|bank| {
        for key in bank.keys.iter_mut().filter(|key| key.user == user.id) {
            key.status = status;
            key.dies = jiff::Timestamp::MAX;
        }
    });
}

/// F19, S8: also the fifth time.
async fn an_installation_whose_device_was_refused_is_used_again(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    set_keys(&world, &user, KeyStatus::Revoked);
    let operator = world.start_in_process().await?;
    world.apply_reason(&world.manifest("my-app", &json!({})), "CredentialsRejected").await?;
    for _ in 0..29 {
        operator.let_pass(2 * MINUTE).await?;
    }
    let attempts = world.sandbox.count("POST", "device-server");
    ensure((2..=5).contains(&attempts), || format!("{attempts} attempts in the first hour"))?;
    ensure_eq(made(&world), (1, 0, 0), "installations, devices, sessions")?;

    set_keys(&world, &user, KeyStatus::PendingFirstUse);
    world.annotate("my-app", REQUESTED_AT, "mended").await?;
    world.ready("my-app").await?;

    ensure_eq(made(&world), (1, 1, 1), "installations, devices, sessions")?;
    ensure_eq(world.contexts().await?.len(), 1, "contexts")?;
    operator.stop().await
}

/// F04: bunq empties its sandbox now and then.
async fn an_installation_that_the_bank_forgot_before_the_device_is_made_anew(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    set_keys(&world, &user, KeyStatus::Revoked);
    let operator = world.start_in_process().await?;
    world.apply_reason(&world.manifest("my-app", &json!({})), "CredentialsRejected").await?;

    set_keys(&world, &user, KeyStatus::PendingFirstUse);
    world.sandbox.with(Bank::forget_installations);
    world.annotate("my-app", REQUESTED_AT, "mended").await?;
    world.ready("my-app").await?;

    ensure_eq(world.sandbox.count("POST", "installation"), 2, "installations")?;
    ensure_eq(made(&world), (1, 1, 1), "installations, devices, sessions that the bank knows")?;
    operator.stop().await
}
