//! What becomes of the published Secret under other people's hands: what an app mounts is at every
//! moment nothing, or a whole and genuine pair (D12, F27, F28, S4, S5).

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::ResourceExt as _;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{
        Outcome, World, deployment, ensure, ensure_eq,
        pair_watch::PairWatch,
        world::{is_ready, ready_reason},
    },
    sandbox::{Fault, FaultKind, User, behaviour::SecretShown},
};

use crate::stage::{Stage, scenarios};

/// "Restored within 5 s" (F27).
const SOON: Duration = Duration::from_secs(5);
const ROUNDS: usize = 5;
/// How late an answer of the bank is while somebody else is faster.
const LATE: Duration = Duration::from_secs(2);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "secret_care":
        every_edit_is_restored_within_five_seconds_without_the_bank,
        a_secret_without_its_owner_reference_is_nobodys_to_write,
        a_secret_that_another_controller_took_over_is_never_touched_again,
        a_secret_of_another_type_is_left_alone_and_no_client_is_made_for_it,
        an_immutable_secret_serves_until_it_has_to_change,
        whoever_makes_the_secret_at_the_very_moment_keeps_it,
        a_secret_that_the_bank_no_longer_shows_is_restored_from_memory,
        after_a_restart_an_intact_secret_is_left_as_it_is,
        after_a_restart_a_damaged_secret_is_never_taken_for_the_truth,
    )
}

/// Everything about a Secret that the operator answers for.
type Shape = (
    BTreeMap<String, Vec<u8>>,
    BTreeMap<String, String>,
    BTreeMap<String, String>,
    Vec<OwnerReference>,
    Option<String>,
);

fn shape(secret: &Secret) -> Shape {
    let data = secret.data.clone().unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
    let (labels, annotations) = (secret.labels().clone(), secret.annotations().clone());
    (data, labels, annotations, secret.owner_references().to_vec(), secret.type_.clone())
}

async fn until_restored(world: &World, wanted: &Shape, after: &str) -> Outcome {
    let since = Instant::now();
    loop {
        if world.secrets().get_opt("my-app").await?.is_some_and(|secret| shape(&secret) == *wanted) {
            return Ok(());
        }
        ensure(since.elapsed() < SOON, || format!("it was not restored within {SOON:?} after {after}"))?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A published manifest, whose Secret is watched.
async fn published(world: &World) -> Outcome<(User, Secret)> {
    let user = world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    world.sandbox.clear_calls();
    Ok((user, world.secrets().get("my-app").await?))
}

/// Every way to spoil the Secret that leaves it ours.
fn edits(secret: &Secret) -> Vec<(String, Value)> {
    let mut edits = vec![
        ("its emptying".to_owned(), json!({"data": null})),
        ("the loss of its labels".to_owned(), json!({"metadata": {"labels": null}})),
        ("the loss of its annotations".to_owned(), json!({"metadata": {"annotations": null}})),
        ("an edit of its owner reference".to_owned(), {
            let mut owners = json!(secret.owner_references());
            owners[0]["name"] = json!("somebody");
            json!({"metadata": {"ownerReferences": owners}})
        }),
    ];
    for key in secret.data.iter().flat_map(BTreeMap::keys) {
        edits.push((format!("an edit of {key}"), json!({"stringData": {key.as_str(): "edited"}})));
        edits.push((format!("a blank {key}"), json!({"stringData": {key.as_str(): ""}})));
        edits.push((format!("the loss of {key}"), json!({"data": {key.as_str(): null}})));
    }
    for label in secret.labels().keys() {
        edits.push((format!("an edit of {label}"), json!({"metadata": {"labels": {label.as_str(): "edited"}}})));
    }
    edits
}

/// Each edit, and the deletion, in several rounds (F27).
async fn every_edit_is_restored_within_five_seconds_without_the_bank(world: Arc<World>) -> Outcome {
    let (user, secret) = published(&world).await?;
    let wanted = shape(&secret);
    let watch = PairWatch::start(&world).await?;
    let edits = edits(&secret);
    ensure(edits.len() > 25, || format!("only {} edits", edits.len()))?;

    for _ in 0..ROUNDS {
        for (what, patch) in &edits {
            watch.edit("my-app", patch).await?;
            until_restored(&world, &wanted, what).await?;
        }
        world.delete_secret("my-app").await?;
        until_restored(&world, &wanted, "its deletion").await?;
    }

    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;
    ensure(is_ready(&world.object("my-app").await?), || "it is no longer Ready".to_owned())?;
    let judged = watch.verdict(user.id).await?;
    ensure(judged > ROUNDS * edits.len(), || format!("only {judged} versions were judged"))
}

/// Ours is what names us as its controller, nothing else (S5).
async fn a_secret_without_its_owner_reference_is_nobodys_to_write(world: Arc<World>) -> Outcome {
    let (user, secret) = published(&world).await?;
    let watch = PairWatch::start(&world).await?;

    let taken = watch.edit("my-app", &json!({"metadata": {"ownerReferences": null}, "data": {"type": null}})).await?;
    world.reason("my-app", "SecretNotOwned").await?;
    watch.ensure_untouched(&taken).await?;

    watch.edit("my-app", &json!({"metadata": {"ownerReferences": secret.owner_references()}})).await?;
    world.ready_within("my-app", SOON).await?;
    until_restored(&world, &shape(&secret), "the return of its owner reference").await?;

    watch.edit("my-app", &json!({"metadata": {"ownerReferences": null}})).await?;
    world.reason("my-app", "SecretNotOwned").await?;
    world.delete_secret("my-app").await?;
    until_restored(&world, &shape(&secret), "its deletion").await?;
    world.ready_within("my-app", SOON).await?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    watch.verdict(user.id).await.map(drop)
}

/// Not by an edit of the manifest either, until somebody deletes it (F28, S5).
async fn a_secret_that_another_controller_took_over_is_never_touched_again(world: Arc<World>) -> Outcome {
    let (user, secret) = published(&world).await?;
    let watch = PairWatch::start(&world).await?;
    let taker = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "taker", "namespace": world.namespace},
    });
    let uid = deployment::apply(&world.admin(), &taker).await?.metadata.uid;
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "taker", "uid": uid, "controller": true}]);

    let theirs = watch.edit("my-app", &json!({"metadata": {"ownerReferences": owner}})).await?;
    world.reason("my-app", "SecretNotOwned").await?;
    let elsewhere = json!({"redirectUrl": "https://myapp.com/elsewhere"});
    world.apply_reason(&world.manifest("my-app", &elsewhere), "SecretNotOwned").await?;
    watch.ensure_untouched(&theirs).await?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank while there is no place for the pair")?;

    world.delete_secret("my-app").await?;
    world.ready_within("my-app", SOON).await?;
    let again = world.secret("my-app").await?;
    ensure_eq(again["redirect_uri"].as_str(), "https://myapp.com/elsewhere", "redirect_uri")?;
    ensure(shape(&secret).0["client_secret"] == again["client_secret"].as_bytes(), || "another pair".to_owned())?;
    watch.verdict(user.id).await.map(drop)
}

