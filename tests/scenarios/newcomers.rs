//! The very first pass asks for less than the others do, because nothing can be there yet. Where something is there
//! all the same, nothing is lost by it (D8, F40).

use std::sync::Arc;

use kube::api::{Patch, PatchParams};
use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{Outcome, World, ensure_eq};

use crate::stage::{Stage, scenarios};

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "newcomers":
        a_manifest_that_lost_its_status_keeps_its_client,
        a_manifest_that_lost_its_status_is_not_moved_to_another_user,
        a_key_that_is_known_already_is_not_installed_again,
    )
}

async fn lose_status(world: &World, name: &str) -> Outcome {
    let patch = Patch::Merge(json!({"status": null}));
    Ok(world.objects().patch_status(name, &PatchParams::default(), &patch).await.map(drop)?)
}

async fn a_manifest_that_lost_its_status_keeps_its_client(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    let before = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    world.stop_operator().await?;
    world.sandbox.clear_calls();
    lose_status(&world, "my-app").await?;

    world.start_operator().await?;
    let after = world.ready("my-app").await?;

    ensure_eq(&after["status"]["clientId"], &before["status"]["clientId"], "the client")?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure_eq(world.sandbox.count("POST", "session-server"), 0, "sessions")?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")?;
    ensure_eq(world.claims().await?.len(), 1, "claims")
}

/// What it published tells that it was here before, so its claim is looked for.
async fn a_manifest_that_lost_its_status_is_not_moved_to_another_user(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let published = world.secret("my-app").await?;
    world.stop_operator().await?;
    let other = world.user().await?;
    lose_status(&world, "my-app").await?;

    world.start_operator().await?;
    world.reason("my-app", "UserChanged").await?;

    ensure_eq(world.sandbox.with(|bank| bank.clients_of(other.id).len()), 0, "clients of the other user")?;
    ensure_eq(world.secret("my-app").await?, published, "the published Secret")?;
    ensure_eq(world.claims().await?.len(), 1, "claims")
}

/// A manifest goes and comes back under another name, while the operator runs and after a restart.
async fn a_key_that_is_known_already_is_not_installed_again(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("first", &json!({}))).await?;
    world.sandbox.clear_calls();

    world.delete("first").await?;
    world.gone("first").await?;
    world.apply_ready(&world.manifest("second", &json!({}))).await?;
    world.delete("second").await?;
    world.gone("second").await?;
    world.kill_operator().await?;
    world.apply(&world.manifest("third", &json!({}))).await?;
    world.start_operator().await?;
    world.ready("third").await?;

    let handshakes = ["installation", "device-server", "session-server"];
    let count: usize = handshakes.iter().map(|template| world.sandbox.count("POST", template)).sum();
    ensure_eq(count, 0, "handshake calls and sessions")?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")
}
