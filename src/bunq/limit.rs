//! The bank's windows (`bunq-api §7`), as a queue that tells everybody when to come back.
//!
//! No clock and no waiting inside: callers pass monotonic time and keep the wait (`D16`).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::ground::{Call, Environment, Method};

/// Whether the bank's limits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitMode {
    /// As the bank publishes them, with a margin.
    Bunq,
    /// Not at all: for tests against a local bank.
    Off,
}

/// Who goes first (protocol §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A key that dies unless it is used soon.
    NewKey,
    /// A deletion with a deadline.
    Deletion,
    /// Somebody changed something and waits.
    Change,
    /// Routine.
    Resync,
}

/// From one session to the next, with the margin.
pub const SESSION_WINDOW: Duration = Duration::from_secs(33);

/// How long an asker may be late before it loses its place.
const GRACE: Duration = Duration::from_secs(5);
/// After this many windows a waiting asker moves up by one priority.
const PATIENCE: u32 = 10;

/// One process's queue for every (environment, call).
#[derive(Debug)]
pub struct Limiter {
    mode: LimitMode,
    lanes: Mutex<BTreeMap<(Environment, Call), Lane>>,
}

#[derive(Debug, Default)]
struct Lane {
    /// When the last slots were taken, oldest first.
    taken: VecDeque<Duration>,
    /// Nobody goes before this.
    closed_until: Duration,
    waiting: Vec<Waiter>,
    arrivals: u64,
    /// By those who had their turn.
    waited: Duration,
}

#[derive(Debug)]
struct Waiter {
    who: String,
    priority: Priority,
    arrival: u64,
    since: Duration,
    due: Duration,
}

/// So many calls in any stretch of so long.
#[derive(Debug, Clone, Copy)]
struct Window {
    calls: usize,
    length: Duration,
}

/// The bank's window with 10 % margin for the time between leaving here and arriving there.
fn window(call: Call) -> Window {
    let (calls, length) = match (call, call.method()) {
        (Call::CreateSession, _) => (1, SESSION_WINDOW),
        (_, Method::Get) => (3, Duration::from_millis(3300)),
        (_, Method::Post | Method::Delete) => (5, Duration::from_millis(3300)),
        (_, Method::Put) => (2, Duration::from_millis(3300)),
    };
    Window { calls, length }
}

impl Limiter {
    /// An empty queue.
    #[must_use]
    pub fn new(mode: LimitMode) -> Self {
        Self { mode, lanes: Mutex::default() }
    }

    /// Zero: go now, the slot is taken. Otherwise: ask again after that long; `who` keeps its
    /// place until then (and 5 s more). Asking early changes nothing.
    pub fn reserve(
        &self,
        who: &str,
        environment: Environment,
        call: Call,
        priority: Priority,
        now: Duration,
    ) -> Duration {
        match self.mode {
            LimitMode::Off => Duration::ZERO,
            LimitMode::Bunq => self.with_lane(environment, call, |lane| lane.reserve(who, priority, now, window(call))),
        }
    }

    /// How long they waited, all together, who had their turn since this was asked last.
    pub fn drain_waited(&self) -> Duration {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.values_mut().map(|lane| std::mem::take(&mut lane.waited)).sum()
    }

    /// The bank throttled: nobody makes this call before `until` (monotonic).
    pub fn throttled(&self, environment: Environment, call: Call, until: Duration) {
        self.with_lane(environment, call, |lane| {
            lane.closed_until = lane.closed_until.max(until);
        });
    }

    /// Another process may have made any call until `until`; the next session may be opened at
    /// `next_session` (both monotonic).
    pub fn follow(&self, environment: Environment, until: Duration, next_session: Duration) {
        for call in Call::ALL {
            let free = if call == Call::CreateSession { next_session } else { until + window(call).length };
            self.throttled(environment, call, free);
        }
    }

    fn with_lane<T>(&self, environment: Environment, call: Call, work: impl FnOnce(&mut Lane) -> T) -> T {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        work(lanes.entry((environment, call)).or_default())
    }
}

impl Lane {
    fn reserve(&mut self, who: &str, priority: Priority, now: Duration, window: Window) -> Duration {
        self.forget(now, window);
        self.queue(who, priority, now);
        self.waiting.sort_by_key(|waiter| (waiter.rank(now, window), waiter.arrival));
        let Some(place) = self.waiting.iter().position(|waiter| waiter.who == who) else {
            return Duration::ZERO;
        };
        let due = self.slot(place, now, window);
        if due <= now {
            let waiter = self.waiting.remove(place);
            self.waited += now.saturating_sub(waiter.since);
            self.taken.push_back(now);
            return Duration::ZERO;
        }
        if let Some(waiter) = self.waiting.get_mut(place) {
            waiter.due = due;
        }
        due.saturating_sub(now)
    }

    /// Old slots, and askers that never came back.
    fn forget(&mut self, now: Duration, window: Window) {
        while self.taken.front().is_some_and(|taken| *taken + window.length <= now) {
            self.taken.pop_front();
        }
        self.waiting.retain(|waiter| waiter.due + GRACE >= now);
    }

    fn queue(&mut self, who: &str, priority: Priority, now: Duration) {
        if let Some(waiter) = self.waiting.iter_mut().find(|waiter| waiter.who == who) {
            waiter.priority = priority;
            waiter.due = waiter.due.max(now);
            return;
        }
        self.arrivals += 1;
        self.waiting.push(Waiter { who: who.to_owned(), priority, arrival: self.arrivals, since: now, due: now });
    }

    /// The first slot that nobody before this place is expected to take. Somebody who moved up
    /// meanwhile and was told to come later does not need it: so no slot stays empty.
    fn slot(&self, place: usize, now: Duration, window: Window) -> Duration {
        let before = self.waiting.iter().take(place);
        let mut expected: Vec<Duration> = before.map(|waiter| waiter.due).collect();
        expected.sort_unstable();
        let mut taken = self.taken.clone();
        let mut due = now.max(self.closed_until);
        for index in 0..=place {
            let full = taken.len().checked_sub(window.calls);
            if let Some(oldest) = full.and_then(|index| taken.get(index)) {
                due = due.max(*oldest + window.length);
            }
            if expected.partition_point(|time| *time <= due) <= index {
                break;
            }
            taken.push_back(due);
        }
        due
    }
}

impl Waiter {
    /// Its priority, better the longer it waits: so nobody starves.
    fn rank(&self, now: Duration, window: Window) -> u32 {
        let level = match self.priority {
            Priority::NewKey => 0_u32,
            Priority::Deletion => 1,
            Priority::Change => 2,
            Priority::Resync => 3,
        };
        let patience = (window.length * PATIENCE).as_millis();
        let waited = now.saturating_sub(self.since).as_millis() / patience.max(1);
        level.saturating_sub(u32::try_from(waited).unwrap_or(u32::MAX))
    }
}