/// The type of a Secret cannot be changed, so one of another type is never ours (F28).
async fn a_secret_of_another_type_is_left_alone_and_no_client_is_made_for_it(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    let watch = PairWatch::start(&world).await?;
    let theirs = json!({"username": "somebody", "password": "theirs"});
    let foreign = watch.foreign("my-app", "kubernetes.io/basic-auth", &theirs).await?;
    world.start_operator().await?;

    world.apply_reason(&world.manifest("my-app", &json!({})), "SecretNotOwned").await?;
    watch.ensure_untouched(&foreign).await?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 0, "clients")?;

    world.delete_secret("my-app").await?;
    world.ready("my-app").await?;
    let published = world.secrets().get("my-app").await?;
    ensure_eq(published.type_.as_deref(), Some("servicebinding.io/oauth2"), "the type")?;
    watch.verdict(user.id).await.map(drop)
}

/// Good content is all that Ready needs; a change of it needs another Secret (F27).
async fn an_immutable_secret_serves_until_it_has_to_change(world: Arc<World>) -> Outcome {
    let (user, _) = published(&world).await?;
    let watch = PairWatch::start(&world).await?;
    let passes = world.passes().await?;

    let frozen = watch.edit("my-app", &json!({"immutable": true})).await?;
    world.until_passes(passes).await?;
    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", "1").await?;
    let object = world.until("my-app", "asked again", |it| it["status"]["lastHandledReconcileAt"] == "1").await?;
    ensure(is_ready(&object), || format!("it is {}", ready_reason(&object)))?;

    let elsewhere = world.manifest("my-app", &json!({"redirectUrl": "https://myapp.com/elsewhere"}));
    world.apply_reason(&elsewhere, "SecretImmutable").await?;
    watch.ensure_untouched(&frozen).await?;

    world.delete_secret("my-app").await?;
    world.ready_within("my-app", SOON).await?;
    let again = world.secret("my-app").await?;
    ensure_eq(again["redirect_uri"].as_str(), "https://myapp.com/elsewhere", "redirect_uri")?;
    watch.verdict(user.id).await.map(drop)
}

