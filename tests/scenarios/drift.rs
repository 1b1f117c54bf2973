//! Somebody else changes what is ours, at the bank or in the manifest: it is repaired or told, and
//! never fought over without end (protocol §5, §6).

use std::{sync::Arc, time::Duration};

use kube::api::{Patch, PatchParams};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::harness::{
    Outcome, World, ensure, ensure_eq,
    world::{InProcess, condition, is_ready},
};

use crate::stage::{Stage, scenarios};

const FIRST: &str = "https://myapp.com/oauth/callback";
const SECOND: &str = "https://myapp.com/oauth/second";
const FOREIGN: &str = "https://somebody.example/callback";
const ADDITIONS: (&str, &str) = ("POST", "user/{u}/oauth-client/{c}/callback-url");
const REMOVALS: (&str, &str) = ("DELETE", "user/{u}/oauth-client/{c}/callback-url/{m}");
const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
/// More than a resync interval of one hour with its jitter, less than two.
const A_RESYNC: Duration = Duration::from_mins(80);
/// The shortest resync interval.
const FIVE_MINUTES: Duration = Duration::from_mins(5);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "drift":
        a_client_cancelled_in_the_app_is_told_at_the_next_resync,
        a_name_changed_in_the_app_is_told_and_changes_nothing,
        a_url_added_in_the_app_stays_until_pruning_is_declared,
        a_url_that_is_registered_twice_goes_twice,
        a_value_that_somebody_keeps_undoing_is_left_alone_until_a_request,
        two_managers_who_fight_over_the_manifest_cost_one_change_each_time,
    )
}

/// A manifest that is Ready and at rest, and the number of its client.
async fn at_rest(world: &World, manifest: &Value) -> Outcome<(InProcess, u64)> {
    world.user().await?;
    let operator = world.start_in_process().await?;
    let object = world.apply_ready(manifest).await?;
    operator.settle().await?;
    world.sandbox.clear_calls();
    Ok((operator, object["status"]["oauthClientId"].as_u64().ok_or("no client in the status")?))
}

fn urls(world: &World, client: u64) -> Vec<String> {
    let mut urls = world.sandbox.with(|bank| bank.urls_of(client));
    urls.sort();
    urls
}

fn count(world: &World, (method, template): (&str, &str)) -> usize {
    world.sandbox.count(method, template)
}

/// A kill switch is not undone; what was published stays (F25).
async fn a_client_cancelled_in_the_app_is_told_at_the_next_resync(world: Arc<World>) -> Outcome {
    let (operator, client) = at_rest(&world, &world.manifest("my-app", &json!({}))).await?;
    let before = world.secrets().get("my-app").await?.metadata.resource_version;

    world.sandbox.with(|bank| bank.cancel_by_hand(client));
    operator.let_pass(A_RESYNC).await?;

    world.reason("my-app", "CancelledAtBank").await?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    let after = world.secrets().get("my-app").await?.metadata.resource_version;
    ensure_eq(after, before, "the version of the published Secret")?;
    operator.stop().await
}

/// There is no known way to change it back (F24, F25).
async fn a_name_changed_in_the_app_is_told_and_changes_nothing(world: Arc<World>) -> Outcome {
    let (operator, client) = at_rest(&world, &world.manifest("my-app", &json!({}))).await?;
    let rename = |name: &str| {
        world.sandbox.with(|bank| {
            if let Some(client) = bank.client_mut(client) {
                client.display_name = Some(name.to_owned());
            }
        });
    };

    rename("Renamed In The App");
    operator.let_pass(A_RESYNC).await?;
    let differs = |object: &Value| condition(object, "DisplayNameSynced")["status"] == "False";
    let object = world.until("my-app", "told of the name", differs).await?;
    let message = condition(&object, "DisplayNameSynced")["message"].as_str().unwrap_or_default();
    ensure(message.contains("Renamed In The App"), || format!("the message does not show the name: {message}"))?;
    ensure(is_ready(&object), || "it is no longer Ready".to_owned())?;

    rename("My Cool App");
    operator.let_pass(A_RESYNC).await?;
    let is_as_declared = |object: &Value| condition(object, "DisplayNameSynced")["status"] == "True";
    world.until("my-app", "told of the old name", is_as_declared).await?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    operator.stop().await
}

