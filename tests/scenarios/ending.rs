//! How a client ends: cancelled and back, kept, or cancelled with its manifest.

use std::{sync::Arc, time::Duration};

use bunq_oauth_operator::api::FINALIZER;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{Outcome, World, ensure, ensure_eq, world::ready_reason},
    sandbox::bank::ClientStatus,
};

use crate::stage::{Stage, scenarios};

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "ending":
        a_client_is_cancelled_and_comes_back_with_the_same_credentials,
        a_client_cancelled_by_its_owner_is_not_reactivated,
        the_policy_retain_sets_no_finalizer_and_leaves_the_bank_alone,
        the_policy_cancel_cancels_the_client_before_the_manifest_goes,
        an_adopted_client_is_cancelled_only_when_that_is_confirmed,
        a_suspended_manifest_is_deleted_without_a_call,
    )
}

/// What became of the user's client.
fn at_the_bank(world: &World, user: u64) -> Vec<ClientStatus> {
    world.sandbox.with(|bank| bank.clients_of(user).iter().map(|it| it.status).collect())
}

async fn a_client_is_cancelled_and_comes_back_with_the_same_credentials(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secret("my-app").await?;

    let cancelled = world.apply_ready(&world.manifest("my-app", &json!({"status": "CANCELLED"}))).await?;
    ensure_eq(ready_reason(&cancelled), "Cancelled", "the reason of Ready")?;
    ensure_eq(at_the_bank(&world, user.id), [ClientStatus::Cancelled], "the client at the bank")?;
    ensure_eq(&cancelled["status"]["authorizationUrl"], &Value::Null, "status.authorizationUrl")?;
    ensure(world.secret("my-app").await? == before, || "the Secret changed".to_owned())?;

    let back = world.apply_ready(&world.manifest("my-app", &json!({"status": "ACTIVE"}))).await?;
    ensure_eq(ready_reason(&back), "Synced", "the reason of Ready")?;
    ensure_eq(at_the_bank(&world, user.id), [ClientStatus::Active], "the client at the bank")?;
    ensure(world.secret("my-app").await? == before, || "the credentials changed".to_owned())
}

async fn a_client_cancelled_by_its_owner_is_not_reactivated(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let id = object["status"]["oauthClientId"].as_u64().unwrap_or_default();
    world.sandbox.clear_calls();

    world.sandbox.with(|bank| bank.cancel_by_hand(id));
    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", "1").await?;
    world.reason("my-app", "CancelledAtBank").await?;

    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure_eq(at_the_bank(&world, user.id), [ClientStatus::Cancelled], "the client at the bank")?;

    // The way out: his word becomes the manifest's, and then the manifest has another one.
    world.apply_ready(&world.manifest("my-app", &json!({"status": "CANCELLED"}))).await?;
    world.apply_ready(&world.manifest("my-app", &json!({"status": "ACTIVE"}))).await?;
    ensure_eq(at_the_bank(&world, user.id), [ClientStatus::Active], "the client at the bank")
}

async fn the_policy_retain_sets_no_finalizer_and_leaves_the_bank_alone(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    ensure_eq(&object["metadata"]["finalizers"], &Value::Null, "finalizers")?;
    world.sandbox.clear_calls();

    world.delete("my-app").await?;
    world.gone("my-app").await?;

    until_everything_is_let_go(&world).await?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure_eq(at_the_bank(&world, user.id), [ClientStatus::Active], "the client at the bank")
}

async fn the_policy_cancel_cancels_the_client_before_the_manifest_goes(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    let object = world.apply_ready(&world.manifest("my-app", &json!({"deletionPolicy": "Cancel"}))).await?;
    ensure_eq(&object["metadata"]["finalizers"], &json!([FINALIZER]), "finalizers")?;

    world.delete("my-app").await?;
    world.gone("my-app").await?;

    ensure_eq(at_the_bank(&world, user.id), [ClientStatus::Cancelled], "the client at the bank")?;
    world.event("my-app", "ClientCancelled").await?;
    until_everything_is_let_go(&world).await
}

async fn an_adopted_client_is_cancelled_only_when_that_is_confirmed(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    let id = world.sandbox.with(|bank| bank.create_by_hand(user.id, Some("Portal App"), &[]));
    let client_id = world.sandbox.with(|bank| bank.client(id).map(|it| it.client_id.clone())).unwrap_or_default();
    world.start_operator().await?;
    let manifest = world.manifest("my-app", &json!({"deletionPolicy": "Cancel"}));

    world.apply_ready(&manifest).await?;
    world.delete("my-app").await?;
    world.gone("my-app").await?;
    ensure_eq(at_the_bank(&world, user.id), [ClientStatus::Active], "the client that nobody confirmed")?;
    world.event("my-app", "ClientRetained").await?;
    until_everything_is_let_go(&world).await?;

    world.apply_ready(&manifest).await?;
    world.annotate("my-app", "bunq-operator.io/confirm-cancel", &client_id).await?;
    world.delete("my-app").await?;
    world.gone("my-app").await?;
    ensure_eq(at_the_bank(&world, user.id), [ClientStatus::Cancelled], "the confirmed client")
}

async fn a_suspended_manifest_is_deleted_without_a_call(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({"deletionPolicy": "Cancel"}))).await?;
    let suspended = world.manifest("my-app", &json!({"deletionPolicy": "Cancel", "suspend": true}));
    let passes = world.passes().await?;
    world.apply(&suspended).await?;
    world.until_passes(passes).await?;
    world.sandbox.clear_calls();

    world.delete("my-app").await?;
    world.gone("my-app").await?;

    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;
    ensure_eq(at_the_bank(&world, user.id), [ClientStatus::Active], "the client at the bank")?;
    world.event("my-app", "ClientRetained").await.map(drop)
}

/// The Secret is collected and the claim is freed. The garbage collector learns of a new kind of
/// owner within half a minute of its definition; from then on it needs a second.
async fn until_everything_is_let_go(world: &World) -> Outcome {
    for _ in 0..900 {
        if world.secret_if_any("my-app").await?.is_none() && world.claims().await?.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let claims = world.claims().await?.len();
    Err(format!("after a minute and a half there is still the Secret or a claim ({claims} claims)").into())
}
