//! What happens is told by the metric that is for it, while it lasts and not longer.

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::json;
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq,
        world::{InProcess, KEY_SECRET, is_ready},
    },
    sandbox::{Fault, FaultKind},
};

use crate::stage::{Stage, scenarios};

const A_RESYNC: Duration = Duration::from_mins(80);
const A_WHILE: Duration = Duration::from_mins(10);
const A_MOMENT: Duration = Duration::from_secs(1);
const OPEN: &str = "bunq_breaker_open{environment=\"Sandbox\"}";
const OVERDUE: &str = "bunq_verification_overdue_seconds";
const AGE: &str = "bunq_verification_age_seconds";

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "monitoring":
        an_outage_is_told_by_breaker_and_overdue_checks_and_is_over_when_the_bank_is_back,
        an_answer_that_is_not_signed_is_counted_and_changes_nothing,
        a_refused_key_is_an_error_for_a_person_and_a_stalled_manifest,
        every_request_to_the_api_server_is_counted_once,
    )
}

/// The age of the last check grows while the bank is away, and the check is late (F17).
async fn an_outage_is_told_by_breaker_and_overdue_checks_and_is_over_when_the_bank_is_back(
    world: Arc<World>,
) -> Outcome {
    let operator = world.start_in_process().await?;
    // Three users: what befalls one of them alone is no outage.
    for member in world.crowd(3).await? {
        world.ready(&member.name).await?;
    }
    operator.settle().await?;
    operator.let_pass(A_MOMENT).await?;
    ensure_eq((operator.value(OPEN), operator.value(OVERDUE)), (Some(0.0), Some(0.0)), "breaker and lateness at rest")?;

    world.sandbox.inject(Fault::new("*", "", FaultKind::Html(503)).forever());
    operator.let_pass(A_RESYNC).await?;
    for _ in 0..5 {
        operator.let_pass(A_WHILE).await?;
    }
    ensure_eq(operator.value(OPEN), Some(1.0), "breaker during the outage")?;
    // 130 minutes since the last check, which was due after 60 at the latest.
    operator.settle_when("the check is late", || at_least(&operator, OVERDUE, 70.0 * 60.0)).await?;
    ensure(at_least(&operator, AGE, 130.0 * 60.0), || format!("the age is {:?}", operator.value(AGE)))?;

    world.sandbox.clear_faults();
    operator.let_pass(A_WHILE).await?;
    operator.let_pass(A_MOMENT).await?;
    ensure_eq(operator.value(OPEN), Some(0.0), "breaker after the outage")?;
    operator.settle_when("nothing is late", || operator.value(OVERDUE) == Some(0.0)).await?;
    ensure(!at_least(&operator, AGE, 60.0 * 60.0), || format!("the age is {:?}", operator.value(AGE)))?;
    operator.stop().await
}

fn at_least(operator: &InProcess, series: &str, least: f64) -> bool {
    operator.value(series).is_some_and(|value| value >= least)
}

/// One answer without a signature is one, and the manifest stays Ready (F21).
async fn an_answer_that_is_not_signed_is_counted_and_changes_nothing(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    operator.settle().await?;
    let unverified = || operator.sum_of("bunq_api_unverified_answers_total{environment=\"Sandbox\"}");
    ensure_eq(unverified(), 0, "answers without a signature at rest")?;

    world.sandbox.inject(Fault::new("GET", "", FaultKind::MissingSignature));
    operator.let_pass(A_RESYNC).await?;

    ensure_eq(unverified(), 1, "answers without a signature")?;
    ensure(is_ready(&world.object("my-app").await?), || "it is not Ready any more".to_owned())?;
    operator.stop().await
}

async fn a_refused_key_is_an_error_for_a_person_and_a_stalled_manifest(world: Arc<World>) -> Outcome {
    let unknown = format!("sandbox_{}", "bad1".repeat(14));
    world.bench.plant(unknown.clone());
    world.put_key(KEY_SECRET, &unknown).await?;
    let operator = world.start_in_process().await?;
    world.apply_reason(&world.manifest("my-app", &json!({})), "CredentialsRejected").await?;
    operator.settle().await?;

    let terminal = operator.sum_of("controller_runtime_terminal_reconcile_errors_total{");
    let errors = operator.sum_of("controller_runtime_reconcile_errors_total{");
    ensure((1..=errors).contains(&terminal), || format!("{terminal} of {errors} errors are for a person"))?;
    operator.let_pass(A_MOMENT).await?;
    let stalled = "bunq_oauth_clients{condition=\"Stalled\",status=\"True\",reason=\"CredentialsRejected\"}";
    operator.settle_when("it is counted as Stalled", || operator.value(stalled) == Some(1.0)).await?;
    operator.stop().await
}

/// The API server's audit log has as many requests as the operator counted, watches included (C48).
async fn every_request_to_the_api_server_is_counted_once(world: Arc<World>) -> Outcome {
    let trail = world.audit_trail()?;
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    let mut last = (0, 0);
    for _ in 0..100 {
        let (_, text) = world.ask_operator("metrics").await?;
        let counted = text.lines().filter(|line| line.starts_with("rest_client_requests_total{"));
        let counted: usize = counted.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum();
        last = (counted, trail.count_of(&world.operator_user())?);
        if last.0 == last.1 && last.0 > 5 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(format!("the operator counted {} requests, the API server {}", last.0, last.1).into())
}
