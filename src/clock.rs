//! The only place that asks what time it is.
//!
//! Wall time ([`Clock::now`]) is for what people and other processes read; pacing uses
//! [`Clock::monotonic`], which never steps back (`F37`). Tests put a clock of their own here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::watch;

/// A source of time, shared by every layer that needs one.
pub type SharedClock = Arc<dyn Clock>;

/// Wall time, monotonic time, and news of jumps between the two.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary fixed point; it never steps back.
    fn monotonic(&self) -> Duration;

    /// Changes whenever the clock moved further than the time that passed, so that timers set
    /// before the jump are late and everything should be looked at again.
    fn jumps(&self) -> watch::Receiver<u64>;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    jumps: watch::Sender<u64>,
}

impl SystemClock {
    /// A clock whose monotonic time starts at zero.
    #[must_use]
    pub fn shared() -> SharedClock {
        Arc::new(Self { started: Instant::now(), jumps: watch::Sender::new(0) })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn jumps(&self) -> watch::Receiver<u64> {
        self.jumps.subscribe()
    }
}

/// Waits in place. For short pauses only: a long wait belongs into the queue.
pub async fn pause(length: Duration) {
    tokio::time::sleep(length).await;
}
