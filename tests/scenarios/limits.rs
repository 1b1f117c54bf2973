//! The bank's limits hold over a crash, in real time and by the real process, and whatever the wall clock says
//! (S7, F16, F37).

use std::{sync::Arc, time::Duration};

use bunq_oauth_operator::api::BunqOAuthClient;
use jiff::SignedDuration;
use kube::Api;
use libtest_mimic::Trial;
use serde_json::json;
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq, until,
        windows::ensure_every_window_was_kept,
        world::{KEY_SECRET, is_ready},
    },
    sandbox::{Fault, FaultKind},
};

use crate::stage::{Stage, scenarios};

/// Sessions are more than 30 s apart, and one of six is lost.
const LONGEST: Duration = Duration::from_mins(8);
const PATIENCE: Duration = Duration::from_mins(6);
const USERS: usize = 5;
const SESSIONS: (&str, &str) = ("POST", "session-server");
const READS: (&str, &str) = ("GET", "user/{u}/oauth-client/{c}");
/// A little more than any window but that of a session.
const STEP: Duration = Duration::from_secs(5);
/// By how much the wall clock is wrong.
const AN_HOUR: SignedDuration = SignedDuration::from_hours(1);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let mut trials = vec![stage.scenario_that_waits(
        "limits",
        "killed_amid_five_registrations_it_keeps_every_window_of_the_bank",
        LONGEST,
        killed_amid_five_registrations_it_keeps_every_window_of_the_bank,
    )];
    trials.extend(scenarios!(stage, "limits":
        a_wall_clock_that_runs_ahead_opens_no_window,
        a_wall_clock_that_was_put_back_delays_no_change,
        a_late_user_of_another_namespace_waits_for_two_turns_and_not_for_six,
    ));
    trials
}

async fn killed_amid_five_registrations_it_keeps_every_window_of_the_bank(world: Arc<World>) -> Outcome {
    world.sandbox.limit(true);
    // The third session is opened, and its answer comes too late for the process that asked.
    let late = FaultKind::DelayReply(Duration::from_secs(20));
    world.sandbox.inject(Fault::new(SESSIONS.0, SESSIONS.1, late).after(2));
    let users = world.crowd(USERS).await?;
    world.start_operator_within_limits(&world.sandbox, &[]).await?;

    until("three sessions", PATIENCE, || asked(&world, SESSIONS) == 3).await?;
    restart(&world).await?;

    // A process that has just begun reads every client once; the next one begins in the same window.
    while ready(&world).await? < 4 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for _ in 0..3 {
        let before = asked(&world, READS);
        restart(&world).await?;
        until("another reading", PATIENCE, || asked(&world, READS) > before).await?;
    }

    for user in &users {
        world.ready_within(&user.name, PATIENCE).await?;
        world.ensure_one_client_with_its_pair(user).await?;
    }
    ensure_every_window_was_kept(&world.sandbox.calls())?;
    ensure_eq(asked(&world, SESSIONS), USERS + 1, "sessions, the lost one among them")
}

/// Users wait for their sessions while the wall clock goes an hour ahead, again and again: their appointments
/// come early by it, and the windows do not (F37).
async fn a_wall_clock_that_runs_ahead_opens_no_window(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process_within_limits().await?;
    let users = world.crowd(3).await?;
    operator.settle_when("a session", || asked(&world, SESSIONS) == 1).await?;

    let mut wrong = SignedDuration::ZERO;
    while ready(&world).await? < users.len() {
        wrong += AN_HOUR;
        // Two sessions take a minute.
        ensure(wrong < 24 * AN_HOUR, || "they are not Ready after two minutes".to_owned())?;
        operator.mislead(wrong).await?;
        operator.let_pass(STEP).await?;
    }

    ensure_every_window_was_kept(&world.sandbox.calls())?;
    operator.stop().await
}

/// Right after a read of its client the wall clock is put back by an hour: the next change has its turn when
/// the window opens, not an hour later (F37).
async fn a_wall_clock_that_was_put_back_delays_no_change(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process_within_limits().await?;
    let user = &world.crowd(1).await?[0];
    let mut steps = 0;
    while ready(&world).await? < 1 {
        ensure(steps < 12, || "it is not Ready after a minute".to_owned())?;
        operator.let_pass(STEP).await?;
        steps += 1;
    }

    operator.mislead(-AN_HOUR).await?;
    let url = "https://myapp.com/elsewhere";
    world.apply(&world.manifest_of(user, &json!({"redirectUrl": url}))).await?;
    // The reads, the change, the removal of the old URL: a few windows, and a session if need be.
    for _ in 0..12 {
        operator.let_pass(STEP).await?;
    }

    ensure_eq(world.secret(&user.name).await?["redirect_uri"].as_str(), url, "the published redirect URL")?;
    ensure_every_window_was_kept(&world.sandbox.calls())?;
    operator.stop().await
}

/// Six users of one namespace wait for their sessions, and three seconds later comes one of another (L5, protocol §8).
async fn a_late_user_of_another_namespace_waits_for_two_turns_and_not_for_six(world: Arc<World>) -> Outcome {
    let namespace = world.another_namespace("late").await?;
    let operator = world.start_in_process_within_limits_beside(&namespace).await?;
    world.crowd(6).await?;
    operator.settle_when("a session", || asked(&world, SESSIONS) == 1).await?;
    operator.let_pass(Duration::from_secs(3)).await?;

    let user = world.sandbox.new_user();
    let key = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": KEY_SECRET, "namespace": namespace},
        "stringData": {"api-key": user.api_key},
    });
    world.apply(&key).await?;
    let mut manifest = world.manifest("late", &json!({}));
    manifest["metadata"]["namespace"] = json!(namespace);
    world.apply(&manifest).await?;
    let late = Api::<BunqOAuthClient>::namespaced(world.admin(), &namespace);
    let mut steps = 0;
    while !is_ready(&serde_json::to_value(late.get("late").await?)?) {
        // Two sessions take 66 s; each step may be noticed late, and the reads wait for little.
        ensure(steps < 85 / STEP.as_secs(), || format!("it is not Ready after {steps} × {STEP:?}"))?;
        operator.let_pass(STEP).await?;
        steps += 1;
    }

    ensure(ready(&world).await? <= 3, || "the crowd went first".to_owned())?;
    ensure_every_window_was_kept(&world.sandbox.calls())?;
    operator.stop().await
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
