//! Readiness that is earned and liveness that can be lost (`C43`).

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Ready once every handle that was given out reported so, until the shutdown begins.
///
/// Without any handle nothing is ready: a server that starts before its controllers must not
/// claim they run.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    state: Arc<Mutex<ReadinessState>>,
}

#[derive(Debug, Default)]
struct ReadinessState {
    parts: BTreeMap<&'static str, bool>,
    shutting_down: bool,
}

impl Readiness {
    /// Not ready: nobody has reported yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A handle for the part called `name`, which is waited for from now on.
    #[must_use = "a handle that is dropped keeps its part pending for ever"]
    pub fn handle(&self, name: &'static str) -> ReadyHandle {
        lock(&self.state).parts.insert(name, false);
        ReadyHandle { name, readiness: self.clone() }
    }

    /// Whether every part is ready and no shutdown has begun.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let state = lock(&self.state);
        !state.shutting_down && !state.parts.is_empty() && state.parts.values().all(|ready| *ready)
    }

    /// The names of the parts that are waited for, sorted.
    #[must_use]
    pub fn pending(&self) -> Vec<String> {
        let state = lock(&self.state);
        let waiting = state.parts.iter().filter(|(_, ready)| !**ready);
        waiting.map(|(name, _)| (*name).to_owned()).collect()
    }

    /// Ends readiness for good: the process is about to stop.
    pub fn shutting_down(&self) {
        lock(&self.state).shutting_down = true;
    }

    /// Every check with its verdict, for people.
    pub(super) fn checks(&self) -> Vec<(&'static str, bool)> {
        let state = lock(&self.state);
        let parts = state.parts.iter().map(|(name, ready)| (*name, *ready));
        parts.chain([("started", !state.parts.is_empty()), ("not-shutting-down", !state.shutting_down)]).collect()
    }
}

/// The right to say that one part has caught up.
#[derive(Debug)]
pub struct ReadyHandle {
    name: &'static str,
    readiness: Readiness,
}

impl ReadyHandle {
    /// Reports this part ready; saying it again changes nothing.
    pub fn set_ready(&self) {
        lock(&self.readiness.state).parts.insert(self.name, true);
    }
}

/// A liveness check that does not hold, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCheck {
    /// The name the check was registered with.
    pub name: &'static str,
    /// What is wrong, one line.
    pub reason: String,
}

/// Alive while every watched task runs and every heartbeat is fresh.
#[derive(Clone)]
pub struct Liveness {
    checks: Arc<Mutex<BTreeMap<&'static str, Check>>>,
    monotonic: Arc<dyn Fn() -> Duration + Send + Sync>,
}

#[derive(Debug)]
enum Check {
    Running,
    Ended,
    Beating {
        last: Duration,
        max_age: Duration,
    },
    /// What is under way, by number, and when it began.
    Working {
        under_way: BTreeMap<u64, Duration>,
        begun: u64,
        max_age: Duration,
    },
}

impl Liveness {
    /// Alive, with no check yet. `monotonic` is time since a fixed point.
    #[must_use]
    pub fn new(monotonic: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { checks: Arc::default(), monotonic: Arc::new(monotonic) }
    }

    /// Watches a task that must not end: it owns the guard, and dropping that in any way (return,
    /// error, panic, abort) fails the check for good.
    #[must_use = "dropping the guard fails the check"]
    pub fn task(&self, name: &'static str) -> TaskGuard {
        lock(&self.checks).insert(name, Check::Running);
        TaskGuard { name, liveness: self.clone() }
    }

    /// Watches a loop that must come by at least every `max_age`; it counts as fresh now.
    #[must_use = "a heartbeat that never beats fails after its maximal age"]
    pub fn heartbeat(&self, name: &'static str, max_age: Duration) -> Heartbeat {
        let heartbeat = Heartbeat { name, max_age, liveness: self.clone() };
        heartbeat.beat();
        heartbeat
    }

    /// Watches pieces of work, none of which may take longer than `max_age`.
    #[must_use = "a handle that is dropped watches nothing"]
    pub fn work(&self, name: &'static str, max_age: Duration) -> Work {
        lock(&self.checks).insert(name, Check::Working { under_way: BTreeMap::new(), begun: 0, max_age });
        Work { name, liveness: self.clone() }
    }

    /// Whether no check fails.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.failed().is_empty()
    }

    /// The checks that fail, sorted by name.
    #[must_use]
    pub fn failed(&self) -> Vec<FailedCheck> {
        let now = (self.monotonic)();
        let checks = lock(&self.checks);
        let verdicts = checks.iter().map(|(name, check)| (*name, check.fault(now)));
        verdicts.filter_map(|(name, fault)| fault.map(|reason| FailedCheck { name, reason })).collect()
    }

    /// The names of all checks, sorted.
    pub(super) fn names(&self) -> Vec<&'static str> {
        lock(&self.checks).keys().copied().collect()
    }
}

impl Check {
    fn fault(&self, now: Duration) -> Option<String> {
        match self {
            Self::Running => None,
            Self::Ended => Some("the task has ended".to_owned()),
            Self::Beating { last, max_age } => {
                let age = now.saturating_sub(*last);
                (age > *max_age).then(|| {
                    let (age, limit) = (age.as_secs(), max_age.as_secs());
                    format!("last heartbeat {age} s ago, at most {limit} s allowed")
                })
            }
            Self::Working { under_way, max_age, .. } => {
                let oldest = under_way.values().min()?;
                let age = now.saturating_sub(*oldest);
                (age > *max_age).then(|| {
                    let (age, limit) = (age.as_secs(), max_age.as_secs());
                    format!("work under way since {age} s, at most {limit} s allowed")
                })
            }
        }
    }
}

