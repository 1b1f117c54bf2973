//! Clocks that step by an hour or a day, and clocks that run too fast or too slow (F37).

use std::{sync::Arc, time::Duration};

use bunq_oauth_operator::bunq::{HttpOptions, HttpTransport, LimitMode};
use jiff::{SignedDuration, Timestamp};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{
        Outcome, TestClock, World, ensure, ensure_eq,
        windows::ensure_every_window_was_kept,
        world::{Seams, condition, is_ready},
    },
    sandbox::{Fault, FaultKind},
};

use crate::stage::{Stage, report, scenarios};

/// Right again in the end.
const STEPS: [i64; 9] = [1, -1, 24, -24, 0, -24, 24, -1, 0];
/// More than a resync interval of one hour with its jitter, less than two.
const A_RESYNC: Duration = Duration::from_mins(80);
const READ: (&str, &str) = ("GET", "user/{u}/oauth-client/{c}");
const STEP: Duration = Duration::from_secs(5);
const CREATE: &str = "user/{u}/oauth-client$";
/// More than a creation in doubt or a key that was refused once has to wait.
const A_MINUTE: Duration = Duration::from_secs(65);
const MINUTES: u32 = 4;

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "clock_steps":
        a_wall_clock_that_steps_by_hours_and_days_costs_a_look_and_changes_nothing,
        what_was_written_while_the_clock_was_a_day_ahead_holds_nobody_once_it_is_right,
        a_clock_that_runs_too_fast_keeps_the_banks_windows,
        a_clock_that_runs_too_slow_only_delays,
    )
}

async fn version(world: &World, name: &str) -> Outcome<Value> {
    Ok(world.object(name).await?["metadata"]["resourceVersion"].clone())
}

/// F37: a step wakes each object once; it opens no session, writes nothing, and the resyncs go on.
async fn a_wall_clock_that_steps_by_hours_and_days_costs_a_look_and_changes_nothing(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process().await?;
    let members = world.crowd(3).await?;
    for member in &members {
        world.ready(&member.name).await?;
    }
    operator.settle().await?;
    let since = condition(&world.object(&members[0].name).await?, "Ready")["lastTransitionTime"].clone();
    let before = version(&world, &members[0].name).await?;
    world.sandbox.clear_calls();

    for hours in STEPS {
        let passes = operator.passes();
        operator.mislead(SignedDuration::from_hours(hours)).await?;
        let passes = operator.passes() - passes;
        let most = 2 * u64::try_from(members.len())?;
        ensure(passes <= most, || format!("a step to {hours} h cost {passes} passes"))?;
    }
    let looks = world.sandbox.calls().len();
    // A client that was verified "a day ago" is looked at again; one from the future is, too.
    ensure(looks <= STEPS.len() * members.len(), || format!("{looks} calls"))?;
    ensure_eq(world.sandbox.count(READ.0, READ.1), looks, "calls that are no reads of the client")?;

    world.sandbox.clear_calls();
    operator.let_pass(A_RESYNC).await?;
    ensure_eq(world.sandbox.calls().len(), members.len(), "calls of the resync after all steps")?;
    let object = world.object(&members[0].name).await?;
    ensure(is_ready(&object), || "it is no longer Ready".to_owned())?;
    ensure_eq(&condition(&object, "Ready")["lastTransitionTime"], &since, "since when it is Ready")?;
    // Once in a day the status may tell when the client was verified.
    report(&format!(
        "after nine steps of the wall clock: {looks} looks, version {before} → {}",
        object["metadata"]["resourceVersion"]
    ));
    operator.stop().await
}

