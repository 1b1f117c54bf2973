//! Reasons that pass by waiting: nobody does anything, and the object becomes Ready.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq,
        world::{condition, is_ready},
    },
    sandbox::{Fault, FaultKind, behaviour::Cancel},
};

use super::ensure_says;
use crate::stage::{Stage, scenarios};

/// The longest back-off, and a little more.
const LONGEST_BACK_OFF: Duration = Duration::from_mins(11);
const ONE_CLIENT: &str = "user/{u}/oauth-client/{c}$";

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "reasons":
        a_session_that_has_its_turn_later_is_announced_with_its_time,
        a_new_manifest_waits_for_a_bank_that_is_away,
        answers_without_a_signature_are_waited_out,
        a_client_that_the_bank_does_not_show_yet_is_waited_for,
        a_cancellation_under_way_is_waited_for_before_the_client_comes_back,
    )
}

async fn a_session_that_has_its_turn_later_is_announced_with_its_time(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process_within_limits().await?;
    let first = world.join(0).await?;
    world.ready(&first.name).await?;
    ensure_eq(operator.sum_of("bunq_limiter_waits_total"), 0, "calls put off before anybody waits")?;

    let second = world.join(1).await?;
    let object = world.reason(&second.name, "WaitingForBankLimit").await?;

    ensure_says(&object, &["POST session-server", "waits for its turn", "goes on by itself"])?;
    ensure_eq(&condition(&object, "Reconciling")["status"], &json!("True"), "Reconciling")?;
    let due: Timestamp = object["status"]["nextAttemptTime"].as_str().ok_or("no nextAttemptTime")?.parse()?;
    let wait = due.duration_since(Timestamp::now()).as_secs();
    ensure((0..=34).contains(&wait), || format!("the next attempt is {wait} s away"))?;
    ensure(operator.sum_of("bunq_limiter_waits_total") > 0, || "no metric tells of the wait".to_owned())?;

    operator.let_pass(Duration::from_secs(34)).await?;
    let object = world.ready(&second.name).await?;
    ensure_eq(&object["status"]["nextAttemptTime"], &Value::Null, "nextAttemptTime of an object that is Ready")?;
    operator.stop().await
}

async fn a_new_manifest_waits_for_a_bank_that_is_away(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process().await?;
    world.sandbox.inject(Fault::new("*", "", FaultKind::Html(503)).forever());

    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "BankUnavailable").await?;
    ensure_eq(&condition(&object, "Ready")["status"], &json!("Unknown"), "Ready")?;
    ensure_says(&object, &["by itself"])?;

    world.sandbox.clear_faults();
    operator.let_pass(LONGEST_BACK_OFF).await?;
    world.ready("my-app").await?;
    operator.stop().await
}

async fn answers_without_a_signature_are_waited_out(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process().await?;
    world.sandbox.inject(Fault::new("GET", "user/{u}/oauth-client", FaultKind::MissingSignature).forever());

    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "BankAnswerUnverified").await?;
    ensure_says(&object, &["signature", "by itself"])?;

    world.sandbox.clear_faults();
    operator.let_pass(LONGEST_BACK_OFF).await?;
    world.ready("my-app").await?;
    operator.stop().await
}

/// It was just created and is not read yet: not a client that vanished, and no reason for a second.
async fn a_client_that_the_bank_does_not_show_yet_is_waited_for(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process().await?;
    let not_found = FaultKind::Status(404, "Oauth client was not found.".to_owned());
    world.sandbox.inject(Fault::new("GET", ONE_CLIENT, not_found).forever());

    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "ClientNotReadableYet").await?;
    ensure_says(&object, &["does not show it yet", "Wait"])?;
    ensure_eq(world.secret_if_any("my-app").await?.is_some(), false, "a Secret")?;

    world.sandbox.clear_faults();
    operator.let_pass(Duration::from_secs(6)).await?;
    world.ready("my-app").await?;
    ensure_eq(world.sandbox.count("POST", "user/{u}/oauth-client"), 1, "creations sent")?;
    operator.stop().await
}

async fn a_cancellation_under_way_is_waited_for_before_the_client_comes_back(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process().await?;
    world.sandbox.behave(|bank| bank.cancel = Cancel::Pending { seconds: 90 });
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secret("my-app").await?;
    world.apply_ready(&world.manifest("my-app", &json!({"status": "CANCELLED"}))).await?;
    world.sandbox.clear_calls();

    let object =
        world.apply_reason(&world.manifest("my-app", &json!({"status": "ACTIVE"})), "CancellationPending").await?;
    ensure_says(&object, &["CANCELLED_PENDING", "Wait"])?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank while it cancels")?;

    for _ in 0..2 {
        operator.let_pass(Duration::from_secs(61)).await?;
    }
    ensure(is_ready(&world.ready("my-app").await?), || "it is not Ready".to_owned())?;
    ensure_eq(world.sandbox.mutations().len(), 1, "changes at the bank")?;
    ensure(world.secret("my-app").await? == before, || "the credentials changed".to_owned())?;
    operator.stop().await
}
