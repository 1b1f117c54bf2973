//! The bank is away or lets few in: nobody's client stops being Ready, the bank is not stormed, and
//! everybody comes to their turn (F16, F17).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq,
        windows::ensure_every_window_was_kept,
        world::{InProcess, condition, is_ready},
    },
    sandbox::{Fault, FaultKind},
};

use crate::stage::{Stage, scenarios};

const CROWD: usize = 50;
const A_RESYNC: Duration = Duration::from_mins(80);
const THE_OUTAGE: Duration = Duration::from_mins(10);
const RECOVERED_WITHIN: Duration = Duration::from_mins(2);
/// The time between two probes, and a little more than it.
const BETWEEN_PROBES: Duration = Duration::from_secs(20);
/// A little more than the window of a read: each of them has room for three.
const A_WINDOW: Duration = Duration::from_millis(3400);
/// Calls that may fail before the bank counts as away: three, and those that were under way by then.
const STORM: usize = 3 + 8;

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "outage":
        while_the_bank_is_away_fifty_clients_stay_ready_and_it_is_asked_three_times_a_minute,
        what_befalls_one_caller_delays_no_other,
        within_the_banks_limits_fifty_clients_come_back_one_after_the_other,
        within_the_banks_limits_five_users_become_ready_one_session_after_the_other,
    )
}

const STEP: Duration = Duration::from_secs(5);

/// Ten minutes without the bank change nothing for those who use what was published, and its
/// return is noticed by all within two (F17).
async fn while_the_bank_is_away_fifty_clients_stay_ready_and_it_is_asked_three_times_a_minute(
    world: Arc<World>,
) -> Outcome {
    let operator = world.start_in_process().await?;
    become_ready(&world).await?;
    operator.settle().await?;
    let before = published(&world).await?;

    the_bank_goes_away(&world, &operator).await?;
    stay_away(&world, &operator).await?;
    ensure_eq(published(&world).await?, before.clone(), "what was published, during the outage")?;

    world.sandbox.clear_faults();
    world.sandbox.clear_calls();
    come_back(&world, &operator, BETWEEN_PROBES / 2).await?;
    ensure_eq(published(&world).await?, before, "what was published, after the outage")?;
    ensure_eq(world.sandbox.calls().len(), CROWD, "calls after the outage")?;
    operator.stop().await
}

/// Nobody storms the bank that is back: the reads are spread by its own windows (F16, F17, S7).
async fn within_the_banks_limits_fifty_clients_come_back_one_after_the_other(world: Arc<World>) -> Outcome {
    let registered = world.start_in_process().await?;
    become_ready(&world).await?;
    registered.settle().await?;
    registered.stop().await?;
    let before = published(&world).await?;

    let operator = world.start_in_process_within_limits().await?;
    operator.settle().await?;
    the_bank_goes_away(&world, &operator).await?;
    stay_away(&world, &operator).await?;
    ensure_eq(published(&world).await?, before.clone(), "what was published, during the outage")?;

    world.sandbox.clear_faults();
    world.sandbox.clear_calls();
    come_back(&world, &operator, A_WINDOW).await?;
    ensure_eq(published(&world).await?, before, "what was published, after the outage")?;
    ensure_eq(world.sandbox.calls().len(), CROWD, "calls after the outage")?;
    ensure_every_window_was_kept(&world.sandbox.calls())?;
    operator.stop().await
}

/// A user whose reads the bank answers with 500, and a key that a gateway does not let pass: each of them fails on
/// and on and backs off alone, and a neighbour's change is done at once (L5, protocol §12).
async fn what_befalls_one_caller_delays_no_other(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process().await?;
    let (sick, well) = (world.join(0).await?, world.join(1).await?);
    for member in [&sick, &well] {
        world.ready(&member.name).await?;
    }
    operator.settle().await?;
    let broken = Fault::new("GET", "user/{u}/oauth-client", FaultKind::Status(500, "Oops.".to_owned()));
    world.sandbox.inject(broken.forever().of(sick.user.id));
    world.sandbox.inject(Fault::new("POST", "device-server", FaultKind::Html(413)).forever());
    world.join(2).await?;
    operator.let_pass(A_RESYNC).await?;
    for _ in 0..10 {
        operator.let_pass(Duration::from_mins(10)).await?;
    }
    ensure_eq(operator.value("bunq_breaker_open{environment=\"Sandbox\"}"), Some(0.0), "the breaker")?;

    let url = "https://myapp.com/elsewhere";
    world.apply(&world.manifest_of(&well, &json!({"redirectUrl": url}))).await?;
    operator.settle().await?;
    ensure_eq(world.secret(&well.name).await?["redirect_uri"].as_str(), url, "what is published, at once")?;
    operator.stop().await
}

