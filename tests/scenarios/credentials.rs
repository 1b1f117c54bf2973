//! API keys that are not there yet: told apart, and healed within seconds.

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{
    Outcome, World, ensure, ensure_eq,
    world::{KEY_SECRET, condition},
};

use crate::stage::{Stage, scenarios};

/// "Healed within seconds of the fix": a handshake and its RSA key are part of it.
const SECONDS: Duration = Duration::from_secs(10);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "credentials":
        a_missing_credentials_secret_is_waited_for_and_found_within_seconds,
        a_missing_key_is_named_and_found_within_seconds,
        an_empty_key_is_told_and_its_filling_found_within_seconds,
        a_deleted_credentials_secret_leaves_the_published_one_alone,
    )
}

/// Waits for the reason, and looks whether GitOps order is no failure.
async fn waits_with(world: &World, reason: &str) -> Outcome<String> {
    let object = world.apply_reason(&world.manifest("my-app", &json!({})), reason).await?;
    let valid = condition(&object, "CredentialsValid");
    ensure_eq(&valid["status"], &json!("False"), "CredentialsValid")?;
    ensure_eq(&valid["reason"], &json!(reason), "the reason of CredentialsValid")?;
    ensure_eq(&condition(&object, "Reconciling")["status"], &json!("True"), "Reconciling")?;
    ensure(condition(&object, "Stalled").is_null(), || "it is Stalled".to_owned())?;
    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;
    Ok(condition(&object, "Ready")["message"].as_str().unwrap_or_default().to_owned())
}

async fn a_missing_credentials_secret_is_waited_for_and_found_within_seconds(world: Arc<World>) -> Outcome {
    world.start_operator().await?;

    let message = waits_with(&world, "CredentialsSecretNotFound").await?;
    let wanted = format!("{}/{KEY_SECRET}", world.namespace);
    ensure(message.contains(&wanted), || format!("the message does not name {wanted}: {message}"))?;

    world.user().await?;
    world.ready_within("my-app", SECONDS).await.map(drop)
}

async fn a_missing_key_is_named_and_found_within_seconds(world: Arc<World>) -> Outcome {
    world.put_secret(KEY_SECRET, &[("apikey", "sandbox_misplaced_key_misplaced")]).await?;
    world.start_operator().await?;

    let message = waits_with(&world, "CredentialsKeyNotFound").await?;
    ensure(message.contains("api-key"), || format!("the message does not name the key: {message}"))?;

    world.user().await?;
    world.ready_within("my-app", SECONDS).await.map(drop)
}

async fn an_empty_key_is_told_and_its_filling_found_within_seconds(world: Arc<World>) -> Outcome {
    world.put_key(KEY_SECRET, "\n").await?;
    world.start_operator().await?;

    waits_with(&world, "CredentialsKeyEmpty").await?;

    world.user().await?;
    world.ready_within("my-app", SECONDS).await.map(drop)
}

async fn a_deleted_credentials_secret_leaves_the_published_one_alone(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secrets().get("my-app").await?.metadata.resource_version;

    world.delete_secret(KEY_SECRET).await?;
    let told =
        |object: &serde_json::Value| condition(object, "CredentialsValid")["reason"] == "CredentialsSecretNotFound";
    world.until("my-app", "told of it", told).await?;

    let after = world.secrets().get("my-app").await?.metadata.resource_version;
    ensure_eq(after, before, "the version of the published Secret")?;
    world.put_key(KEY_SECRET, &user.api_key).await?;
    world.ready_within("my-app", SECONDS).await.map(drop)
}
