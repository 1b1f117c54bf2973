//! API keys that are wrong: of the other environment, refused, or another user's.

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{
    Outcome, World, ensure, ensure_eq,
    world::{KEY_SECRET, condition},
};

use crate::stage::{Stage, scenarios};

const SECONDS: Duration = Duration::from_secs(10);
const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "bad_credentials":
        a_key_of_the_other_environment_is_stopped_without_a_call,
        a_swap_of_keys_never_moves_a_client_to_production,
        a_refused_key_is_explained_and_a_new_one_heals_within_seconds,
        a_refused_key_is_tried_rarely_and_at_once_when_somebody_asks,
        a_revoked_key_leaves_the_published_secret_alone,
        the_key_of_another_user_is_stopped,
    )
}

async fn a_key_of_the_other_environment_is_stopped_without_a_call(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;

    let object = world
        .apply_reason(&world.manifest("my-app", &json!({"environment": "Production"})), "EnvironmentMismatch")
        .await?;

    ensure_eq(&condition(&object, "Stalled")["status"], &json!("True"), "Stalled")?;
    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;
    let right = world.sandbox.new_production_user();
    world.put_key(KEY_SECRET, &right.api_key).await?;
    world.ready_within("my-app", SECONDS).await.map(drop)
}

async fn a_swap_of_keys_never_moves_a_client_to_production(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secret("my-app").await?;
    world.sandbox.clear_calls();

    let other = world.sandbox.new_production_user();
    world.put_key(KEY_SECRET, &other.api_key).await?;
    world.reason("my-app", "EnvironmentMismatch").await?;

    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;
    ensure(world.secret("my-app").await? == before, || "the Secret changed".to_owned())?;
    world.put_key(KEY_SECRET, &user.api_key).await?;
    world.ready_within("my-app", SECONDS).await.map(drop)
}

async fn a_refused_key_is_explained_and_a_new_one_heals_within_seconds(world: Arc<World>) -> Outcome {
    let unknown = format!("sandbox_{}", "bad0".repeat(14));
    world.bench.plant(unknown.clone());
    world.put_key(KEY_SECRET, &unknown).await?;
    world.start_operator().await?;

    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "CredentialsRejected").await?;

    ensure_eq(&condition(&object, "Stalled")["status"], &json!("True"), "Stalled")?;
    ensure_eq(&condition(&object, "CredentialsValid")["status"], &json!("False"), "CredentialsValid")?;
    let message = condition(&object, "Ready")["message"].as_str().unwrap_or_default();
    let secret = format!("{}/{KEY_SECRET}", world.namespace);
    let retry = format!("kubectl -n {} annotate boc my-app {REQUESTED_AT}=", world.namespace);
    for wanted in ["one answer for five causes", "tried: Sandbox", &secret, &retry] {
        ensure(message.contains(wanted), || format!("the message lacks {wanted:?}: {message}"))?;
    }
    world.user().await?;
    world.ready_within("my-app", SECONDS).await.map(drop)
}

async fn a_refused_key_is_tried_rarely_and_at_once_when_somebody_asks(world: Arc<World>) -> Outcome {
    let unknown = format!("sandbox_{}", "bad1".repeat(14));
    world.bench.plant(unknown.clone());
    world.put_key(KEY_SECRET, &unknown).await?;
    world.start_operator().await?;
    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "CredentialsRejected").await?;
    ensure(object["status"]["nextAttemptTime"].is_string(), || "nobody is told when it is tried again".to_owned())?;
    let attempts = || world.sandbox.count("POST", "device-server");
    let before = attempts();
    ensure(before <= 2, || format!("{before} attempts before the reason was even told"))?;

    // Neither an edit of somebody else's Secret nor time makes it try again.
    world.put_secret("unrelated", &[("a", "b")]).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    ensure_eq(attempts(), before, "attempts without a cause")?;

    world.annotate("my-app", REQUESTED_AT, "now").await?;
    world.until("my-app", "tried again", |object| object["status"]["lastHandledReconcileAt"] == "now").await?;
    ensure_eq(attempts(), before + 1, "attempts when asked")
}

async fn a_revoked_key_leaves_the_published_secret_alone(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secrets().get("my-app").await?.metadata.resource_version;

    world.sandbox.with(|bank| bank.revoke_key(&user.api_key));
    world.annotate("my-app", REQUESTED_AT, "1").await?;
    world
        .until("my-app", "told of it", |object| {
            condition(object, "CredentialsValid")["reason"] == "CredentialsRejected"
        })
        .await?;

    let after = world.secrets().get("my-app").await?.metadata.resource_version;
    ensure_eq(after, before, "the version of the published Secret")?;
    let another = world.sandbox.new_key(user.id);
    world.put_key(KEY_SECRET, &another).await?;
    world.ready_within("my-app", SECONDS).await?;
    ensure_eq(world.sandbox.count("POST", "user/{u}/oauth-client"), 1, "clients created")
}

async fn the_key_of_another_user_is_stopped(world: Arc<World>) -> Outcome {
    let first = world.user().await?;
    world.start_operator().await?;
    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let client_id = object["status"]["clientId"].as_str().unwrap_or_default().to_owned();

    let other = world.user().await?;
    let object = world.reason("my-app", "UserChanged").await?;

    let message = condition(&object, "Ready")["message"].as_str().unwrap_or_default();
    ensure(message.contains(&client_id), || format!("the message does not say how to go on: {message}"))?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(other.id).len()), 0, "clients of the other user")?;
    world.put_key(KEY_SECRET, &first.api_key).await?;
    world.ready_within("my-app", SECONDS).await?;
    ensure_eq(world.sandbox.count("POST", "user/{u}/oauth-client"), 1, "clients created")
}
