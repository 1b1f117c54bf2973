//! Killed between a step of the handshake and its record: one more of that step a kill, and never
//! of another (F04, S14).

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use testbed::{
    harness::{Outcome, World, ensure_eq},
    sandbox::{Fault, FaultKind},
};

use super::{made, user_of};
use crate::stage::{Stage, scenarios};

/// Longer than anybody waits here.
const LONG: Duration = Duration::from_secs(20);
const KILLS: usize = 2;

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "context":
        killed_before_an_installation_is_recorded_it_makes_one_more_a_kill,
        killed_before_a_device_is_recorded_it_registers_no_other,
        killed_before_a_session_is_recorded_it_opens_one_more_a_kill,
        killed_before_the_bank_sees_a_step_it_repeats_that_step_only,
    )
}

/// Kills the operator again and again while `call` is under way, then lets it finish. Returns how many
/// installations, devices and sessions the bank made.
async fn kill_during(world: &World, call: &str, during: FaultKind) -> Outcome<(usize, usize, usize)> {
    let before = made(world);
    let name = format!("killed-{}", before.0);
    let (user, spec) = user_of(world, &name).await?;
    world.sandbox.inject(Fault::new("POST", call, during).times(KILLS));
    world.apply(&world.manifest(&name, &spec)).await?;
    for kill in 1..=KILLS {
        let waiting = KILLS - kill;
        world.start_operator().await?;
        while world.sandbox.waiting_faults() > waiting {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        world.kill_operator().await?;
    }
    world.start_operator().await?;
    world.ready(&name).await?;
    world.stop_operator().await?;

    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")?;
    let after = made(world);
    Ok((after.0 - before.0, after.1 - before.1, after.2 - before.2))
}

/// F04, S14: its token is nowhere but in the answer, so it is made again.
async fn killed_before_an_installation_is_recorded_it_makes_one_more_a_kill(world: Arc<World>) -> Outcome {
    let made = kill_during(&world, "installation", FaultKind::DelayReply(LONG)).await?;
    ensure_eq(made, (1 + KILLS, 1, 1), "installations, devices, sessions")
}

/// F04, S14: the bank says that the device already exists, and that is as good as its number.
async fn killed_before_a_device_is_recorded_it_registers_no_other(world: Arc<World>) -> Outcome {
    let made = kill_during(&world, "device-server", FaultKind::DelayReply(LONG)).await?;
    ensure_eq(made, (1, 1, 1), "installations, devices, sessions")
}

/// F04: so is a session's.
async fn killed_before_a_session_is_recorded_it_opens_one_more_a_kill(world: Arc<World>) -> Outcome {
    let made = kill_during(&world, "session-server", FaultKind::DelayReply(LONG)).await?;
    ensure_eq(made, (1, 1, 1 + KILLS), "installations, devices, sessions")
}

/// F04, S14: every step.
async fn killed_before_the_bank_sees_a_step_it_repeats_that_step_only(world: Arc<World>) -> Outcome {
    for call in ["installation", "device-server", "session-server"] {
        let made = kill_during(&world, call, FaultKind::Silence(LONG)).await?;
        ensure_eq(made, (1, 1, 1), &format!("{call}: installations, devices, sessions"))?;
    }
    Ok(())
}
