//! The bank's limits in real time, by the real process: they hold over a crash, too (S7, F16).

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use testbed::{
    harness::{Outcome, World, ensure_eq, windows::ensure_every_window_was_kept, world::is_ready},
    sandbox::{Fault, FaultKind},
};

use crate::stage::Stage;

/// Sessions are more than 30 s apart, and one of six is lost.
const LONGEST: Duration = Duration::from_mins(8);
const PATIENCE: Duration = Duration::from_mins(6);
const LOOK_EVERY: Duration = Duration::from_millis(2);
const USERS: usize = 5;
const SESSIONS: (&str, &str) = ("POST", "session-server");
const READS: (&str, &str) = ("GET", "user/{u}/oauth-client/{c}");

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    vec![stage.scenario_within(
        "limits",
        "killed_amid_five_registrations_it_keeps_every_window_of_the_bank",
        LONGEST,
        killed_amid_five_registrations_it_keeps_every_window_of_the_bank,
    )]
}

async fn killed_amid_five_registrations_it_keeps_every_window_of_the_bank(world: Arc<World>) -> Outcome {
    world.sandbox.limit(true);
    // The third session is opened, and its answer comes too late for the process that asked.
    let late = FaultKind::DelayReply(Duration::from_secs(20));
    world.sandbox.inject(Fault::new(SESSIONS.0, SESSIONS.1, late).after(2));
    let users = world.crowd(USERS).await?;
    world.start_operator_within_limits(&world.sandbox, &[]).await?;

    until(|| asked(&world, SESSIONS) == 3).await?;
    restart(&world).await?;

    // A process that has just begun reads every client once; the next one begins in the same window.
    while ready(&world).await? < 4 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for _ in 0..3 {
        let before = asked(&world, READS);
        restart(&world).await?;
        until(|| asked(&world, READS) > before).await?;
    }

    for user in &users {
        world.ready_within(&user.name, PATIENCE).await?;
        world.ensure_one_client_with_its_pair(user).await?;
    }
    ensure_every_window_was_kept(&world.sandbox.calls())?;
    ensure_eq(asked(&world, SESSIONS), USERS + 1, "sessions, the lost one among them")
}

fn asked(world: &World, (method, template): (&str, &str)) -> usize {
    world.sandbox.count(method, template)
}

async fn ready(world: &World) -> Outcome<usize> {
    Ok(world.all_objects().await?.iter().filter(|object| is_ready(object)).count())
}

async fn restart(world: &World) -> Outcome {
    world.kill_operator().await?;
    world.start_operator_within_limits(&world.sandbox, &[]).await
}

/// Waits for a state of the bank; the scenario's own time limit ends it.
async fn until(is_so: impl Fn() -> bool) -> Outcome {
    while !is_so() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