impl fmt::Debug for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = lock(&self.checks);
        f.debug_struct("Liveness").field("checks", &*checks).finish_non_exhaustive()
    }
}

/// Owned by a task that must not end.
#[derive(Debug)]
pub struct TaskGuard {
    name: &'static str,
    liveness: Liveness,
}

impl TaskGuard {
    /// Ends the watch without a fault: the task was asked to stop.
    pub fn released(self) {
        lock(&self.liveness.checks).remove(self.name);
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        // A released guard has no entry any more.
        if let Some(check) = lock(&self.liveness.checks).get_mut(self.name) {
            *check = Check::Ended;
        }
    }
}

/// Owned by a loop that must keep coming by.
#[derive(Debug)]
pub struct Heartbeat {
    name: &'static str,
    max_age: Duration,
    liveness: Liveness,
}

impl Heartbeat {
    /// Tells that the loop came by.
    pub fn beat(&self) {
        let beating = Check::Beating { last: (self.liveness.monotonic)(), max_age: self.max_age };
        lock(&self.liveness.checks).insert(self.name, beating);
    }
}

/// Owned by whoever begins pieces of work.
#[derive(Debug, Clone)]
pub struct Work {
    name: &'static str,
    liveness: Liveness,
}

impl Work {
    /// Begins one; it ends when the guard is dropped.
    #[must_use = "the work counts as done when the guard is dropped"]
    pub fn begin(&self) -> Working<'_> {
        let now = (self.liveness.monotonic)();
        let mut number = 0;
        if let Some(Check::Working { under_way, begun, .. }) = lock(&self.liveness.checks).get_mut(self.name) {
            *begun += 1;
            number = *begun;
            under_way.insert(number, now);
        }
        Working { work: self, number }
    }
}

/// One piece of work under way.
#[derive(Debug)]
pub struct Working<'w> {
    work: &'w Work,
    number: u64,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if let Some(Check::Working { under_way, .. }) = lock(&self.work.liveness.checks).get_mut(self.work.name) {
            under_way.remove(&self.number);
        }
    }
}

/// A panic elsewhere must not take the probes with it: the maps are consistent at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn nothing_is_ready_before_the_first_handle() {
        let readiness = Readiness::new();
        assert!(!readiness.is_ready());
        assert!(readiness.pending().is_empty());
    }

    #[test]
    fn readiness_waits_for_every_handle_and_ends_with_the_shutdown() {
        let readiness = Readiness::new();
        let (watch, sweep) = (readiness.handle("watch"), readiness.handle("sweep"));
        watch.set_ready();
        assert!(!readiness.is_ready());
        assert_eq!(readiness.pending(), ["sweep"]);
        sweep.set_ready();
        assert!(readiness.is_ready());
        readiness.shutting_down();
        assert!(!readiness.is_ready());
    }

    #[test]
    fn a_dropped_handle_keeps_its_part_pending() {
        let readiness = Readiness::new();
        drop(readiness.handle("watch"));
        assert_eq!(readiness.pending(), ["watch"]);
    }

    #[test]
    fn a_task_that_ends_in_any_way_fails_liveness_unless_it_was_asked_to_stop() {
        let liveness = Liveness::new(|| Duration::ZERO);
        let asked = liveness.task("asked");
        let crashed = liveness.task("crashed");
        assert!(liveness.is_alive());
        asked.released();
        assert!(liveness.is_alive());
        let panicked = std::thread::spawn(move || {
            let _held = crashed;
            panic!("a task dies");
        });
        assert!(panicked.join().is_err());
        let failed = liveness.failed();
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].name, "crashed");
    }

    #[test]
    fn work_that_takes_too_long_fails_liveness_until_it_is_done() {
        let seconds = Arc::new(AtomicU64::new(0));
        let source = seconds.clone();
        let liveness = Liveness::new(move || Duration::from_secs(source.load(Ordering::Relaxed)));
        let work = liveness.work("workers", Duration::from_secs(150));
        let first = work.begin();
        seconds.store(100, Ordering::Relaxed);
        let second = work.begin();
        seconds.store(151, Ordering::Relaxed);
        assert_eq!(liveness.failed()[0].reason, "work under way since 151 s, at most 150 s allowed");
        drop(first);
        assert!(liveness.is_alive());
        drop(second);
        seconds.store(9999, Ordering::Relaxed);
        assert!(liveness.is_alive(), "nothing is under way");
    }

    #[test]
    fn a_heartbeat_fails_when_it_is_too_old_and_recovers_when_it_beats() {
        let seconds = Arc::new(AtomicU64::new(0));
        let source = seconds.clone();
        let liveness = Liveness::new(move || Duration::from_secs(source.load(Ordering::Relaxed)));
        let heartbeat = liveness.heartbeat("sweeper", Duration::from_mins(1));
        seconds.store(60, Ordering::Relaxed);
        assert!(liveness.is_alive());
        seconds.store(61, Ordering::Relaxed);
        let reason = &liveness.failed()[0].reason;
        assert_eq!(reason, "last heartbeat 61 s ago, at most 60 s allowed");
        heartbeat.beat();
        assert!(liveness.is_alive());
    }
}
