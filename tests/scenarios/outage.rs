//! The bank is away or lets few in: nobody's client stops being Ready, the bank is not stormed, and
//! everybody comes to their turn (F16, F17).

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::json;
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq,
        world::{condition, is_ready},
    },
    sandbox::{Fault, FaultKind},
};

use crate::stage::{Stage, scenarios};

const MANIFESTS: usize = 8;
const A_RESYNC: Duration = Duration::from_mins(80);
/// A little more than the time between two probes.
const A_PROBE: Duration = Duration::from_secs(22);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "outage":
        while_the_bank_is_away_one_probe_in_twenty_seconds_goes_and_its_success_releases_everybody,
        within_the_banks_limits_five_users_become_ready_one_session_after_the_other,
    )
}

fn name(number: usize) -> String {
    format!("app-{number}")
}

async fn while_the_bank_is_away_one_probe_in_twenty_seconds_goes_and_its_success_releases_everybody(
    world: Arc<World>,
) -> Outcome {
    let operator = world.start_in_process().await?;
    for number in 0..MANIFESTS {
        let secret = format!("key-{number}");
        world.put_key(&secret, &world.sandbox.new_user().api_key).await?;
        let credentials = json!({"credentials": {"apiKeySecretRef": {"name": secret}}});
        world.apply_ready(&world.manifest(&name(number), &credentials)).await?;
    }
    operator.settle().await?;
    let mut since = Vec::new();
    for number in 0..MANIFESTS {
        since.push(condition(&world.object(&name(number)).await?, "Ready")["lastTransitionTime"].clone());
    }

    world.sandbox.inject(Fault::new("*", "", FaultKind::Html(503)).forever());
    world.sandbox.clear_calls();
    operator.let_pass(A_RESYNC).await?;
    // Whoever was under way when the third call failed still came to an end.
    let storm = world.sandbox.calls().len();
    ensure((1..=MANIFESTS + 3).contains(&storm), || format!("{storm} calls when the bank went away"))?;
    for probe in 1..=5 {
        world.sandbox.clear_calls();
        operator.let_pass(A_PROBE).await?;
        let calls = world.sandbox.calls().len();
        ensure(calls <= 2, || format!("{calls} calls at probe {probe}"))?;
    }
    for number in 0..MANIFESTS {
        let object = world.object(&name(number)).await?;
        ensure(is_ready(&object), || format!("{} is not Ready during the outage", name(number)))?;
        ensure_eq(&condition(&object, "RemoteInSync")["status"], &json!("Unknown"), "RemoteInSync during the outage")?;
    }

    world.sandbox.clear_faults();
    world.sandbox.clear_calls();
    operator.let_pass(A_PROBE).await?;
    for (number, since) in since.iter().enumerate() {
        let verified = |object: &serde_json::Value| condition(object, "RemoteInSync")["status"] == "True";
        let object = world.until(&name(number), "verified again", verified).await?;
        ensure_eq(&condition(&object, "Ready")["lastTransitionTime"], since, "the time since when it is Ready")?;
    }
    ensure_eq(world.sandbox.calls().len(), MANIFESTS, "calls after the outage")?;
    operator.stop().await
}

async fn within_the_banks_limits_five_users_become_ready_one_session_after_the_other(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process_within_limits().await?;
    for number in 0..5 {
        let secret = format!("key-{number}");
        world.put_key(&secret, &world.sandbox.new_user().api_key).await?;
        let credentials = json!({"credentials": {"apiKeySecretRef": {"name": secret}}});
        world.apply(&world.manifest(&name(number), &credentials)).await?;
    }

    let mut steps = 0;
    loop {
        let mut ready = 0;
        for number in 0..5 {
            ready += usize::from(is_ready(&world.object(&name(number)).await?));
        }
        if ready == 5 {
            break;
        }
        // Five sessions take at least 4 × 30 s; twice that is far too long.
        ensure(steps < 48, || format!("{ready} of 5 are Ready after four minutes"))?;
        operator.let_pass(Duration::from_secs(5)).await?;
        steps += 1;
    }

    let calls = world.sandbox.calls();
    let refused: Vec<_> = calls.iter().filter(|call| call.status != 200).collect();
    ensure(refused.is_empty(), || format!("the bank refused {refused:?}"))?;
    let sessions = calls.iter().filter(|call| call.template == "session-server");
    let mut sessions = sessions.map(|call| call.at.parse()).collect::<Result<Vec<jiff::civil::DateTime>, _>>()?;
    sessions.sort_unstable();
    ensure_eq(sessions.len(), 5, "sessions")?;
    let too_close = sessions.windows(2).find(|two| two[1].duration_since(two[0]).as_secs() < 30);
    ensure(too_close.is_none(), || format!("two sessions within 30 s: {too_close:?}"))?;
    operator.stop().await
}
