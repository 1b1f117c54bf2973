//! Every lane of both banks.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::lane::{Asker, Lane, Priority, Window};
use crate::bunq::ground::{Call, Environment, Method};

/// Whether the bank's limits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitMode {
    /// As the bank publishes them, with a margin.
    Bunq,
    /// Not at all: for tests against a local bank.
    Off,
}

/// From one session to the next, with the margin.
pub const SESSION_WINDOW: Duration = Duration::from_secs(33);

/// One process's queue for every (environment, call).
#[derive(Debug)]
pub struct Limiter {
    mode: LimitMode,
    lanes: Mutex<BTreeMap<(Environment, Call), Lane>>,
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

    /// Zero: go now, the slot is taken. Otherwise: ask again after that long; the asker keeps its
    /// place until then (and 5 s more). Asking early changes nothing.
    pub fn reserve(
        &self,
        asker: Asker<'_>,
        environment: Environment,
        call: Call,
        priority: Priority,
        now: Duration,
    ) -> Duration {
        match self.mode {
            LimitMode::Off => Duration::ZERO,
            LimitMode::Bunq => {
                self.with_lane(environment, call, |lane| lane.reserve(asker, priority, now, window(call)))
            }
        }
    }

    /// How long they waited, all together, who had their turn since this was asked last.
    pub fn drain_waited(&self) -> Duration {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.values_mut().map(Lane::drain_waited).sum()
    }

    /// The bank throttled: nobody makes this call before `until` (monotonic).
    pub fn throttled(&self, environment: Environment, call: Call, until: Duration) {
        self.with_lane(environment, call, |lane| lane.close(until));
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
