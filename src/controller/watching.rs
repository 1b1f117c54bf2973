//! How everything is watched: one that fell silent is noticed, and a server that is back is found again
//! within seconds (`M1`).

use std::time::Duration;

use kube::runtime::{utils::Backoff, watcher};

/// The API server ends a watch after so many seconds, and it goes on from where it was. One that neither says
/// anything nor ends is given up five seconds later.
const LONGEST: u32 = 50;
/// The first pause after a failure.
const FIRST: Duration = Duration::from_millis(250);

/// What every watch asks for.
pub(crate) fn config() -> watcher::Config {
    watcher::Config::default().timeout(LONGEST)
}

/// Growing pauses that stay short: nobody tells of a server that came back.
pub(crate) struct Pauses {
    next: Duration,
    longest: Duration,
    /// Events since the last failure.
    events: u32,
}

impl Pauses {
    pub(crate) fn up_to(longest: Duration) -> Self {
        Self { next: FIRST, longest, events: 0 }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.events = 0;
        self.next = self.longest.min(pause * 2);
        Some(pause)
    }
}

impl Backoff for Pauses {
    /// Called for every event. A watch says that it begins before it asks for anything, so one event alone is no
    /// success yet.
    fn reset(&mut self) {
        self.events = self.events.saturating_add(1);
        if self.events > 1 {
            self.next = FIRST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_begin_anew_after_a_success() {
        let mut pauses = Pauses::up_to(Duration::from_secs(5));
        let millis: Vec<_> = pauses.by_ref().take(7).map(|pause| pause.as_millis()).collect();
        assert_eq!(millis, [250, 500, 1000, 2000, 4000, 5000, 5000]);
        pauses.reset();
        assert_eq!(pauses.next(), Some(Duration::from_secs(5)), "it has only begun");
        pauses.reset();
        pauses.reset();
        assert_eq!(pauses.next(), Some(FIRST));
    }
}
