//! Requests and watches that get no answer, on connections that nobody closes (F15, M1).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{
    Outcome, World,
    api_proxy::{Asked, Trouble},
    ensure, ensure_eq, until,
    world::Member,
};

use super::{CLIENTS, until_logged};
use crate::stage::{Stage, report, scenarios};

const LONGEST: Duration = Duration::from_mins(6);
/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// One object's trouble delays no other by more.
const DELAY: Duration = Duration::from_secs(1);
/// The deadline of one call is 15 s; then the next one follows within 8 s.
const A_DEADLINE: Duration = Duration::from_secs(40);
/// A watch is given up after 55 s.
const NOTICED: Duration = Duration::from_secs(75);
/// A request that was swallowed is given up after a minute.
const GOES_ON: Duration = Duration::from_secs(90);

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    let mut trials = scenarios!(stage, "api_server": an_object_whose_calls_get_no_answer_delays_no_other);
    let all = "connections_that_all_fall_silent_are_given_up_and_every_manifest_converges";
    trials.push(stage.scenario_that_waits(
        "api_server",
        all,
        LONGEST,
        connections_that_all_fall_silent_are_given_up_and_every_manifest_converges,
    ));
    trials
}

/// Gives each of them another redirect URL and waits until it is published; tells how long all of them took.
async fn move_all(world: &World, members: &[Member], url: &str) -> Outcome<Duration> {
    let since = Instant::now();
    for member in members {
        world.apply(&world.manifest_of(member, &json!({"redirectUrl": url}))).await?;
    }
    all_moved(world, members, url, PATIENCE).await?;
    Ok(since.elapsed())
}

async fn all_moved(world: &World, members: &[Member], url: &str, within: Duration) -> Outcome {
    let moved = members.iter().map(|member| {
        world.secret_until(&member.name, within, move |data| data.get("redirect_uri").is_some_and(|it| it == url))
    });
    try_join_all(moved).await.map(drop)
}

/// Three rounds, of which the fastest counts: this machine has other things to do, too.
async fn fastest(world: &World, members: &[Member], name: &str) -> Outcome<Duration> {
    let mut fastest = Duration::MAX;
    for round in 0..3 {
        let url = format!("https://{name}.example/{round}");
        fastest = fastest.min(move_all(world, members, &url).await?);
    }
    Ok(fastest)
}

/// F15, L5: it costs one deadline of one call after the other, and nothing but its own manifest waits.
async fn an_object_whose_calls_get_no_answer_delays_no_other(world: Arc<World>) -> Outcome {
    let proxy = world.proxy().await?;
    let members = world.crowd(6).await?;
    world.start_operator_through(&proxy).await?;
    for member in &members {
        world.ready(&member.name).await?;
    }
    let (silent, others) = members.split_first().ok_or("there is nobody")?;
    let usual = fastest(&world, others, "usual").await?;

    let name = silent.name.clone();
    let is_its = move |asked: &Asked| asked.path.split('/').any(|segment| segment == name);
    let before = proxy.count(&is_its);
    proxy.trouble(Trouble::Silence, is_its.clone());
    let url = "https://after.example/silence";
    world.apply(&world.manifest_of(silent, &json!({"redirectUrl": url}))).await?;
    until("a call that gets no answer", PATIENCE, || proxy.count(&is_its) > before).await?;
    let meanwhile = fastest(&world, others, "meanwhile").await?;
    report(&format!("five others: {usual:?} before, {meanwhile:?} while one object's calls get no answer"));
    ensure(meanwhile < usual + DELAY, || format!("it took the others {meanwhile:?} instead of {usual:?}"))?;
    until_logged(&world, "no answer in 15 s", A_DEADLINE).await?;

    proxy.mend();
    all_moved(&world, &members[..1], url, A_DEADLINE).await?;
    ensure_eq(world.sandbox.count("POST", CLIENTS), members.len(), "creations")
}

/// F15, L1: as when a firewall forgets its connections. No news arrives, no call is made, and the watches find
/// out by themselves.
async fn connections_that_all_fall_silent_are_given_up_and_every_manifest_converges(world: Arc<World>) -> Outcome {
    let proxy = world.proxy().await?;
    let members = world.crowd(3).await?;
    world.start_operator_through(&proxy).await?;
    for member in &members {
        world.ready(&member.name).await?;
    }

    let is_watch = |asked: &Asked| asked.is_watch && asked.path.ends_with("/bunqoauthclients");
    let before = proxy.count(is_watch);
    proxy.trouble(Trouble::Silence, |_| true);
    proxy.silence_open(|_| true);
    let url = "https://after.example/silence";
    for member in &members {
        world.apply(&world.manifest_of(member, &json!({"redirectUrl": url}))).await?;
    }
    let noticed = until("another watch", NOTICED, || proxy.count(is_watch) > before).await?;

    let since = Instant::now();
    proxy.mend();
    all_moved(&world, &members, url, GOES_ON).await?;
    report(&format!("a silent watch was noticed after {noticed:?}, and all went on {:?} later", since.elapsed()));
    ensure_eq(world.sandbox.count("POST", CLIENTS), members.len(), "creations")?;
    ensure_eq(world.ask_operator("livez").await?.0, 200, "liveness of the process that was there all the time")
}
