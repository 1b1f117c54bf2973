//! Twenty rolling restarts of two replicas while people change their manifests (F10, S15, L6).

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use libtest_mimic::Trial;
use serde_json::json;
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq,
        replica::{ELECTED, RESIGNED, Replica},
        world::Member,
    },
    sandbox::{Fault, FaultKind},
};

use crate::stage::{Stage, report};

const LONGEST: Duration = Duration::from_mins(10);
const RESTARTS: usize = 20;
const MEMBERS: usize = 4;
/// Between two changes of a manifest.
const CHANGE_EVERY: Duration = Duration::from_millis(200);
/// A pod needs longer to start than a process, and meanwhile people go on.
const BETWEEN_PODS: Duration = Duration::from_millis(300);
/// A bank that takes its time, so that calls are under way when a replica is told to end.
const SLOW: FaultKind = FaultKind::DelayReply(Duration::from_millis(60));
/// Far above the goal of 2 s: a busy machine is no fault.
const LONGEST_HANDOVER: SignedDuration = SignedDuration::from_secs(10);
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let name = "twenty_rolling_restarts_amid_changes_overlap_nowhere_and_lose_no_change";
    vec![stage.scenario_within("rolling", name, LONGEST, twenty_rolling_restarts)]
}

async fn twenty_rolling_restarts(world: Arc<World>) -> Outcome {
    world.sandbox.inject(Fault::new("*", "", SLOW).forever());
    let members = world.crowd(MEMBERS).await?;
    let mut roll = Roll::begin(&world).await?;
    for member in &members {
        world.ready(&member.name).await?;
    }
    let is_over = Arc::new(AtomicBool::default());
    let people = tokio::spawn(change(Arc::clone(&world), members.clone(), Arc::clone(&is_over)));

    for _ in 0..RESTARTS {
        roll.replace_both(&world).await?;
    }
    is_over.store(true, Ordering::Relaxed);
    let changes = people.await??;

    let mut last = Vec::new();
    for member in &members {
        let generation = world.object(&member.name).await?["metadata"]["generation"].clone();
        let what = "its last change is Ready";
        let fits = |object: &serde_json::Value| {
            object["status"]["observedGeneration"] == generation && testbed::harness::world::is_ready(object)
        };
        last.push(tokio::time::timeout(PATIENCE, world.until(&member.name, what, fits)).await??);
        world.ensure_one_client_with_its_pair(member).await?;
    }
    let terms = roll.end().await?;
    let handovers = handovers(&terms)?;
    ensure_no_overlap(&world, &terms)?;
    let percentile = |share: usize| handovers[(handovers.len() - 1) * share / 100].as_secs_f64();
    report(&format!(
        "{RESTARTS} rolling restarts, {changes} changes, {} hand-overs: p50 {:.2} s, p99 {:.2} s, longest {:.2} s",
        handovers.len(),
        percentile(50),
        percentile(99),
        percentile(100),
    ));
    ensure(handovers.last().is_none_or(|longest| *longest < LONGEST_HANDOVER), || format!("{handovers:?}"))
}

/// People who change their redirect URLs again and again; tells how often.
async fn change(world: Arc<World>, members: Vec<Member>, is_over: Arc<AtomicBool>) -> Outcome<usize> {
    let mut changes = 0;
    while !is_over.load(Ordering::Relaxed) {
        let member = &members[changes % members.len()];
        let urls = json!({"additionalRedirectUrls": [format!("https://shop.example/{}", changes / members.len() % 3)]});
        world.apply(&world.manifest_of(member, &urls)).await?;
        changes += 1;
        tokio::time::sleep(CHANGE_EVERY).await;
    }
    Ok(changes)
}

/// A Deployment of two replicas that is rolled again and again.
struct Roll {
    pods: [Replica; 2],
    started: usize,
    terms: Vec<Term>,
}

/// What a replica did, by its own words.
#[derive(Debug)]
struct Term {
    replica: String,
    elected: Option<Timestamp>,
    resigned: Option<Timestamp>,
    /// The ids of its changes at the bank.
    changes: Vec<String>,
}

impl Roll {
    async fn begin(world: &World) -> Outcome<Self> {
        let pods = [world.start_replica("pod-0").await?, world.start_replica("pod-1").await?];
        Ok(Self { pods, started: 2, terms: Vec::new() })
    }

    /// As a Deployment with `maxSurge: 1` and `maxUnavailable: 0` does it.
    async fn replace_both(&mut self, world: &World) -> Outcome {
        for at in 0..self.pods.len() {
            tokio::time::sleep(BETWEEN_PODS).await;
            let new = world.start_replica(&format!("pod-{}", self.started)).await?;
            self.started += 1;
            let old = std::mem::replace(&mut self.pods[at], new);
            self.terms.push(old.retire().await?);
        }
        Ok(())
    }

    async fn end(self) -> Outcome<Vec<Term>> {
        let mut terms = self.terms;
        for pod in self.pods {
            terms.push(pod.retire().await?);
        }
        Ok(terms)
    }
}

trait Retire {
    async fn retire(self) -> Outcome<Term>;
}

impl Retire for Replica {
    /// Ends it in order, and keeps what it said.
    async fn retire(self) -> Outcome<Term> {
        let (replica, log) = (self.name().to_owned(), self.log_file().to_owned());
        self.stop().await?;
        let said = testbed::harness::replica::Said::read(&log)?;
        let changes = said.changes().into_iter().map(|told| told.request_id).collect();
        Ok(Term { replica, elected: said.at(ELECTED), resigned: said.at(RESIGNED), changes })
    }
}

/// How long nobody led, each time; the longest last.
fn handovers(terms: &[Term]) -> Outcome<Vec<SignedDuration>> {
    let mut led: Vec<_> = terms.iter().filter_map(|term| Some((term.elected?, term))).collect();
    led.sort_by_key(|(elected, _)| *elected);
    let mut gaps = Vec::new();
    for pair in led.windows(2) {
        let resigned = pair[0].1.resigned.ok_or_else(|| format!("{} did not resign", pair[0].1.replica))?;
        ensure(resigned <= pair[1].0, || {
            format!("{} and {} led at the same time", pair[0].1.replica, pair[1].1.replica)
        })?;
        gaps.push(pair[1].0.duration_since(resigned));
    }
    ensure(gaps.len() >= RESTARTS, || format!("only {} hand-overs", gaps.len()))?;
    gaps.sort();
    Ok(gaps)
}

/// In the order in which the bank saw the changes, each replica's are in one piece.
fn ensure_no_overlap(world: &World, terms: &[Term]) -> Outcome {
    let mut by_id = BTreeMap::new();
    for term in terms {
        by_id.extend(term.changes.iter().map(|id| (id.as_str(), term.replica.as_str())));
    }
    let mut order: Vec<&str> = Vec::new();
    let mutations = world.sandbox.mutations();
    for call in &mutations {
        let id = call.request_id.as_deref().unwrap_or_default();
        let replica = by_id.get(id).ok_or_else(|| format!("nobody tells of {call}"))?;
        if order.last() != Some(replica) {
            order.push(*replica);
        }
    }
    let pieces = order.len();
    order.sort_unstable();
    order.dedup();
    report(&format!("{} changes at the bank by {} replicas", mutations.len(), order.len()));
    ensure_eq(pieces, order.len(), "pieces of work, as many as replicas that worked")
}
