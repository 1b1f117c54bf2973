//! The only place that asks what time it is.
//!
//! Wall time ([`Clock::now`]) is for what people and other processes read; pacing, deadlines and the lease
//! use [`Clock::monotonic`], which never steps back and goes on while the machine or the process is
//! suspended (`F08`, `F37`). Tests put a clock of their own here.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::watch;

/// A source of time, shared by every layer that needs one.
pub type SharedClock = Arc<dyn Clock>;

/// Between two looks whether the clock jumped.
pub const CHECK_EVERY: Duration = Duration::from_secs(5);
/// Drift between two looks that is no jump.
const TOLERANCE: Duration = Duration::from_secs(2);

/// Wall time, monotonic time, and news of jumps between the two.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary fixed point; it never steps back, and it counts suspension.
    fn monotonic(&self) -> Duration;

    /// Changes whenever the clock moved further than the time that passed, so that timers set
    /// before the jump are late and everything should be looked at again.
    fn jumps(&self) -> watch::Receiver<u64>;

    /// Looks whether it jumped; to be called every [`CHECK_EVERY`].
    fn check(&self) {}
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Duration,
    timers_started: Instant,
    last: Mutex<Offsets>,
    jumps: watch::Sender<u64>,
}

/// How far other clocks are from the one that counts everything.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    /// Of the wall clock: it moves when somebody sets it.
    wall: i128,
    /// Of the clock that timers go by: it moves when the machine was suspended.
    timers: i128,
}

impl SystemClock {
    /// A clock whose monotonic time starts at zero.
    #[must_use]
    pub fn shared() -> SharedClock {
        let (started, timers_started) = (since_boot(), Instant::now());
        let last = Mutex::new(offsets(Duration::ZERO, Timestamp::now(), Duration::ZERO));
        Arc::new(Self { started, timers_started, last, jumps: watch::Sender::new(0) })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        since_boot().saturating_sub(self.started)
    }

    fn jumps(&self) -> watch::Receiver<u64> {
        self.jumps.subscribe()
    }

    fn check(&self) {
        let found = offsets(self.monotonic(), self.now(), self.timers_started.elapsed());
        let last = std::mem::replace(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner), found);
        if found.has_moved_since(last) {
            tracing::warn!("the clock jumped: everything is looked at again");
            self.jumps.send_modify(|jumps| *jumps += 1);
        }
    }
}

fn offsets(monotonic: Duration, wall: Timestamp, timers: Duration) -> Offsets {
    let monotonic = nanoseconds(monotonic);
    Offsets { wall: wall.as_nanosecond() - monotonic, timers: nanoseconds(timers) - monotonic }
}

fn nanoseconds(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

impl Offsets {
    fn has_moved_since(self, last: Self) -> bool {
        let is_far = |from: i128, to: i128| from.abs_diff(to) > TOLERANCE.as_nanos();
        is_far(self.wall, last.wall) || is_far(self.timers, last.timers)
    }
}

/// Linux' `Instant` stands still while the machine sleeps.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    // It is never negative.
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    static FIRST: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    FIRST.elapsed()
}

/// Waits in place. For short pauses only: a long wait belongs into the queue.
pub async fn pause(length: Duration) {
    tokio::time::sleep(length).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn at(monotonic: Duration, wall_seconds: i64, timers: Duration) -> Offsets {
        offsets(monotonic, Timestamp::from_second(wall_seconds).unwrap(), timers)
    }

    #[test]
    fn time_that_passes_on_all_clocks_is_no_jump() {
        let before = at(MINUTE, 1000, MINUTE);
        assert!(!at(2 * MINUTE, 1061, 2 * MINUTE).has_moved_since(before), "a second of drift is none");
    }

    #[test]
    fn a_wall_clock_that_is_set_and_a_machine_that_slept_are_jumps() {
        let before = at(MINUTE, 1000, MINUTE);
        assert!(at(2 * MINUTE, 4660, 2 * MINUTE).has_moved_since(before), "an hour ahead");
        assert!(at(2 * MINUTE, 400, 2 * MINUTE).has_moved_since(before), "ten minutes back");
        assert!(at(2 * MINUTE, 1060, MINUTE).has_moved_since(before), "timers stood still for a minute");
    }

    #[test]
    fn the_machines_clock_finds_no_jump_where_there_is_none() {
        let clock = SystemClock::shared();
        let jumps = clock.jumps();
        clock.check();
        assert!(!jumps.has_changed().unwrap());
    }
}
