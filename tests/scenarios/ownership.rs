//! One bunq user, one manifest, whatever comes and goes (D8, S3).

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bunq_oauth_operator::api::BunqOAuthClient;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, PropagationPolicy},
};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::harness::{
    Outcome, World, deployment, ensure, ensure_eq,
    history::History,
    world::{KEY_SECRET, condition, is_ready, ready_reason},
};

use crate::stage::{Stage, scenarios};

const NAMESPACES: usize = 4;
const EACH: usize = 25;
const ALL: usize = NAMESPACES * EACH;
/// Half a minute for a hundred first visits on a busy machine, and as much again.
const PATIENCE: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_secs(5);
/// Moments at which an owner goes, four milliseconds apart.
const ROUNDS: u32 = 20;
/// The garbage collector learns of a new kind of owner within half a minute of its definition; from
/// then on it needs a second.
const COLLECTED: Duration = Duration::from_secs(90);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "ownership":
        of_a_hundred_manifests_of_one_user_one_wins_and_the_others_send_nothing,
        the_next_one_takes_over_within_five_seconds_with_the_same_pair,
        an_owner_that_went_while_the_operator_was_down_is_succeeded,
        whoever_is_being_told_while_the_owner_goes_is_not_forgotten,
        a_manifest_made_again_never_takes_the_secret_of_its_namesake,
        a_manifest_made_again_while_the_operator_was_down_ends_with_a_secret_of_its_own,
        a_manifest_with_the_policy_cancel_made_again_ends_with_a_new_client,
    )
}

/// The manifests of one namespace.
fn manifests(world: &World, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(world.admin(), namespace, &ApiResource::erase::<BunqOAuthClient>(&()))
}

/// Every manifest of these namespaces, as the API server has it now.
async fn everything(world: &World, namespaces: &[String]) -> Outcome<Vec<Value>> {
    let mut objects = Vec::new();
    for namespace in namespaces {
        for object in manifests(world, namespace).list(&kube::api::ListParams::default()).await? {
            objects.push(serde_json::to_value(object)?);
        }
    }
    Ok(objects)
}

/// Waits until one manifest is Ready and all others were told that it is not theirs.
async fn until_one_has_won(world: &World, namespaces: &[String], all: usize, within: Duration) -> Outcome<Vec<Value>> {
    let since = Instant::now();
    loop {
        let objects = everything(world, namespaces).await?;
        let won = objects.iter().filter(|object| is_ready(object)).count();
        let lost = objects.iter().filter(|object| ready_reason(object) == "UserAlreadyClaimed").count();
        if (won, lost, objects.len()) == (1, all - 1, all) {
            return Ok(objects);
        }
        ensure(since.elapsed() < within, || format!("after {within:?} {won} of {all} have won and {lost} lost"))?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The UIDs that ever stood in the claim, in order, each once.
async fn owners(claims: &History) -> Outcome<Vec<String>> {
    let mut owners: Vec<String> = Vec::new();
    for version in claims.versions().await? {
        let Some(owner) = version.object["data"]["owner"].as_str() else { continue };
        let owner: Value = serde_json::from_str(owner)?;
        owners.push(owner["uid"].as_str().unwrap_or_default().to_owned());
    }
    owners.dedup();
    Ok(owners)
}

/// What the bank was asked, without ids.
fn asked(world: &World) -> Vec<(String, &'static str)> {
    world.sandbox.calls().into_iter().map(|call| (call.method, call.template)).collect()
}

/// There is exactly one winner, for good, and nobody else spoke to the bank (F32, S3).
async fn of_a_hundred_manifests_of_one_user_one_wins_and_the_others_send_nothing(world: Arc<World>) -> Outcome {
    // What one manifest alone asks of the bank.
    let alone = world.another_cluster().await?;
    let played = async {
        alone.user().await?;
        alone.start_operator().await?;
        alone.apply_ready(&alone.manifest("alone", &json!({}))).await.map(drop)
    };
    let played = played.await;
    alone.finish(played).await?;
    let usual = asked(&world);
    world.sandbox.clear_calls();

    let user = world.user().await?;
    let mut namespaces = vec![world.namespace.clone()];
    for number in 1..NAMESPACES {
        let namespace = world.another_namespace(&number.to_string()).await?;
        let key = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": KEY_SECRET, "namespace": namespace},
            "stringData": {"api-key": user.api_key},
        });
        deployment::apply(&world.admin(), &key).await?;
        namespaces.push(namespace);
    }
    let more: Vec<&str> = namespaces[1..].iter().flat_map(|it| ["--watch-namespace", it]).collect();
    world.start_operator_with(&more).await?;
    let claims = History::of(world.admin(), "ConfigMap", &world.operator_namespace).await?;
    let mut applied = Vec::new();
    for number in 0..EACH {
        for namespace in &namespaces {
            let mut manifest = world.manifest(&format!("app-{number}"), &json!({}));
            manifest["metadata"]["namespace"] = json!(namespace);
            let admin = world.admin();
            applied.push(tokio::spawn(async move { deployment::apply(&admin, &manifest).await.map(drop) }));
        }
    }
    for applied in applied {
        applied.await??;
    }

    let objects = until_one_has_won(&world, &namespaces, ALL, PATIENCE).await?;
    ensure_eq(asked(&world), usual, "calls to the bank")?;
    let losers: Vec<&Value> = objects.iter().filter(|object| !is_ready(object)).collect();
    for loser in &losers {
        let message = condition(loser, "Ready")["message"].as_str().unwrap_or_default();
        ensure_eq(&condition(loser, "Stalled")["status"], &json!("True"), "Stalled")?;
        ensure(!message.contains("shop-") && !message.contains("app-"), || format!("it names another: {message}"))?;
    }
    // Everybody asks once more.
    let passes = world.passes().await?;
    for object in &objects {
        let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "1"}}});
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let patch = kube::api::Patch::Merge(&patch);
        manifests(&world, namespace).patch(name, &kube::api::PatchParams::default(), &patch).await?;
    }
    world.until_passes(passes + ALL as u64 - 1).await?;
    until_one_has_won(&world, &namespaces, ALL, PATIENCE).await?;

    ensure_eq(owners(&claims).await?.len(), 1, "owners that the claim ever had")?;
    ensure_eq(world.sandbox.mutations().len(), 1, "changes at the bank")?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")?;
    ensure_eq(world.contexts().await?.len(), 1, "contexts")?;
    let mut secrets = 0;
    for namespace in &namespaces {
        let api: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(world.admin(), namespace);
        secrets += api.list(&kube::api::ListParams::default()).await?.items.len();
    }
    ensure_eq(secrets, NAMESPACES + 1, "Secrets: one key in each namespace and one that is published")
}

