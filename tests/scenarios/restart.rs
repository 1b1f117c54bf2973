//! What an operator leaves behind serves the next one; what others spoil it repairs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kube::api::{Patch, PatchParams};
use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{Outcome, World, ensure, ensure_eq};

use crate::stage::{Stage, scenarios};

/// "Back within 1 s."
const ONE_SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(5);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "restart":
        killed_and_restarted_it_shakes_no_hands_and_writes_nothing,
        a_deleted_secret_is_back_within_a_second_without_the_bank,
        a_hand_edited_secret_is_repaired_without_the_bank,
        asked_to_end_it_ends_in_order,
        edited_while_it_was_down_the_manifest_is_caught_up_with,
    )
}

async fn killed_and_restarted_it_shakes_no_hands_and_writes_nothing(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    world.event("my-app", "Synced").await?;
    world.kill_operator().await?;
    world.sandbox.clear_calls();
    let trail = world.audit_trail()?;

    world.start_operator().await?;
    world.until_passes(0).await?;
    // What follows from a pass would follow at once.
    tokio::time::sleep(Duration::from_millis(500)).await;

    let asked: Vec<_> = world.sandbox.calls().iter().map(|call| (call.method.clone(), call.template)).collect();
    let reads = |(method, template): &(String, &str)| method == "GET" && template.starts_with("user/{u}/oauth-client/");
    ensure(asked.iter().all(reads) && asked.len() <= 1, || format!("the bank was asked {asked:?}"))?;
    ensure_eq(trail.writes_of(&world.operator_user())?, Vec::<String>::new(), "writes to Kubernetes")?;
    ensure(trail.count_of(&world.operator_user())? > 0, || "the audit log knows nothing of the operator".to_owned())
}

async fn a_deleted_secret_is_back_within_a_second_without_the_bank(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secret("my-app").await?;
    world.sandbox.clear_calls();

    world.delete_secret("my-app").await?;
    world.secret_until("my-app", ONE_SECOND, |data| *data == before).await?;

    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")
}

async fn a_hand_edited_secret_is_repaired_without_the_bank(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secret("my-app").await?;
    world.sandbox.clear_calls();

    let edit = Patch::Merge(json!({"stringData": {"client_secret": "edited", "redirect_uri": "edited"}}));
    world.secrets().patch("my-app", &PatchParams::default(), &edit).await?;
    world.secret_until("my-app", SOON, |data| *data == before).await?;

    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")
}

async fn asked_to_end_it_ends_in_order(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    let since = Instant::now();
    world.stop_operator().await?;

    ensure(since.elapsed() < SOON, || format!("it took {:?}", since.elapsed()))
}

async fn edited_while_it_was_down_the_manifest_is_caught_up_with(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    world.kill_operator().await?;
    world.sandbox.clear_calls();
    world.delete_secret("my-app").await?;
    let elsewhere = world.manifest("my-app", &json!({"redirectUrl": "https://myapp.com/elsewhere"}));
    world.apply(&elsewhere).await?;

    world.start_operator().await?;
    world.ready("my-app").await?;

    let published = world.secret("my-app").await?;
    ensure_eq(published["redirect_uri"].as_str(), "https://myapp.com/elsewhere", "redirect_uri")?;
    let handshakes = ["installation", "device-server", "session-server", "user/{u}/oauth-client"];
    let count: usize = handshakes.iter().map(|template| world.sandbox.count("POST", template)).sum();
    ensure_eq(count, 0, "handshake calls, sessions and clients created")?;
    ensure_eq(world.sandbox.with(|bank| bank.active_clients(user.id).len()), 1, "ACTIVE clients")
}
