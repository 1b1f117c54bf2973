//! Answers that refuse for a while, and answers that get lost (F15, F12; M2).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use testbed::harness::{
    Outcome, World,
    api_proxy::{ApiProxy, Trouble},
    ensure, ensure_eq,
};

use super::CLIENTS;
use crate::stage::{Stage, report, scenarios};

/// Three refusals in a row cost a few seconds each; an hour is what they ask for.
const PATIENCE: Duration = Duration::from_mins(1);
const AN_HOUR: u32 = 3600;
/// A call to the API server has 15 s.
const ALMOST_TOO_LATE: Duration = Duration::from_secs(14);
/// A pass has two minutes.
const GIVEN_UP: Duration = Duration::from_secs(140);
const OVERLOADED: [u16; 3] = [429, 503, 504];

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    let name = "a_pass_that_does_not_come_to_its_end_is_given_up_and_the_next_goes_on";
    let play = a_pass_that_does_not_come_to_its_end_is_given_up_and_the_next_goes_on;
    let mut trials = scenarios!(stage, "api_server":
        a_refused_call_is_one_request_and_an_hour_of_retry_after_is_not_waited_for,
        a_creation_whose_answer_is_lost_is_read_back_and_not_repeated,
        an_api_server_that_takes_its_time_only_delays,
    );
    trials.push(stage.scenario_that_waits("api_server", name, GIVEN_UP + 3 * PATIENCE, play));
    trials
}

/// What an operator creates once for a new user: where, and what.
fn creations(world: &World) -> [(&'static str, String); 3] {
    let within = |namespace: &str, kind: &str| format!("/namespaces/{namespace}/{kind}");
    [
        ("the context", within(&world.operator_namespace, "secrets")),
        ("the claim", within(&world.operator_namespace, "configmaps")),
        ("the published Secret", within(&world.namespace, "secrets")),
    ]
}

fn posts(proxy: &ApiProxy, path: &str) -> usize {
    proxy.count(|asked| asked.is("POST", path))
}

/// F15: the first of every kind of write is refused; each is sent once more, by the next pass, and never by the
/// client beneath it.
async fn a_refused_call_is_one_request_and_an_hour_of_retry_after_is_not_waited_for(world: Arc<World>) -> Outcome {
    let proxy = world.proxy().await?;
    world.start_operator_through(&proxy).await?;
    for (number, status) in OVERLOADED.into_iter().enumerate() {
        let refusal = Trouble::Refusal { status, retry_after: AN_HOUR };
        for (_, path) in creations(&world) {
            proxy.trouble_times(1, refusal.clone(), move |asked| asked.is("POST", &path));
        }
        proxy.trouble_times(1, refusal.clone(), |asked| asked.is("PUT", "/status"));
        proxy.trouble_times(1, refusal, |asked| asked.method == "GET" && asked.path.contains("/bunqoauthclients/"));
        let before: Vec<usize> = creations(&world).iter().map(|(_, path)| posts(&proxy, path)).collect();
        let since = Instant::now();

        let member = world.join(number).await?;
        world.ready_within(&member.name, PATIENCE).await?;

        report(&format!("with five calls refused by {status}: Ready after {:?}", since.elapsed()));
        for ((what, path), before) in creations(&world).iter().zip(before) {
            ensure_eq(
                posts(&proxy, path) - before,
                2,
                &format!("creations of {what} sent, the first answered {status}"),
            )?;
        }
        world.ensure_one_client_with_its_pair(&member).await?;
    }
    ensure_eq(world.sandbox.count("POST", CLIENTS), OVERLOADED.len(), "creations at the bank")
}

/// F12: what is there is read back. A context is sent again, because it holds what exists nowhere else, and
/// found to be there; nothing is made twice at the bank.
async fn a_creation_whose_answer_is_lost_is_read_back_and_not_repeated(world: Arc<World>) -> Outcome {
    let proxy = world.proxy().await?;
    world.start_operator_through(&proxy).await?;
    let mut members = 0;
    for (what, path) in creations(&world) {
        for (trouble, sent) in [(Trouble::Lost, if what == "the context" { 2 } else { 1 }), (Trouble::Reset, 2)] {
            let (before, told) = (posts(&proxy, &path), format!("creations of {what} sent, the first one {trouble:?}"));
            let is_it = path.clone();
            proxy.trouble_times(1, trouble, move |asked| asked.is("POST", &is_it));

            let member = world.join(members).await?;
            members += 1;
            world.ready_within(&member.name, PATIENCE).await?;

            ensure_eq(posts(&proxy, &path) - before, sent, &told)?;
            world.ensure_one_client_with_its_pair(&member).await?;
        }
    }
    ensure_each_was_made_once(&world, members)
}

/// F15: half a second for each call, and nothing is asked twice for it.
async fn an_api_server_that_takes_its_time_only_delays(world: Arc<World>) -> Outcome {
    let proxy = world.proxy().await?;
    world.start_operator_through(&proxy).await?;
    proxy.trouble(Trouble::Late(Duration::from_millis(500)), |_| true);

    let member = world.join(0).await?;
    world.ready_within(&member.name, PATIENCE).await?;

    for (what, path) in creations(&world) {
        ensure_eq(posts(&proxy, &path), 1, &format!("creations of {what} sent"))?;
    }
    world.ensure_one_client_with_its_pair(&member).await?;
    ensure_each_was_made_once(&world, 1)
}

/// L5: each call comes back within its own deadline, and all of them together do not within the pass's.
async fn a_pass_that_does_not_come_to_its_end_is_given_up_and_the_next_goes_on(world: Arc<World>) -> Outcome {
    let proxy = world.proxy().await?;
    world.start_operator_through(&proxy).await?;
    proxy.trouble(Trouble::Late(ALMOST_TOO_LATE), |asked| !asked.is_watch);

    let member = world.join(0).await?;
    let since = Instant::now();
    while timeouts(&world).await? == 0 {
        ensure(since.elapsed() < GIVEN_UP, || format!("no pass was given up within {GIVEN_UP:?}"))?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    report(&format!("the pass was given up after {:?}", since.elapsed()));
    ensure(world.operator_log().await.contains("the pass did not end in 120 s"), || {
        "the log does not tell".to_owned()
    })?;
    let (status, health) = world.ask_operator("livez?verbose").await?;
    ensure_eq(status, 200, &format!("/livez: {health}"))?;
    proxy.mend();

    world.ready_within(&member.name, PATIENCE).await?;
    ensure_eq(timeouts(&world).await?, 1, "passes that were given up")?;
    world.ensure_one_client_with_its_pair(&member).await?;
    ensure_each_was_made_once(&world, 1)
}

async fn timeouts(world: &World) -> Outcome<u64> {
    let (_, metrics) = world.ask_operator("metrics").await?;
    let counted = "controller_runtime_reconcile_timeouts_total{controller=\"bunqoauthclient\"} ";
    let value = metrics.lines().find_map(|line| line.strip_prefix(counted));
    Ok(value.ok_or("passes that were given up are not counted")?.parse()?)
}

fn ensure_each_was_made_once(world: &World, members: usize) -> Outcome {
    for call in [CLIENTS, "installation", "device-server", "session-server"] {
        ensure_eq(world.sandbox.count("POST", call), members, &format!("{call}: asked of the bank"))?;
    }
    Ok(())
}