/// Ten manifests of one user; the name of the winner.
async fn ten_manifests(world: &World) -> Outcome<String> {
    for number in 0..10 {
        world.apply(&world.manifest(&format!("app-{number}"), &json!({}))).await?;
    }
    winner(world, 10, PATIENCE).await
}

async fn winner(world: &World, all: usize, within: Duration) -> Outcome<String> {
    let objects = until_one_has_won(world, std::slice::from_ref(&world.namespace), all, within).await?;
    let won = objects.iter().find(|object| is_ready(object));
    Ok(won.and_then(|object| object["metadata"]["name"].as_str()).unwrap_or_default().to_owned())
}

/// Waits until any manifest is Ready.
async fn until_any_is_ready(world: &World, within: Duration) -> Outcome<String> {
    let since = Instant::now();
    loop {
        let objects = everything(world, std::slice::from_ref(&world.namespace)).await?;
        if let Some(won) = objects.iter().find(|object| is_ready(object)) {
            return Ok(won["metadata"]["name"].as_str().unwrap_or_default().to_owned());
        }
        ensure(since.elapsed() < within, || format!("nobody was Ready within {within:?}"))?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The hand-over after a deletion: the client stays, and so do its credentials (F32).
async fn the_next_one_takes_over_within_five_seconds_with_the_same_pair(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    let mut owner = ten_manifests(&world).await?;
    let pair = world.secret(&owner).await?;
    world.sandbox.clear_calls();

    let mut seen = BTreeSet::from([owner.clone()]);
    for left in (7..10).rev() {
        world.delete(&owner).await?;
        world.gone(&owner).await?;
        owner = until_any_is_ready(&world, SOON).await?;
        ensure(seen.insert(owner.clone()), || format!("{owner} was there before"))?;
        ensure(world.secret(&owner).await? == pair, || "the credentials changed".to_owned())?;
        ensure_eq(winner(&world, left, PATIENCE).await?, owner.as_str(), "the one winner")?;
    }
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")
}

/// Nobody saw the deletion; the sweep at the start finds the claim (D9, F32).
async fn an_owner_that_went_while_the_operator_was_down_is_succeeded(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    let owner = ten_manifests(&world).await?;
    let pair = world.secret(&owner).await?;
    world.stop_operator().await?;
    world.delete(&owner).await?;
    world.gone(&owner).await?;
    world.sandbox.clear_calls();

    world.start_operator().await?;
    let heir = until_any_is_ready(&world, SOON).await?;

    ensure(heir != owner, || "the owner is back".to_owned())?;
    ensure(world.secret(&heir).await? == pair, || "the credentials changed".to_owned())?;
    ensure_eq(winner(&world, 9, PATIENCE).await?, heir, "the one winner")?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")
}

/// At every moment between its first visit and its status the owner may go: the one who waits still
/// hears of it (F32, L3).
async fn whoever_is_being_told_while_the_owner_goes_is_not_forgotten(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("app-0", &json!({}))).await?;

    for round in 1..=ROUNDS {
        let (owner, heir) = (format!("app-{}", round - 1), format!("app-{round}"));
        world.apply(&world.manifest(&heir, &json!({}))).await?;
        tokio::time::sleep(Duration::from_millis(4) * round).await;
        world.delete(&owner).await?;
        world.ready_within(&heir, SOON).await?;
    }

    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")?;
    ensure_eq(world.sandbox.mutations().len(), 1, "changes at the bank")
}

/// The UID of the object that controls a Secret.
async fn controller(world: &World, secret: &str) -> Outcome<String> {
    let owners = world.secrets().get(secret).await?.metadata.owner_references.unwrap_or_default();
    Ok(owners.into_iter().find(|owner| owner.controller == Some(true)).map(|owner| owner.uid).unwrap_or_default())
}

/// Waits until the manifest is Ready with a Secret that is its own; what its namesake had is not
/// written by anybody meanwhile.
async fn is_ready_on_its_own(world: &World, secrets: &History, old: &Value) -> Outcome {
    let since = Instant::now();
    let again = loop {
        let object = world.object("my-app").await?;
        if object["metadata"]["uid"] != old["metadata"]["uid"] && is_ready(&object) {
            break object;
        }
        ensure(since.elapsed() < COLLECTED, || format!("it was {:?} after {COLLECTED:?}", ready_reason(&object)))?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let uid = again["metadata"]["uid"].as_str().unwrap_or_default();
    ensure_eq(controller(world, "my-app").await?, uid, "the controller of the Secret")?;
    for version in secrets.versions().await?.iter().filter(|version| version.name == "my-app" && !version.is_gone) {
        let owners = version.object["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len);
        ensure_eq(owners, 1, "owners of the Secret in each of its versions")?;
    }
    Ok(())
}

/// The old Secret is there until the garbage collector comes: it is never taken for ours (F06, S5).
async fn a_manifest_made_again_never_takes_the_secret_of_its_namesake(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    let manifest = world.manifest("my-app", &json!({}));
    let mut old = world.apply_ready(&manifest).await?;
    let pair = world.secret("my-app").await?;
    let secrets = History::of(world.admin(), "Secret", &world.namespace).await?;

    for _ in 0..3 {
        world.delete("my-app").await?;
        world.apply(&manifest).await?;
        is_ready_on_its_own(&world, &secrets, &old).await?;
        ensure(world.secret("my-app").await? == pair, || "the credentials changed".to_owned())?;
        old = world.object("my-app").await?;
    }
    // Left behind on purpose (`--cascade=orphan`) it is nobody's: a person says what becomes of it.
    world
        .objects()
        .delete(
            "my-app",
            &DeleteParams { propagation_policy: Some(PropagationPolicy::Orphan), ..DeleteParams::default() },
        )
        .await?;
    world.gone("my-app").await?;
    world.apply_reason(&manifest, "SecretNotOwned").await?;
    ensure_eq(controller(&world, "my-app").await?, "", "the controller of the orphan")?;
    world.delete_secret("my-app").await?;
    world.ready("my-app").await?;
    ensure(world.secret("my-app").await? == pair, || "the credentials changed".to_owned())?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")?;
    ensure_eq(world.sandbox.mutations().len(), 1, "changes at the bank")
}

/// The same, and nobody saw it happen (F06, F07).
async fn a_manifest_made_again_while_the_operator_was_down_ends_with_a_secret_of_its_own(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    let manifest = world.manifest("my-app", &json!({}));
    let old = world.apply_ready(&manifest).await?;
    let pair = world.secret("my-app").await?;
    let secrets = History::of(world.admin(), "Secret", &world.namespace).await?;
    world.stop_operator().await?;
    world.delete("my-app").await?;
    world.gone("my-app").await?;
    world.apply(&manifest).await?;

    world.start_operator().await?;

    is_ready_on_its_own(&world, &secrets, &old).await?;
    ensure(world.secret("my-app").await? == pair, || "the credentials changed".to_owned())?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")?;
    ensure_eq(world.sandbox.mutations().len(), 1, "changes at the bank")
}

/// What was cancelled stays cancelled; the new manifest gets a client of its own (F06, S1).
async fn a_manifest_with_the_policy_cancel_made_again_ends_with_a_new_client(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    let manifest = world.manifest("my-app", &json!({"deletionPolicy": "Cancel"}));
    let old = world.apply_ready(&manifest).await?;
    let pair = world.secret("my-app").await?;
    let secrets = History::of(world.admin(), "Secret", &world.namespace).await?;

    world.delete("my-app").await?;
    world.gone("my-app").await?;
    world.apply(&manifest).await?;

    is_ready_on_its_own(&world, &secrets, &old).await?;
    ensure(world.secret("my-app").await? != pair, || "the credentials of a cancelled client".to_owned())?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 2, "clients")?;
    ensure_eq(world.sandbox.with(|bank| bank.active_clients(user.id).len()), 1, "ACTIVE clients")
}
