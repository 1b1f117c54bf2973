//! Plays a story with some of its effects cut, until everything has come to rest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bunq_oauth_operator::bunq::{HttpOptions, HttpTransport, LimitMode};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    cut::{Point, PollCut},
    end,
    judge::Judge,
    script::{Counts, Script},
    story::{Goal, Step, Story, Who},
    wire::Wire,
};
use crate::harness::{
    Outcome, TestClock, World, ensure,
    outcome::chain,
    world::{InProcess, condition, is_ready, ready_reason},
};

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// A goal that was not reached is not reached before something happens, or hardly ever.
const LOOK_AGAIN: Duration = Duration::from_millis(30);
/// Nothing follows from an effect that is over for so long.
const QUIET: Duration = Duration::from_millis(40);
/// Nothing but time helps then.
const STUCK: Duration = Duration::from_millis(150);
/// So much time passes when nothing but time helps.
const NUDGE: Duration = Duration::from_secs(31);
/// Nudges that a goal may need: far more than any back-off of a few failures.
const NUDGES: usize = 40;
/// More than the resync interval of an hour.
const A_RESYNC: Duration = Duration::from_mins(80);

/// What came of a run.
#[derive(Debug)]
pub struct Record {
    /// The world at the end.
    pub end: Value,
    /// Effects that were begun in the part that is cut.
    pub begun: Counts,
    /// Effects that took place in it.
    pub done: Counts,
    /// Effects of a resync at rest.
    pub at_rest: Counts,
    /// What was really cut.
    pub cuts: Vec<Point>,
    /// How much time had to pass.
    pub waited: Duration,
    /// Polls of all waits in the part that is cut.
    pub polls: usize,
    /// Whether no poll was the one to cut at.
    pub was_too_short: bool,
    /// What the bank was asked and granted, handshakes included.
    pub granted: Vec<(String, &'static str)>,
    /// Every broken rule.
    pub complaints: Vec<String>,
    /// What happened, step by step.
    pub trail: String,
}

/// A world in which runs are played one after the other.
pub struct Lane {
    world: Arc<World>,
    runs: AtomicUsize,
}

impl Lane {
    /// Plays in this world.
    #[must_use]
    pub fn new(world: Arc<World>) -> Self {
        Self { world, runs: AtomicUsize::new(0) }
    }

    /// Plays `story` with these cuts.
    pub async fn play(&self, story: &Story, points: &[Point]) -> Outcome<Record> {
        self.play_with(story, points, None).await
    }

    /// Plays `story` and drops something after one poll.
    pub async fn play_cut_at(&self, story: &Story, cut: PollCut) -> Outcome<Record> {
        self.play_with(story, &[], Some(cut)).await
    }

    async fn play_with(&self, story: &Story, points: &[Point], cut: Option<PollCut>) -> Outcome<Record> {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let mut run = Run::begin(&self.world, story, number).await?;
        let played = run.play(story, points, cut).await;
        let played = played.map_err(|error| {
            let told = chain(error.as_ref());
            format!("{told}\n  {:?}\n    {}", run.script.complaints(), run.script.trail()).into()
        });
        run.clear_away().await?;
        played
    }
}

/// One run.
struct Run {
    world: Arc<World>,
    script: Arc<Script>,
    judge: Arc<Judge>,
    clock: Arc<TestClock>,
    kube: kube::Client,
    operator: Option<InProcess>,
    /// Whether the operator has seen every manifest: before that it is not at rest, however little it does.
    is_awake: bool,
    name: String,
    requests: usize,
    waited: Duration,
}

impl Run {
    async fn begin(world: &Arc<World>, story: &Story, number: usize) -> Outcome<Self> {
        world.sandbox.clear_calls();
        world.sandbox.behave(|bank| {
            *bank = crate::sandbox::Behaviour::default();
            (story.bank)(bank);
        });
        let user = world.sandbox.new_user();
        let name = format!("run-{number}");
        world.put_key(&format!("key-{name}"), &user.api_key).await?;
        let script = Arc::new(Script::default());
        let judge = Arc::new(Judge::new(Arc::clone(world), Arc::clone(&script), user.id));
        Ok(Self {
            kube: world.operator_client().await?,
            world: Arc::clone(world),
            script,
            judge,
            clock: TestClock::new(),
            operator: None,
            is_awake: false,
            name,
            requests: 0,
            waited: Duration::ZERO,
        })
    }

