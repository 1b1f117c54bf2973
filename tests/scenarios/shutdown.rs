//! SIGTERM: no new work, the effect under way ends, the lease goes back, exit 0 (F10).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use rustix::process::Signal;
use serde_json::json;
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq,
        replica::{RELEASED, Replica, Said},
        until,
        world::is_ready,
    },
    sandbox::{Call, Fault, FaultKind},
};

use crate::stage::{Stage, scenarios};

const PATIENCE: Duration = Duration::from_secs(30);
/// The bank takes so long for an answer.
const ANSWER: Duration = Duration::from_secs(2);
const CREATION: &str = "user/{u}/oauth-client";
const URLS: &str = "user/{u}/oauth-client/{c}/callback-url";
/// For so long a change without an answer rests.
const DOUBT: Duration = Duration::from_secs(45);
const BUSY: usize = 20;

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "shutdown":
        told_to_end_amid_a_creation_it_takes_the_answer_in_and_begins_nothing_more,
        told_to_end_under_load_it_ends_in_order_and_the_next_one_finishes,
        told_to_end_amid_a_refusal_it_notes_the_refusal_and_the_next_one_goes_on_from_there,
        told_twice_it_ends_at_once,
    )
}

async fn alone(world: &World) -> Outcome<Replica> {
    let replica = world.start_replica("a").await?;
    replica.elected().await?;
    Ok(replica)
}

async fn told_to_end_amid_a_creation_it_takes_the_answer_in_and_begins_nothing_more(world: Arc<World>) -> Outcome {
    let replica = alone(&world).await?;
    world.sandbox.inject(Fault::new("POST", &format!("{CREATION}$"), FaultKind::DelayReply(ANSWER)));
    let member = world.join(0).await?;
    until("a creation", PATIENCE, || asked(&world, CREATION) == 1).await?;
    let log = replica.log_file().to_owned();

    replica.stop().await?;

    let said = Said::read(&log)?;
    let last = world.sandbox.calls().pop();
    ensure(last.as_ref().is_some_and(is_creation), || format!("it went on with {last:?}"))?;
    let changes = world.sandbox.calls().iter().filter(|call| call.method != "GET").count();
    ensure_eq(said.changes().len(), changes, "changes that it tells of")?;
    ensure(said.at(RELEASED).is_some(), || "it did not give the lease back".to_owned())?;
    ensure(world.contexts().await?.len() == 1, || "its session is not stored".to_owned())?;

    let next = alone(&world).await?;
    world.ready(&member.name).await?;
    world.ensure_one_client_with_its_pair(&member).await?;
    ensure_eq(asked(&world, "session-server"), 1, "sessions")?;
    ensure_eq(asked(&world, CREATION), 1, "creations")?;
    next.stop().await.map(drop)
}

/// What was refused is not asked again, and nobody waits for an answer that was there (F10).
async fn told_to_end_amid_a_refusal_it_notes_the_refusal_and_the_next_one_goes_on_from_there(
    world: Arc<World>,
) -> Outcome {
    let replica = alone(&world).await?;
    let member = world.join(0).await?;
    world.ready(&member.name).await?;
    // There is no room for one more: the entry is replaced after the refusal.
    world.sandbox.behave(|bank| bank.max_callback_urls = Some(1));
    world.sandbox.inject(Fault::new("POST", &format!("{URLS}$"), FaultKind::DelayReply(ANSWER)));
    let moved = "https://myapp.com/moved";
    world.apply(&world.manifest_of(&member, &json!({"redirectUrl": moved}))).await?;
    until("a URL that is refused", PATIENCE, || asked(&world, URLS) == 1).await?;
    replica.stop().await?;
    let last = world.sandbox.calls().pop();
    ensure(last.as_ref().is_some_and(|call| call.method == "POST"), || format!("it went on with {last:?}"))?;

    let next = alone(&world).await?;
    let since = Instant::now();
    world
        .until(&member.name, "Ready again", |object| is_ready(object) && object["status"]["observedGeneration"] == 2)
        .await?;

    ensure(since.elapsed() < DOUBT, || format!("it waited for {:?}", since.elapsed()))?;
    ensure_eq(asked(&world, URLS), 1, "URLs that were to be added")?;
    ensure_eq(world.sandbox.count("PUT", &format!("{URLS}/{{m}}")), 1, "entries that were replaced")?;
    next.stop().await.map(drop)
}

async fn told_to_end_under_load_it_ends_in_order_and_the_next_one_finishes(world: Arc<World>) -> Outcome {
    let replica = alone(&world).await?;
    world.sandbox.inject(Fault::new("*", "", FaultKind::DelayReply(Duration::from_millis(200))).forever());
    let members = world.crowd(BUSY).await?;
    until("a quarter of the creations", PATIENCE, || asked(&world, CREATION) >= BUSY / 4).await?;
    let log = replica.log_file().to_owned();

    replica.stop().await?;
    let known = world.sandbox.calls().len();
    ensure(Said::read(&log)?.at(RELEASED).is_some(), || "it did not give the lease back".to_owned())?;

    let next = alone(&world).await?;
    for member in &members {
        world.ready(&member.name).await?;
        world.ensure_one_client_with_its_pair(member).await?;
    }
    ensure(world.sandbox.calls().len() > known, || "there was nothing left to do".to_owned())?;
    ensure_eq(asked(&world, CREATION), BUSY, "creations")?;
    ensure_eq(world.sandbox.with(|bank| bank.devices.len()), BUSY, "devices")?;
    next.stop().await.map(drop)
}

async fn told_twice_it_ends_at_once(world: Arc<World>) -> Outcome {
    let replica = alone(&world).await?;
    let silence = FaultKind::Silence(Duration::from_secs(20));
    world.sandbox.inject(Fault::new("POST", &format!("{CREATION}$"), silence));
    world.join(0).await?;
    until("a call that gets no answer", PATIENCE, || world.sandbox.waiting_faults() == 0).await?;

    let since = Instant::now();
    replica.process().signal(Signal::TERM)?;
    until("a word about stopping", PATIENCE, || replica.said().has_said("stopping")).await?;
    replica.process().signal(Signal::TERM)?;
    let status = replica.ended().await?;

    ensure(!status.success(), || "it ended as if all were in order".to_owned())?;
    // The call alone would have taken 8 s.
    ensure(since.elapsed() < Duration::from_secs(6), || format!("it took {:?}", since.elapsed()))
}

fn is_creation(call: &Call) -> bool {
    call.method == "POST" && call.template == CREATION
}

fn asked(world: &World, template: &str) -> usize {
    world.sandbox.calls().iter().filter(|call| call.method == "POST" && call.template == template).count()
}
