//! A clock that can be put forward: an hour passes at once. Its wall clock alone can be wrong, too.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bunq_oauth_operator::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// The machine's clock, ahead by as much as a test says; what people read off it may be wrong by more.
#[derive(Debug)]
pub struct TestClock {
    started: Instant,
    ahead: Mutex<Duration>,
    wrong: Mutex<SignedDuration>,
    jumps: watch::Sender<u64>,
    is_broken: AtomicBool,
}

impl TestClock {
    /// A clock that is right.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            ahead: Mutex::default(),
            wrong: Mutex::default(),
            jumps: watch::Sender::new(0),
            is_broken: AtomicBool::new(false),
        })
    }

    /// Whoever checks it next panics.
    pub fn break_down(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
    }

    /// Lets time pass, and wakes everybody who waits for a time.
    pub fn advance(&self, by: Duration) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) += by;
        self.jumps.send_modify(|jumps| *jumps += 1);
    }

    /// Makes the wall clock wrong by this much, and tells so; no time passes.
    pub fn mislead(&self, by: SignedDuration) {
        *self.wrong.lock().unwrap_or_else(PoisonError::into_inner) = by;
        self.jumps.send_modify(|jumps| *jumps += 1);
    }

    fn wrong(&self) -> SignedDuration {
        *self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ahead(&self) -> Duration {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::try_from(self.ahead()).unwrap_or(SignedDuration::MAX);
        let wrong = ahead.saturating_add(self.wrong());
        Timestamp::now().saturating_add(wrong).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed() + self.ahead()
    }

    fn jumps(&self) -> watch::Receiver<u64> {
        self.jumps.subscribe()
    }

    fn check(&self) {
        assert!(!self.is_broken.load(Ordering::Relaxed), "the clock broke down, as the test asked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_passes_at_once_on_both_clocks_and_is_told() {
        let clock = TestClock::new();
        let (wall, monotonic, jumps) = (clock.now(), clock.monotonic(), clock.jumps());

        clock.advance(Duration::from_hours(1));

        assert!(clock.now().duration_since(wall).as_secs() >= 3600);
        assert!(clock.monotonic() >= monotonic + Duration::from_hours(1));
        assert!(jumps.has_changed().is_ok_and(|changed| changed));
    }

    #[test]
    fn a_wrong_wall_clock_lets_no_time_pass() {
        let clock = TestClock::new();
        let (wall, monotonic) = (clock.now(), clock.monotonic());

        clock.mislead(SignedDuration::from_hours(-1));

        assert!(clock.now() < wall);
        assert!((monotonic..monotonic + Duration::from_mins(1)).contains(&clock.monotonic()));
    }
}