    async fn play(&mut self, story: &Story, points: &[Point], cut: Option<PollCut>) -> Outcome<Record> {
        self.start_process()?;
        for step in story.before {
            self.take(*step).await?;
        }
        self.settle().await?;
        self.script.open(points);
        self.script.cut_at(cut);
        self.waited = Duration::ZERO;
        for step in story.act {
            self.take(*step).await?;
        }
        self.settle().await?;
        if self.script.is_dying() {
            self.restart().await?;
            self.settle().await?;
        }
        let end = end::state(&self.world, &self.named(story.subject), self.judge.user).await?;
        let (begun, done, waited) = (self.script.begun(), self.script.done(), self.waited);
        let (cuts, complaints, trail) = (self.script.cuts(), self.script.complaints(), self.script.trail());
        let (polls, was_too_short) = self.script.polls();
        let granted = self.granted();
        self.script.open(&[]);
        self.nudge(A_RESYNC);
        self.settle().await?;
        let at_rest = self.script.begun();
        let complaints = [complaints, self.script.complaints()].concat();
        Ok(Record { end, begun, done, at_rest, cuts, waited, polls, was_too_short, granted, complaints, trail })
    }

    /// What the bank was asked and granted in this run, looks left out.
    fn granted(&self) -> Vec<(String, &'static str)> {
        let calls = self.world.sandbox.calls().into_iter().filter(|call| call.method != "GET" && call.status == 200);
        let mut granted: Vec<_> = calls.map(|call| (call.method, call.template)).collect();
        granted.sort();
        granted
    }

    fn named(&self, who: Who) -> String {
        match who {
            Who::One => self.name.clone(),
            Who::Other => format!("other-{}", self.name),
        }
    }

    async fn take(&mut self, step: Step) -> Outcome {
        let (world, one) = (Arc::clone(&self.world), self.name.clone());
        let goal = match step {
            Step::Apply(who, spec, goal) => {
                let mut spec: Value = serde_json::from_str(&spec.replace("{name}", &one))?;
                spec["credentials"] = json!({"apiKeySecretRef": {"name": format!("key-{one}")}});
                world.apply(&world.manifest(&self.named(who), &spec)).await?;
                (who, goal)
            }
            Step::Delete(who, goal) => {
                world.delete(&self.named(who)).await?;
                (who, goal)
            }
            Step::AtBank(act) => {
                world.sandbox.with(|bank| act(bank, self.judge.user));
                (Who::One, Goal::Quiet)
            }
            Step::NewKey => {
                world.put_key(&format!("key-{one}"), &world.sandbox.new_key(self.judge.user)).await?;
                (Who::One, Goal::Quiet)
            }
            Step::SpoilSecret => {
                let spoilt = Patch::Merge(json!({"stringData": {"client_secret": "spoilt"}}));
                world.secrets().patch(&one, &PatchParams::default(), &spoilt).await?;
                (Who::One, Goal::Quiet)
            }
            Step::Ask(goal) => {
                self.requests += 1;
                world.annotate(&one, "reconcile.fluxcd.io/requestedAt", &self.requests.to_string()).await?;
                (Who::One, goal)
            }
            Step::Sweep(time, goal) => {
                let passing = format!("passing-{one}");
                world.apply(&world.manifest(&passing, &json!({"suspend": true}))).await?;
                self.until(Who::One, Goal::Quiet).await?;
                self.nudge(time);
                world.delete(&passing).await?;
                (Who::One, goal)
            }
        };
        self.until(goal.0, goal.1).await
    }

    /// Plays on until the goal is reached and nothing is under way.
    async fn until(&mut self, who: Who, goal: Goal) -> Outcome {
        let (mut nudges, mut pause) = (0, LOOK_EVERY);
        loop {
            self.play_on(pause).await?;
            let Some(quiet) = self.quiet_longer_than(QUIET) else {
                pause = LOOK_EVERY;
                continue;
            };
            if self.has_reached(who, goal).await? {
                return Ok(());
            }
            pause = LOOK_AGAIN;
            if quiet > STUCK && self.script.is_dying() {
                self.restart().await?;
            } else if quiet > STUCK {
                nudges += 1;
                let told = || format!("{goal:?} was not reached in {:?}", self.waited);
                ensure(nudges <= NUDGES, told)?;
                self.waited += NUDGE;
                self.nudge(NUDGE);
            }
        }
    }

