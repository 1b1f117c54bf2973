//! How everything is watched: one that fell silent is noticed, and a server that is back is found again
//! within seconds (`M1`).

use std::time::Duration;

use kube::runtime::{utils::Backoff, watcher};

/// The API server ends a watch after so many seconds, and it goes on from where it was. One that neither says
/// anything nor ends is given up five seconds later.
const LONGEST: u32 = 50;
/// Objects and Secrets may be large: a list comes in small pages.
const PAGE: u32 = 50;
/// The first pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// What every watch asks for.
pub(crate) fn config() -> watcher::Config {
    watcher::Config::default().timeout(LONGEST).page_size(PAGE)
}

/// Growing pauses that stay short: nobody is told of a server that came back.
pub(crate) struct Pauses {
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { next: PAUSES.0 }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = PAUSES.1.min(pause * 2);
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_seconds_and_begin_anew_after_a_success() {
        let mut pauses = Pauses::default();
        let millis: Vec<_> = pauses.by_ref().take(6).map(|pause| pause.as_millis()).collect();
        assert_eq!(millis, [500, 1000, 2000, 4000, 5000, 5000]);
        pauses.reset();
        assert_eq!(pauses.next(), Some(PAUSES.0));
    }
}
