//! The key changes: at any moment, to whatever, and the user's one client stays as it is (F33, L3, S8).

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq,
        world::{KEY_SECRET, condition},
    },
    sandbox::{Fault, FaultKind, bank::KeyStatus, behaviour::SessionUser},
};

use super::{MINUTE, REQUESTED_AT, made, set_keys, synced};
use crate::stage::{Stage, scenarios};

const SECONDS: Duration = Duration::from_secs(10);
const CLIENTS: &str = "user/{u}/oauth-client";

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "context":
        a_new_key_ends_a_back_off_of_an_hour_within_seconds,
        a_key_whose_device_is_refused_whatever_the_word_for_it_is_a_refused_key,
        edits_of_the_spec_buy_a_refused_key_no_attempt_and_a_person_does,
        a_key_that_changes_in_the_middle_of_a_pass_makes_no_second_client,
        another_key_of_the_same_user_leaves_everything_as_it_is,
        a_newline_after_the_key_changes_nothing,
        an_access_token_as_key_asks_nothing_of_the_client_and_a_real_key_heals_it,
    )
}

/// A key that no bank knows.
async fn put_unknown_key(world: &World, letters: &str) -> Outcome {
    let unknown = format!("sandbox_{}", letters.repeat(14));
    world.bench.plant(unknown.clone());
    world.put_key(KEY_SECRET, &unknown).await
}

fn attempts(world: &World) -> usize {
    world.sandbox.count("POST", "device-server") + world.sandbox.count("POST", "session-server")
}

/// S8, S14: the bank knows the installation that it has just made, so the fault is not there.
async fn a_key_whose_device_is_refused_whatever_the_word_for_it_is_a_refused_key(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    set_keys(&world, &user, KeyStatus::PendingFirstUse);
    for status in [401, 403] {
        let refusal = FaultKind::Status(status, "Insufficient authorisation.".to_owned());
        world.sandbox.inject(Fault::new("POST", "device-server", refusal).times(8));
    }
    let operator = world.start_in_process().await?;
    world.apply_reason(&world.manifest("my-app", &json!({})), "CredentialsRejected").await?;
    ensure_eq(made(&world).0, 1, "installations")?;
    for _ in 0..36 {
        operator.let_pass(2 * MINUTE).await?;
    }
    ensure(attempts(&world) >= 5, || format!("{} attempts: it is not tried hourly", attempts(&world)))?;
    ensure_eq(made(&world).0, 2, "installations, the one in a day included that a reset of the bank would need")?;
    world.reason("my-app", "CredentialsRejected").await?;

    world.sandbox.clear_faults();
    world.annotate("my-app", REQUESTED_AT, "mended").await?;
    world.ready_within("my-app", SECONDS).await?;
    operator.stop().await
}

/// F33, L3: no clock is put forward after the Secret was mended.
async fn a_new_key_ends_a_back_off_of_an_hour_within_seconds(world: Arc<World>) -> Outcome {
    put_unknown_key(&world, "bad3").await?;
    let operator = world.start_in_process().await?;
    world.apply_reason(&world.manifest("my-app", &json!({})), "CredentialsRejected").await?;
    for _ in 0..36 {
        operator.let_pass(2 * MINUTE).await?;
    }
    let before = attempts(&world);
    ensure(before >= 5, || format!("{before} attempts: it is not yet tried hourly"))?;

    let user = world.user().await?;
    world.ready_within("my-app", SECONDS).await?;

    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")?;
    operator.stop().await
}

/// S8: an edit is no reason to try a key that was refused.
async fn edits_of_the_spec_buy_a_refused_key_no_attempt_and_a_person_does(world: Arc<World>) -> Outcome {
    put_unknown_key(&world, "bad4").await?;
    let operator = world.start_in_process().await?;
    world.apply_reason(&world.manifest("my-app", &json!({})), "CredentialsRejected").await?;
    operator.settle().await?;

    for edit in 1..=10 {
        operator.let_pass(5 * MINUTE).await?;
        let edited = world.manifest("my-app", &json!({"displayName": format!("Edited {edit} times")}));
        world.apply_reason(&edited, "CredentialsRejected").await?;
        operator.settle().await?;
    }

    let first_hour = attempts(&world);
    ensure((2..=5).contains(&first_hour), || format!("{first_hour} attempts in the first hour, with 10 edits"))?;
    world.annotate("my-app", REQUESTED_AT, "now").await?;
    world.until("my-app", "tried again", |object| object["status"]["lastHandledReconcileAt"] == "now").await?;
    ensure_eq(attempts(&world), first_hour + 1, "attempts when a person asked")?;
    operator.stop().await
}

