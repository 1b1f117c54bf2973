//! The API server is restarted again and again, and its store forgets what was before (F14).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{Outcome, World, ensure, ensure_eq, world::Member};

use super::CLIENTS;
use crate::stage::{Stage, report};

/// A restart takes several seconds, and more on a busy machine.
const LONGEST: Duration = Duration::from_mins(12);
const RESTARTS: usize = 20;
const MEMBERS: usize = 5;
/// What is edited after the last restart is published by then.
const SOON: Duration = Duration::from_secs(10);
/// What was edited in the middle of a restart is published by then.
const LATER: Duration = Duration::from_mins(1);

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    let name = "restarted_twenty_times_it_is_found_again_and_nothing_is_created_twice";
    vec![stage.scenario_alone(
        "api_server",
        name,
        LONGEST,
        restarted_twenty_times_it_is_found_again_and_nothing_is_created_twice,
    )]
}

fn url(member: usize, round: usize) -> String {
    format!("https://app-{member}.example/{round}")
}

/// F14: an edit right before each restart, one right after it, and the versions in between are forgotten.
async fn restarted_twenty_times_it_is_found_again_and_nothing_is_created_twice(world: Arc<World>) -> Outcome {
    let members = world.crowd(MEMBERS).await?;
    world.start_operator().await?;
    for member in &members {
        world.ready(&member.name).await?;
    }
    let (trail, plane) = (world.audit_trail()?, world.bench.control_plane());
    let mut declared = vec![0; MEMBERS];
    let since = Instant::now();
    for round in 1..=RESTARTS {
        let (before, after) = (round % MEMBERS, (round + 1) % MEMBERS);
        declare(&world, &members, before, round).await?;
        plane.compact().await?;
        plane.restart_apiserver().await?;
        declare(&world, &members, after, round).await?;
        (declared[before], declared[after]) = (round, round);
    }
    report(&format!("{RESTARTS} restarts with a compaction each in {:?}", since.elapsed()));

    let last = Instant::now();
    declare(&world, &members, 0, RESTARTS + 1).await?;
    published(&world, &members, 0, RESTARTS + 1, SOON).await?;
    report(&format!("an edit after the last restart was published after {:?}", last.elapsed()));
    declared[0] = RESTARTS + 1;
    for (number, round) in declared.into_iter().enumerate() {
        published(&world, &members, number, round, LATER).await?;
        world.ensure_one_client_with_its_pair(&members[number]).await?;
    }

    let writes = trail.writes_of(&world.operator_user())?;
    let created: Vec<_> = writes.iter().filter(|it| it.starts_with("create ") && !it.contains(" events ")).collect();
    ensure(created.is_empty(), || format!("in the cluster it created {created:?}"))?;
    for call in [CLIENTS, "installation", "device-server", "session-server"] {
        ensure_eq(world.sandbox.count("POST", call), MEMBERS, call)?;
    }
    Ok(())
}

/// Declares another URL, as soon as the API server takes it.
async fn declare(world: &World, members: &[Member], number: usize, round: usize) -> Outcome {
    let manifest = world.manifest_of(&members[number], &json!({"redirectUrl": url(number, round)}));
    let since = Instant::now();
    loop {
        match world.apply(&manifest).await {
            Ok(_) => return Ok(()),
            Err(error) if since.elapsed() > SOON => return Err(error),
            Err(_) => tokio::time::sleep(super::LOOK_EVERY).await,
        }
    }
}

async fn published(world: &World, members: &[Member], number: usize, round: usize, within: Duration) -> Outcome {
    let wanted = url(number, round);
    let name = &members[number].name;
    world.secret_until(name, within, |data| data.get("redirect_uri") == Some(&wanted)).await.map(drop)
}