/// Between the look at the Secret and its creation lies the bank: whoever is faster meanwhile is
/// not overwritten (F28, S5).
async fn whoever_makes_the_secret_at_the_very_moment_keeps_it(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    let watch = PairWatch::start(&world).await?;
    world.sandbox.inject(Fault::new("GET", "user/{u}/oauth-client/{c}", FaultKind::DelayReply(LATE)));
    world.start_operator().await?;
    world.apply(&world.manifest("my-app", &json!({}))).await?;
    // The bank was asked for the client, and its answer is under way.
    let reads = || world.sandbox.calls().iter().filter(|call| call.template == "user/{u}/oauth-client/{c}").count();
    let since = Instant::now();
    while reads() == 0 {
        ensure(since.elapsed() < SOON, || "the client was not read".to_owned())?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let foreign = watch.foreign("my-app", "Opaque", &json!({"mine": "just in time"})).await?;
    world.reason("my-app", "SecretNotOwned").await?;
    watch.ensure_untouched(&foreign).await?;

    world.delete_secret("my-app").await?;
    world.ready("my-app").await?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")?;
    watch.verdict(user.id).await.map(drop)
}

/// A bank that shows the secret in the first read only.
async fn shown_once(world: &World) -> Outcome<(User, Secret)> {
    world.sandbox.behave(|bank| bank.secret_shown = SecretShown::FirstReadOnly);
    published(world).await
}

async fn a_secret_that_the_bank_no_longer_shows_is_restored_from_memory(world: Arc<World>) -> Outcome {
    let (user, secret) = shown_once(&world).await?;
    let wanted = shape(&secret);
    let watch = PairWatch::start(&world).await?;

    for (what, patch) in edits(&secret) {
        watch.edit("my-app", &patch).await?;
        until_restored(&world, &wanted, &what).await?;
    }
    world.delete_secret("my-app").await?;
    until_restored(&world, &wanted, "its deletion").await?;
    // A look at the bank, which no longer shows the secret, loses nothing.
    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", "1").await?;
    world.until("my-app", "asked again", |it| it["status"]["lastHandledReconcileAt"] == "1").await?;
    watch.edit("my-app", &json!({"data": null})).await?;
    until_restored(&world, &wanted, "a read without the secret").await?;

    ensure(is_ready(&world.object("my-app").await?), || "it is no longer Ready".to_owned())?;
    watch.verdict(user.id).await.map(drop)
}

async fn after_a_restart_an_intact_secret_is_left_as_it_is(world: Arc<World>) -> Outcome {
    let (user, secret) = shown_once(&world).await?;
    let watch = PairWatch::start(&world).await?;
    world.stop_operator().await?;

    world.start_operator().await?;
    world.until_passes(0).await?;
    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", "1").await?;
    let object = world.until("my-app", "asked again", |it| it["status"]["lastHandledReconcileAt"] == "1").await?;
    ensure(is_ready(&object), || format!("it is {}", ready_reason(&object)))?;
    watch.ensure_untouched(&secret).await?;

    // What it holds serves for a change, too.
    world.apply_ready(&world.manifest("my-app", &json!({"redirectUrl": "https://myapp.com/elsewhere"}))).await?;
    let now = world.secret("my-app").await?;
    ensure_eq(now["redirect_uri"].as_str(), "https://myapp.com/elsewhere", "redirect_uri")?;
    watch.verdict(user.id).await.map(drop)
}

/// Nobody has the pair any more: neither memory, nor the bank, nor the Secret (S4, S12).
async fn after_a_restart_a_damaged_secret_is_never_taken_for_the_truth(world: Arc<World>) -> Outcome {
    let (_, secret) = shown_once(&world).await?;
    let watch = PairWatch::start(&world).await?;
    for (number, (what, patch)) in
        [("an edited secret", json!({"stringData": {"client_secret": "edited"}})), ("no data", json!({"data": null}))]
            .into_iter()
            .enumerate()
    {
        world.stop_operator().await?;
        let damaged = watch.edit("my-app", &patch).await?;
        world.start_operator().await?;
        world.until_passes(0).await?;
        let stamp = number.to_string();
        world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", &stamp).await?;
        let object = world.until("my-app", "asked again", |it| it["status"]["lastHandledReconcileAt"] == stamp).await?;
        ensure_eq(ready_reason(&object), "ClientSecretNotShown", what)?;
        watch.ensure_untouched(&damaged).await?;
    }
    // Its owner has a copy and puts it back.
    let data: BTreeMap<&String, String> = secret
        .data
        .iter()
        .flatten()
        .map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned()))
        .collect();
    watch.edit("my-app", &json!({"stringData": data})).await?;
    world.ready_within("my-app", SOON).await.map(drop)
}