    async fn settle(&mut self) -> Outcome {
        loop {
            self.play_on(LOOK_EVERY).await?;
            if self.quiet_longer_than(STUCK).is_some() {
                return Ok(());
            }
        }
    }

    /// A moment passes; a process that died is followed by another.
    async fn play_on(&mut self, moment: Duration) -> Outcome {
        let script = Arc::clone(&self.script);
        let is_dead = tokio::select! {
            () = script.died() => true,
            () = tokio::time::sleep(moment) => false,
        };
        if is_dead || self.operator.as_ref().is_none_or(InProcess::has_ended) {
            self.restart().await?;
        }
        if !self.is_awake && self.operator.as_ref().is_some_and(InProcess::is_ready) {
            self.is_awake = true;
            self.script.stir();
        }
        Ok(())
    }

    /// How long nothing has been going on, if it is so long.
    fn quiet_longer_than(&self, time: Duration) -> Option<Duration> {
        if !self.is_awake {
            return None;
        }
        let quiet = self.script.quiet_for().filter(|quiet| *quiet > time)?;
        // Last, for it costs the operator a rendering of its metrics.
        let is_working = self.operator.as_ref().is_some_and(InProcess::is_working);
        (!is_working).then_some(quiet)
    }

    fn nudge(&self, time: Duration) {
        self.world.sandbox.advance(time);
        self.script.stir();
        self.clock.advance(time);
    }

    async fn restart(&mut self) -> Outcome {
        if let Some(operator) = self.operator.take() {
            operator.kill().await;
        }
        self.start_process()
    }

    fn start_process(&mut self) -> Outcome {
        let wire = Arc::new(Wire {
            script: Arc::clone(&self.script),
            judge: Arc::clone(&self.judge),
            process: self.script.next_process(),
            kube: self.kube.clone(),
            bank: HttpTransport::new(HttpOptions { ca_pem: None })?,
            operator_namespace: self.world.operator_namespace.clone(),
        });
        let seams = wire.seams(Arc::clone(&self.clock));
        self.operator = Some(self.world.start_in_process_on(seams, LimitMode::Off)?);
        self.is_awake = false;
        Ok(())
    }

    async fn has_reached(&self, who: Who, goal: Goal) -> Outcome<bool> {
        let object = self.world.objects().get_opt(&self.named(who)).await?;
        let object = object.map(serde_json::to_value).transpose()?.unwrap_or_default();
        let status = |object: &Value, field: &str| object["status"][field].clone();
        let handled = status(&object, "lastHandledReconcileAt");
        let is_ready_now = |object: &Value| {
            let is_verified = condition(object, "RemoteInSync")["status"] == "True";
            is_ready(object)
                && ready_reason(object) == "Synced"
                && is_verified
                && status(object, "nextAttemptTime").is_null()
        };
        let is_observed = object["status"]["observedGeneration"] == object["metadata"]["generation"];
        Ok(match goal {
            Goal::Ready => is_ready_now(&object) && handled.as_str().unwrap_or("0") == self.requests.to_string(),
            Goal::Reason(reason) => is_observed && ready_reason(&object) == reason,
            Goal::OtherReady => is_ready_now(&self.world.object(&self.named(Who::Other)).await?),
            Goal::Gone => object.is_null() && self.world.claims().await?.is_empty(),
            Goal::NoContext => self.world.contexts().await?.is_empty(),
            Goal::Quiet => true,
        })
    }

    /// Leaves the namespaces as they were found.
    async fn clear_away(mut self) -> Outcome {
        if let Some(operator) = self.operator.take() {
            operator.kill().await;
        }
        let (at_once, everything) = (DeleteParams::default(), ListParams::default());
        for name in [self.named(Who::One), self.named(Who::Other), format!("passing-{}", self.name)] {
            let bare = Patch::Merge(json!({"metadata": {"finalizers": null}}));
            // It may be gone already.
            let _ = self.world.objects().patch(&name, &PatchParams::default(), &bare).await;
            let _ = self.world.objects().delete(&name, &at_once).await;
        }
        self.world.secrets().delete_collection(&at_once, &everything).await?;
        let (admin, home) = (self.world.admin(), &self.world.operator_namespace);
        let ours = ListParams::default().labels("bunq-operator.io/part");
        Api::<ConfigMap>::namespaced(admin.clone(), home).delete_collection(&at_once, &ours).await?;
        Api::<Secret>::namespaced(admin, home).delete_collection(&at_once, &ours).await?;
        Ok(())
    }
}