/// F37, D7: a refused key, a creation in doubt, and the attempt that a status announces.
async fn what_was_written_while_the_clock_was_a_day_ahead_holds_nobody_once_it_is_right(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process().await?;
    let members = world.crowd(1).await?;
    world.ready(&members[0].name).await?;
    operator.settle().await?;
    operator.mislead(SignedDuration::from_hours(24)).await?;

    let unknown = format!("sandbox_{}", "bad3".repeat(14));
    world.bench.plant(unknown.clone());
    world.put_key("key-refused", &unknown).await?;
    let refused = json!({"credentials": {"apiKeySecretRef": {"name": "key-refused"}}});
    world.apply_reason(&world.manifest("refused", &refused), "CredentialsRejected").await?;
    world.sandbox.inject(Fault::new("POST", CREATE, FaultKind::DropBefore));
    let doubtful = world.join(7).await?;
    world.until(&doubtful.name, "in doubt", |object| object["status"]["nextAttemptTime"].is_string()).await?;
    operator.settle().await?;
    let attempts = world.sandbox.count("POST", "device-server");

    operator.mislead(SignedDuration::ZERO).await?;
    for _ in 0..MINUTES {
        operator.let_pass(A_MINUTE).await?;
    }
    world.ready(&doubtful.name).await?;
    world.ensure_one_client_with_its_pair(&doubtful).await?;
    let again = world.sandbox.count("POST", "device-server") - attempts;
    ensure(again > 0, || "the refused key was not tried again".to_owned())?;
    let told = world.object("refused").await?["status"]["nextAttemptTime"].clone();
    let told: Timestamp = serde_json::from_value(told)?;
    let wait = told.duration_since(Timestamp::now() + A_MINUTE * MINUTES);
    ensure(wait <= SignedDuration::from_hours(1), || format!("the next attempt is in {wait:#}"))?;
    operator.stop().await
}

/// Registers three users while the operator's clock runs at so many hundredths of the bank's; tells how long it
/// took by the bank's clock.
async fn register_at(world: &World, hundredths: u32) -> Outcome<Duration> {
    world.sandbox.limit(true);
    let clock = TestClock::new();
    let transport = Arc::new(HttpTransport::new(HttpOptions { ca_pem: None })?);
    let seams = Seams { client: world.operator_client().await?, transport, clock: Arc::clone(&clock) };
    let operator = world.start_in_process_on(seams, LimitMode::Bunq)?;
    let members = world.crowd(3).await?;
    let mut passed = Duration::ZERO;
    loop {
        let objects = world.all_objects().await?;
        if objects.iter().filter(|object| is_ready(object)).count() == members.len() {
            break;
        }
        ensure(passed < Duration::from_mins(5), || format!("they are not Ready after {passed:?}"))?;
        world.sandbox.advance(STEP);
        clock.advance(STEP * hundredths / 100);
        operator.settle().await?;
        passed += STEP;
    }
    ensure_every_window_was_kept(&world.sandbox.calls())?;
    let refused: Vec<_> = world.sandbox.calls().into_iter().filter(|call| call.status != 200).collect();
    ensure(refused.is_empty(), || format!("the bank refused {refused:?}"))?;
    world.apply(&world.manifest_of(&members[0], &json!({"redirectUrl": "https://moved.example/callback"}))).await?;
    for _ in 0..12 {
        world.sandbox.advance(STEP);
        clock.advance(STEP * hundredths / 100);
        operator.settle().await?;
    }
    ensure_every_window_was_kept(&world.sandbox.calls())?;
    operator.stop().await?;
    Ok(passed)
}

/// F37, S7: 8 % lie within the margin of the windows.
async fn a_clock_that_runs_too_fast_keeps_the_banks_windows(world: Arc<World>) -> Outcome {
    let passed = register_at(&world, 108).await?;
    report(&format!("three users by a clock that is 8 % too fast: {passed:?}"));
    Ok(())
}

/// F37: a third of the speed, and everybody comes to their turn all the same.
async fn a_clock_that_runs_too_slow_only_delays(world: Arc<World>) -> Outcome {
    let passed = register_at(&world, 66).await?;
    report(&format!("three users by a clock that is a third too slow: {passed:?}"));
    Ok(())
}