/// F33, S1: whichever call is under way while the Secret gets another key and the old one is revoked.
async fn a_key_that_changes_in_the_middle_of_a_pass_makes_no_second_client(world: Arc<World>) -> Outcome {
    const CALLS: [(&str, &str); 6] = [
        ("POST", "installation"),
        ("POST", "device-server"),
        ("POST", "session-server"),
        ("GET", CLIENTS),
        ("POST", CLIENTS),
        ("GET", "user/{u}/oauth-client/{c}"),
    ];
    let operator = world.start_in_process().await?;
    for (number, (method, template)) in CALLS.into_iter().enumerate() {
        let what = format!("rotated during {method} {template}");
        let (name, secret) = (format!("app-{number}"), format!("key-{number}"));
        let user = world.sandbox.new_user();
        world.put_key(&secret, &user.api_key).await?;
        let slow = FaultKind::DelayReply(Duration::from_millis(1500));
        world.sandbox.inject(Fault::new(method, &format!("{template}$"), slow));
        let credentials = json!({"credentials": {"apiKeySecretRef": {"name": secret}}});
        world.apply(&world.manifest(&name, &credentials)).await?;
        while world.sandbox.waiting_faults() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }

        let other = world.sandbox.new_key(user.id);
        world.sandbox.with(|bank| bank.revoke_key(&user.api_key));
        world.put_key(&secret, &other).await?;
        // The pass under way ends first: until then what it says is of the old key.
        operator.settle().await?;
        operator.let_pass(MINUTE).await?;
        synced(&world, &name).await.map_err(|error| format!("{what}: {error}"))?;

        let clients = world.sandbox.with(|bank| bank.clients_of(user.id).len());
        ensure_eq(clients, 1, &format!("{what}: clients"))?;
        let devices = |key: &str| {
            world.sandbox.with(|bank| {
                let id = bank.keys.iter().find(|it| it.secret == key).map(|it| it.id);
                bank.devices.iter().filter(|device| Some(device.key) == id).count()
            })
        };
        ensure(devices(&user.api_key) <= 1, || format!("{what}: two devices of the old key"))?;
        ensure_eq(devices(&other), 1, &format!("{what}: devices of the new key"))?;
    }
    operator.stop().await
}

/// F33: nothing at the bank or in the Secret moves but the session.
async fn another_key_of_the_same_user_leaves_everything_as_it_is(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    let operator = world.start_in_process().await?;
    let before = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    operator.settle().await?;
    let published = world.secrets().get("my-app").await?.metadata.resource_version;
    let [first] = &world.contexts().await?[..] else { return Err("there is not one context".into()) };

    world.put_key(KEY_SECRET, &world.sandbox.new_key(user.id)).await?;
    world.sandbox.with(|bank| bank.revoke_key(&user.api_key));
    operator.settle().await?;
    while world.contexts().await?.len() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    operator.settle().await?;

    let after = synced(&world, "my-app").await?;
    ensure_eq(&after["status"]["clientId"], &before["status"]["clientId"], "the client_id")?;
    ensure_eq(made(&world), (2, 2, 2), "installations, devices, sessions")?;
    ensure_eq(world.sandbox.mutations().len(), 1, "changes at the bank")?;
    ensure_eq(world.secrets().get("my-app").await?.metadata.resource_version, published, "the published Secret")?;
    let [claim] = &world.claims().await?[..] else { return Err("there is not one claim".into()) };
    let named = claim.data.as_ref().and_then(|data| data.get("context"));
    let contexts = world.contexts().await?;
    let other = contexts.iter().find(|context| context.metadata.name != first.metadata.name);
    ensure_eq(named, other.and_then(|context| context.metadata.name.as_ref()), "the context in the claim")?;
    operator.stop().await
}

/// F33: the context is the trimmed key's.
async fn a_newline_after_the_key_changes_nothing(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.put_key(KEY_SECRET, &format!("{}\n", user.api_key)).await?;
    let operator = world.start_in_process().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    operator.settle().await?;
    ensure_eq(world.contexts().await?.len(), 1, "contexts")?;

    for key in [user.api_key.clone(), format!("{}\r\n", user.api_key)] {
        world.sandbox.clear_calls();
        let edited = world.object("my-app").await?["status"]["attemptedInputs"].clone();
        world.put_key(KEY_SECRET, &key).await?;
        let noticed = |object: &Value| object["status"]["attemptedInputs"] != edited;
        world.until("my-app", "looked at again", noticed).await?;
        operator.settle().await?;
        let shaken = ["installation", "device-server", "session-server"].map(|call| world.sandbox.count("POST", call));
        ensure_eq(shaken, [0, 0, 0], "calls of the handshake")?;
        ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    }
    ensure_eq(made(&world), (1, 1, 1), "installations, devices, sessions")?;
    operator.stop().await
}

/// F33, L3: what was pasted was an app's user's.
async fn an_access_token_as_key_asks_nothing_of_the_client_and_a_real_key_heals_it(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.sandbox.behave(|bank| bank.session_user = SessionUser::UserApiKey);
    let operator = world.start_in_process().await?;
    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "NotAnApiKey").await?;
    ensure_eq(&condition(&object, "Stalled")["status"], &json!("True"), "Stalled")?;
    for _ in 0..3 {
        operator.let_pass(20 * MINUTE).await?;
    }
    let asked = world.sandbox.calls();
    let about_the_client = asked.iter().filter(|call| call.template.starts_with(CLIENTS)).count();
    ensure_eq(about_the_client, 0, "calls about the client")?;
    ensure_eq(made(&world), (1, 1, 1), "installations, devices, sessions")?;

    world.sandbox.behave(|bank| bank.session_user = SessionUser::UserPerson);
    world.put_key(KEY_SECRET, &world.sandbox.new_key(user.id)).await?;
    world.ready_within("my-app", SECONDS).await?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")?;
    operator.stop().await
}
