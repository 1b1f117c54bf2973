//! Times that were written down, read by the clock of today: whoever wrote them may have had a wrong one (D7, `F37`).

use std::time::Duration;

use jiff::Timestamp;

/// Reads stored times. Each is at most its own longest wait from now; one that is not counts as now, and whoever keeps
/// it writes it down anew, so that its wait ends.
#[derive(Debug)]
pub struct Times {
    now: Timestamp,
    were_wrong: bool,
}

impl Times {
    /// As it is now.
    #[must_use]
    pub fn read_at(now: Timestamp) -> Self {
        Self { now, were_wrong: false }
    }

    /// A time at which something happened.
    pub fn past(&mut self, time: &mut Timestamp) {
        self.due(time, Duration::ZERO);
    }

    /// Several of them.
    pub fn all_past<'a>(&mut self, times: impl IntoIterator<Item = &'a mut Timestamp>) {
        for time in times {
            self.past(time);
        }
    }

    /// A time at which something is due, `longest` from now at most.
    pub fn due(&mut self, time: &mut Timestamp, longest: Duration) {
        if self.now.saturating_add(longest).is_ok_and(|latest| *time > latest) {
            *time = self.now;
            self.were_wrong = true;
        }
    }

    /// Whether one of them counts as now.
    #[must_use]
    pub fn were_wrong(&self) -> bool {
        self.were_wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beyond_its_longest_wait_counts_as_now_and_all_else_stays() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let read = |second, longest| {
            let (mut times, mut time) = (Times::read_at(at(100)), at(second));
            times.due(&mut time, Duration::from_secs(longest));
            (time.as_second(), times.were_wrong())
        };
        assert_eq!(read(99, 0), (99, false));
        assert_eq!(read(100, 0), (100, false));
        assert_eq!(read(101, 0), (100, true));
        assert_eq!(read(160, 60), (160, false));
        assert_eq!(read(161, 60), (100, true));
    }
}
