//! Where the scenarios play: one runtime, one control plane, started when the first one asks.

use std::{fmt::Display, future::Future, sync::Arc, time::Duration};

use libtest_mimic::{Failed, Trial};
use testbed::harness::{Bench, Outcome, World, chain, ensure};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{OnceCell, Semaphore},
    time::timeout,
};

use crate::times::Times;

/// A scenario that takes longer hangs; many play at the same time on a small machine.
const LONGEST: Duration = Duration::from_mins(8);
/// Building the control plane the first time takes minutes.
const LONGEST_START: Duration = Duration::from_mins(20);

type SharedBench = Arc<OnceCell<Result<Arc<Bench>, String>>>;

/// Where the scenarios play.
pub(crate) struct Stage {
    runtime: Runtime,
    bench: SharedBench,
    turns: Arc<Semaphore>,
    times: Times,
}

/// The kind of a scenario that waits: it has to begin early.
pub(crate) const WAITS: &str = "waits";

/// What a scenario does most of its time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Works,
    Waits,
}

impl Stage {
    /// A stage without a control plane yet, for so many scenarios that work at the same time.
    pub(crate) fn new(at_once: usize) -> Result<Self, String> {
        let runtime = Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("start a runtime: {error}"))?;
        let turns = Arc::new(Semaphore::new(at_once));
        Ok(Self { runtime, bench: SharedBench::default(), turns, times: Times::default() })
    }

    /// A scenario in a world of its own.
    pub(crate) fn scenario<Play>(
        &self,
        story: &'static str,
        name: &str,
        play: impl FnOnce(Arc<World>) -> Play + Send + 'static,
    ) -> Trial
    where
        Play: Future<Output = Outcome> + Send,
    {
        self.scenario_within(story, name, LONGEST, play)
    }

    /// A scenario in a world of its own that may take so long.
    pub(crate) fn scenario_within<Play>(
        &self,
        story: &'static str,
        name: &str,
        longest: Duration,
        play: impl FnOnce(Arc<World>) -> Play + Send + 'static,
    ) -> Trial
    where
        Play: Future<Output = Outcome> + Send,
    {
        self.with_bench(story, name, move |bench| play_in(bench, story, longest, play))
    }

    /// A scenario that mostly waits for real time to pass: it plays beside those that work, and may take so long.
    pub(crate) fn scenario_that_waits<Play>(
        &self,
        story: &'static str,
        name: &str,
        longest: Duration,
        play: impl FnOnce(Arc<World>) -> Play + Send + 'static,
    ) -> Trial
    where
        Play: Future<Output = Outcome> + Send,
    {
        self.on_bench(Pace::Waits, story, name, move |bench| play_in(bench, story, longest, play)).with_kind(WAITS)
    }

    /// A scenario on a control plane of its own, for what would disturb everybody else's.
    pub(crate) fn scenario_alone<Play>(
        &self,
        story: &'static str,
        name: &str,
        longest: Duration,
        play: impl FnOnce(Arc<World>) -> Play + Send + 'static,
    ) -> Trial
    where
        Play: Future<Output = Outcome> + Send,
    {
        self.with_bench(story, name, move |bench| async move {
            let is_ours = bench.control_plane().audit_log().is_some();
            ensure(is_ours, || "there is no second one beside a cluster of yours".to_owned())?;
            let own = Arc::new(bench.another().await?);
            let finished = play_in(Arc::clone(&own), story, longest, play).await;
            for secret in own.secrets() {
                bench.plant(secret);
            }
            let own = Arc::into_inner(own).ok_or("somebody still uses the control plane")?;
            finished.and(own.stop().await)
        })
    }

    /// A scenario that needs the control plane only.
    pub(crate) fn with_bench<Play>(
        &self,
        story: &str,
        name: &str,
        play: impl FnOnce(Arc<Bench>) -> Play + Send + 'static,
    ) -> Trial
    where
        Play: Future<Output = Outcome> + Send,
    {
        self.on_bench(Pace::Works, story, name, play)
    }

    fn on_bench<Play>(
        &self,
        pace: Pace,
        story: &str,
        name: &str,
        play: impl FnOnce(Arc<Bench>) -> Play + Send + 'static,
    ) -> Trial
    where
        Play: Future<Output = Outcome> + Send,
    {
        let (bench, times, title) = (Arc::clone(&self.bench), self.times.clone(), format!("{story}::{name}"));
        // The start of what all share is nobody's time.
        self.trial(pace, title.clone(), async move {
            let started = bench.get_or_init(start).await.clone();
            times.of(title, play(started?)).await
        })
    }

    /// Any future as a test; its error becomes the failure's text.
    pub(crate) fn plain<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        &self,
        story: impl Display,
        name: &str,
        play: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Trial {
        let (times, title) = (self.times.clone(), format!("{story}::{name}"));
        self.trial(Pace::Works, title.clone(), async move { times.of(title, play).await })
    }

    fn trial<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        &self,
        pace: Pace,
        title: String,
        play: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Trial {
        let (runtime, turns) = (self.runtime.handle().clone(), Arc::clone(&self.turns));
        Trial::test(title, move || {
            let played = runtime.block_on(async {
                let _turn = if pace == Pace::Works { turns.acquire().await.ok() } else { None };
                play.await
            });
            played.map_err(|error| Failed::from(chain(error.into().as_ref())))
        })
    }

    /// How long each scenario took so far.
    pub(crate) fn times(&self) -> Times {
        self.times.clone()
    }

    /// A check that needs nothing.
    pub(crate) fn check(&self, story: &str, name: &str, check: fn() -> Result<(), String>) -> Trial {
        self.plain(story, name, async move { check() })
    }

    /// Ends the control plane, if there is one.
    pub(crate) fn close(self) -> Result<(), String> {
        let Some(Ok(bench)) = Arc::into_inner(self.bench).and_then(OnceCell::into_inner) else {
            return Ok(());
        };
        let bench = Arc::into_inner(bench).ok_or("a scenario still plays: its control plane ends with this process")?;
        self.runtime.block_on(bench.stop()).map_err(|error| chain(error.as_ref()))
    }
}

/// Plays in a new world, and ends it.
async fn play_in<Play>(
    bench: Arc<Bench>,
    story: &str,
    longest: Duration,
    play: impl FnOnce(Arc<World>) -> Play,
) -> Outcome
where
    Play: Future<Output = Outcome>,
{
    let world = World::new(bench, story).await?;
    let played = timeout(longest, play(Arc::clone(&world))).await;
    let played = played.unwrap_or_else(|_| Err(format!("it did not end within {longest:?}").into()));
    world.finish(played).await
}

/// Tells a count that people want to know.
#[expect(clippy::print_stdout, reason = "the counts are what a run is told by")]
pub(crate) fn report(count: &str) {
    println!("    {count}");
}

async fn start() -> Result<Arc<Bench>, String> {
    let started = timeout(LONGEST_START, Bench::start()).await;
    let started = started.unwrap_or_else(|_| Err(format!("it was not there within {LONGEST_START:?}").into()));
    started.map(Arc::new).map_err(|error| format!("the control plane: {}", chain(error.as_ref())))
}

/// The scenarios of a story, each named as its function.
macro_rules! scenarios {
    ($stage:expr, $story:literal: $($play:ident),+ $(,)?) => {
        vec![$($stage.scenario($story, stringify!($play), $play)),+]
    };
}
pub(crate) use scenarios;
