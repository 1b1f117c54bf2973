//! What a person asks for: a pass now, or none at all.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{
    Outcome, World, ensure_eq,
    world::{condition, ready_reason},
};

use crate::stage::{Stage, scenarios};

const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "requests":
        a_requested_pass_reads_the_client_once_and_is_acknowledged,
        suspended_from_birth_nothing_is_sent_and_nothing_is_published,
        while_suspended_the_client_and_its_secret_stay_as_they_are,
    )
}

async fn a_requested_pass_reads_the_client_once_and_is_acknowledged(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    world.sandbox.clear_calls();

    world.annotate("my-app", REQUESTED_AT, "2026-01-01T00:00:00Z").await?;
    let handled = |object: &serde_json::Value| object["status"]["lastHandledReconcileAt"] == "2026-01-01T00:00:00Z";
    let object = world.until("my-app", "handled", handled).await?;

    ensure_eq(ready_reason(&object), "Synced", "the reason of Ready")?;
    let asked: Vec<_> = world.sandbox.calls().iter().map(|call| (call.method.clone(), call.template)).collect();
    ensure_eq(asked, [("GET".to_owned(), "user/{u}/oauth-client/{c}")], "calls to the bank")
}

async fn suspended_from_birth_nothing_is_sent_and_nothing_is_published(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;

    let object = world.apply_reason(&world.manifest("my-app", &json!({"suspend": true})), "Suspended").await?;

    ensure_eq(&condition(&object, "Ready")["status"], &json!("False"), "Ready")?;
    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;
    ensure_eq(world.secret_if_any("my-app").await?.is_some(), false, "a Secret")?;
    world.apply_ready(&world.manifest("my-app", &json!({"suspend": false}))).await.map(drop)
}

async fn while_suspended_the_client_and_its_secret_stay_as_they_are(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secrets().get("my-app").await?.metadata.resource_version;
    world.sandbox.clear_calls();

    let elsewhere = json!({"suspend": true, "redirectUrl": "https://myapp.com/elsewhere"});
    let passes = world.passes().await?;
    world.apply(&world.manifest("my-app", &elsewhere)).await?;
    world.until_passes(passes).await?;

    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;
    let after = world.secrets().get("my-app").await?.metadata.resource_version;
    ensure_eq(after, before, "the version of the Secret")?;
    world.apply_ready(&world.manifest("my-app", &json!({"redirectUrl": "https://myapp.com/elsewhere"}))).await.map(drop)
}