async fn become_ready(world: &World) -> Outcome {
    for member in world.crowd(CROWD).await? {
        world.ready_within(&member.name, Duration::from_mins(1)).await?;
    }
    Ok(())
}

/// Since when each manifest is Ready, and the version of its Secret.
async fn published(world: &World) -> Outcome<BTreeMap<String, (Value, Option<String>)>> {
    let mut published = BTreeMap::new();
    for object in world.all_objects().await? {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        ensure(is_ready(&object), || format!("{name} is not Ready: {}", object["status"]["conditions"]))?;
        let since = condition(&object, "Ready")["lastTransitionTime"].clone();
        let version = world.secrets().get(&name).await?.metadata.resource_version;
        published.insert(name, (since, version));
    }
    ensure_eq(published.len(), CROWD, "manifests")?;
    Ok(published)
}

/// Everybody is due for a look, and the bank is not there.
async fn the_bank_goes_away(world: &World, operator: &InProcess) -> Outcome {
    world.sandbox.inject(Fault::new("*", "", FaultKind::Html(503)).forever());
    world.sandbox.clear_calls();
    operator.let_pass(A_RESYNC).await?;
    let storm = world.sandbox.calls().len();
    ensure((1..=STORM).contains(&storm), || format!("{storm} calls when the bank went away"))
}

/// Minute by minute, with a look at what the bank was asked.
async fn stay_away(world: &World, operator: &InProcess) -> Outcome {
    for minute in 1..=THE_OUTAGE.as_secs() / 60 {
        world.sandbox.clear_calls();
        for _ in 0..3 {
            operator.let_pass(BETWEEN_PROBES).await?;
        }
        let calls = world.sandbox.calls().len();
        // Three probes, and one more for what the clock of this machine added meanwhile.
        ensure((1..=4).contains(&calls), || format!("{calls} calls in minute {minute} of the outage"))?;
    }
    for object in world.all_objects().await? {
        ensure_eq(&condition(&object, "RemoteInSync")["status"], &json!("Unknown"), "RemoteInSync during the outage")?;
    }
    Ok(())
}

/// Step by step, until every client has been verified again.
async fn come_back(world: &World, operator: &InProcess, step: Duration) -> Outcome {
    let is_verified = |object: &Value| condition(object, "RemoteInSync")["status"] == "True";
    let mut passed = Duration::ZERO;
    loop {
        operator.let_pass(step).await?;
        passed += step;
        let waiting = world.all_objects().await?.iter().filter(|object| !is_verified(object)).count();
        if waiting == 0 {
            return Ok(());
        }
        ensure(passed < RECOVERED_WITHIN, || format!("{waiting} were not verified again within {passed:?}"))?;
    }
}

/// All of them are there when the bank's limits allow it, and hardly later (F42, F16).
async fn within_the_banks_limits_five_users_become_ready_one_session_after_the_other(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process_within_limits().await?;
    world.crowd(5).await?;

    let mut steps = 0;
    loop {
        let ready = world.all_objects().await?.iter().filter(|object| is_ready(object)).count();
        if ready == 5 {
            break;
        }
        // Five sessions take at least 4 × 30 s: a tenth more is the margin. Each of the four that wait may be
        // noticed a step late, and the next one counts from there.
        ensure(steps < 132 / STEP.as_secs() + 5, || format!("{ready} of 5 are Ready after {steps} × {STEP:?}"))?;
        operator.let_pass(STEP).await?;
        steps += 1;
    }

    ensure_every_window_was_kept(&world.sandbox.calls())?;
    let refused: Vec<_> = world.sandbox.calls().into_iter().filter(|call| call.status != 200).collect();
    ensure(refused.is_empty(), || format!("the bank refused {refused:?}"))?;
    ensure_eq(world.sandbox.count("POST", "session-server"), 5, "sessions")?;
    // Four sessions wait for 33, 66, 99 and 132 s; a step later is chance, and reads wait for little.
    let waited = operator.value("bunq_limiter_wait_seconds_total").unwrap_or_default();
    ensure((300.0..600.0).contains(&waited), || format!("the limits are said to have cost {waited} s of waiting"))?;
    operator.stop().await
}