/// It is somebody else's, until the manifest says that nobody else has a say (F25).
async fn a_url_added_in_the_app_stays_until_pruning_is_declared(world: Arc<World>) -> Outcome {
    let (operator, client) = at_rest(&world, &world.manifest("my-app", &json!({}))).await?;
    let add = || world.sandbox.with(|bank| bank.add_url_by_hand(client, FOREIGN));

    add();
    operator.let_pass(A_RESYNC).await?;
    ensure_eq(urls(&world, client), [FIRST, FOREIGN], "the URLs at the bank")?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;

    let pruned = world.apply_ready(&world.manifest("my-app", &json!({"pruneRedirectUrls": true}))).await?;
    ensure_eq(urls(&world, client), [FIRST], "the URLs after pruning was declared")?;
    ensure_eq(pruned["status"]["redirectUrls"].as_array().map(Vec::len), Some(1), "URLs in the status")?;
    add();
    operator.let_pass(A_RESYNC).await?;
    ensure_eq(urls(&world, client), [FIRST], "the URLs after one more was added")?;
    ensure_eq(count(&world, REMOVALS), 2, "URLs removed")?;
    ensure_eq(world.sandbox.mutations().len(), 2, "changes at the bank")?;
    operator.stop().await
}

/// A bank may hold one URL twice, because a lost request arrived late after all: when the manifest gives it
/// up, both entries go (F02, F24).
async fn a_url_that_is_registered_twice_goes_twice(world: Arc<World>) -> Outcome {
    let (operator, client) = at_rest(&world, &world.manifest("my-app", &json!({}))).await?;
    world.sandbox.with(|bank| bank.add_url_by_hand(client, FIRST));

    world.apply_ready(&world.manifest("my-app", &json!({"redirectUrl": SECOND}))).await?;
    operator.settle().await?;

    ensure_eq(urls(&world, client), [SECOND], "the URLs at the bank")?;
    ensure_eq(count(&world, REMOVALS), 2, "URLs removed")?;
    operator.stop().await
}

/// Three repairs within an hour are enough; then somebody has to say who is right (F25, F40).
async fn a_value_that_somebody_keeps_undoing_is_left_alone_until_a_request(world: Arc<World>) -> Outcome {
    let declared = json!({"additionalRedirectUrls": [SECOND], "resyncInterval": "5m"});
    let (operator, client) = at_rest(&world, &world.manifest("my-app", &declared)).await?;
    let undo = || world.sandbox.with(|bank| bank.remove_url_by_hand(client, SECOND));

    for repair in 1..=3 {
        undo();
        operator.let_pass(FIVE_MINUTES).await?;
        ensure_eq(urls(&world, client), [FIRST, SECOND], &format!("the URLs after repair {repair}"))?;
        ensure_eq(count(&world, ADDITIONS), repair, "URLs added")?;
    }
    undo();
    operator.let_pass(FIVE_MINUTES).await?;
    let object = world.reason("my-app", "DriftContested").await?;
    let message = condition(&object, "Ready")["message"].as_str().unwrap_or_default();
    for wanted in [SECOND, "three times within an hour", "Find the other writer", REQUESTED_AT] {
        ensure(message.contains(wanted), || format!("the message lacks {wanted:?}: {message}"))?;
    }
    for _ in 0..6 {
        operator.let_pass(FIVE_MINUTES).await?;
    }
    ensure_eq(urls(&world, client), [FIRST], "the URLs while it is contested")?;
    ensure_eq(world.sandbox.mutations().len(), 3, "changes at the bank")?;

    world.annotate("my-app", REQUESTED_AT, "1").await?;
    world.ready("my-app").await?;
    ensure_eq(urls(&world, client), [FIRST, SECOND], "the URLs after the request")?;
    ensure_eq(world.sandbox.mutations().len(), 4, "changes at the bank")?;
    operator.stop().await
}

/// Whoever wrote last is right, and each of their writes adds one URL and removes one (F13).
async fn two_managers_who_fight_over_the_manifest_cost_one_change_each_time(world: Arc<World>) -> Outcome {
    const WRITES: usize = 10;
    let (operator, client) = at_rest(&world, &world.manifest("my-app", &json!({}))).await?;

    for write in 1..=WRITES {
        let (manager, url) = if write % 2 == 0 { ("even", FIRST) } else { ("odd", SECOND) };
        let manifest = world.manifest("my-app", &json!({"redirectUrl": url}));
        let params = PatchParams::apply(manager).force();
        world.objects().patch("my-app", &params, &Patch::Apply(&manifest)).await?;
        // The rhythm of two controllers that watch each other.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    operator.settle().await?;

    world.ready("my-app").await?;
    ensure_eq(urls(&world, client), [FIRST], "the URLs at the bank")?;
    let (added, removed) = (count(&world, ADDITIONS), count(&world, REMOVALS));
    ensure(added <= WRITES && removed <= WRITES, || format!("{added} URLs added, {removed} removed"))?;
    ensure_eq(world.sandbox.mutations().len(), added + removed, "changes at the bank")?;
    world.sandbox.clear_calls();
    let before = world.object("my-app").await?["metadata"]["resourceVersion"].clone();
    operator.let_pass(A_RESYNC).await?;
    ensure_eq(world.sandbox.calls().len(), 1, "calls at the next resync")?;
    ensure_eq(&world.object("my-app").await?["metadata"]["resourceVersion"], &before, "the version of the manifest")?;
    operator.stop().await
}
