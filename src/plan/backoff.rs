//! How long to wait after a failure.

use std::time::Duration;

use jiff::Timestamp;

const FIRST: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_mins(10);
const HOUR: Duration = Duration::from_hours(1);

/// Attempts with refused credentials in the first hour (`S8`).
const REJECTED_PER_FIRST_HOUR: [u64; 4] = [60, 300, 900, 1800];

/// The delay before attempt `failures + 1`: full jitter over a doubling range, at most 10 minutes
/// (`F17`), never under a second. `draw` is uniform in 0..1.
#[must_use]
pub fn after_failure(failures: u32, draw: f64) -> Duration {
    let range = FIRST.saturating_mul(1 << failures.min(10)).min(CAP);
    FIRST.max(range.mul_f64(draw.clamp(0.0, 1.0)))
}

/// When refused credentials may be tried again: five attempts in the first hour, then one an hour.
/// `refusals` are the times of the refusals of this very key, oldest first.
#[must_use]
pub fn after_rejection(refusals: &[Timestamp]) -> Option<Timestamp> {
    let last = *refusals.last()?;
    let delay = REJECTED_PER_FIRST_HOUR.get(refusals.len() - 1).map_or(HOUR, |seconds| Duration::from_secs(*seconds));
    last.checked_add(delay).ok()
}

/// `interval`, shortened by up to a tenth so that resources applied together drift apart.
#[must_use]
pub fn spread(interval: Duration, draw: f64) -> Duration {
    interval.mul_f64(1.0 - 0.1 * draw.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_from_a_second_to_ten_minutes() {
        assert_eq!(after_failure(0, 1.0), Duration::from_secs(1));
        assert_eq!(after_failure(3, 1.0), Duration::from_secs(8));
        assert_eq!(after_failure(60, 1.0), CAP);
        assert_eq!(after_failure(9, 0.0), FIRST);
    }

    #[test]
    fn refused_credentials_are_tried_five_times_in_the_first_hour_and_hourly_after() {
        let start = Timestamp::UNIX_EPOCH;
        let mut refusals = vec![start];
        while refusals.len() < 30 {
            refusals.extend(after_rejection(&refusals));
        }
        let hour = |n: u32| start + HOUR * n;
        assert_eq!(refusals.iter().filter(|at| **at < hour(1)).count(), 5);
        for n in 1..20 {
            let within = refusals.iter().filter(|at| hour(n) <= **at && **at < hour(n + 1)).count();
            assert!(within <= 1, "{within} attempts in hour {n}");
        }
        assert_eq!(after_rejection(&[]), None);
    }
}
