//! When the next pass over an object is due.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    context::Operator,
    error::{Retry, Stop},
    pass::{End, Pass, draw},
};
use crate::plan::{Verdict, backoff};

/// A pass is never further away than this, whatever else is set.
pub(super) const SAFETY_NET: Duration = Duration::from_hours(1);
/// A stalled object is looked at again this often, at most and at least.
const STALLED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(10));

/// Failures after which a short delay no longer grows: it stays within 8 s (`L3`).
const SHORT: u32 = 3;

/// When the next pass is due, and whether the status should say so. A deletion is never looked at
/// later than when it is given up (`L4`).
pub(super) fn appointment(
    operator: &Operator,
    pass: &Pass,
    end: &End,
    now: Timestamp,
) -> (Duration, Option<Timestamp>) {
    let (again_in, next_attempt) = usual_appointment(operator, pass, end, now);
    let deadline = pass.seen.journal.deletion_deadline();
    match deadline.filter(|deadline| pass.want.deleting && *deadline > now) {
        Some(deadline) => (
            again_in.min(deadline.duration_since(now).unsigned_abs()),
            next_attempt.map(|attempt| attempt.min(deadline)),
        ),
        None => (again_in, next_attempt),
    }
}

fn usual_appointment(operator: &Operator, pass: &Pass, end: &End, now: Timestamp) -> (Duration, Option<Timestamp>) {
    let uid = &pass.caller.uid;
    let until = |at: Timestamp| (at.duration_since(now).max(jiff::SignedDuration::ZERO).unsigned_abs(), Some(at));
    match end {
        End::Verdict(Verdict::Stalled(_)) => (operator.back_off(uid).clamp(STALLED.0, STALLED.1), None),
        End::Verdict(Verdict::Released) => (SAFETY_NET, None),
        End::Verdict(Verdict::Synced | Verdict::Cancelled | Verdict::NothingToCancel) => {
            let verified = operator.remember(uid, |memory| memory.verified.as_ref().map(|verified| verified.at));
            let age = verified.map(|at| now.duration_since(at).unsigned_abs()).unwrap_or_default();
            (pass.resync_interval().saturating_sub(age), None)
        }
        End::Waiting(at, _) => until(*at),
        // Who failed last asks next whether the bank is back.
        End::Stop(Stop::Bank { .. }) if !probe(operator, pass).is_zero() => {
            until(now.saturating_add(probe(operator, pass)).unwrap_or(now))
        }
        End::Stop(stop) => match stop.retry() {
            Retry::OnChange => (SAFETY_NET, None),
            Retry::At(at) => until(at),
            Retry::After(delay) => (delay, None),
            Retry::Backoff => until(now.saturating_add(operator.back_off(uid)).unwrap_or(now)),
            Retry::Soon => until(now.saturating_add(operator.short_back_off(uid)).unwrap_or(now)),
        },
    }
}

/// How far off the next probe of this object's bank is; zero while the bank is there.
fn probe(operator: &Operator, pass: &Pass) -> Duration {
    let now = operator.clock.monotonic();
    pass.environment.map(|environment| operator.breaker.closed_in(environment, now)).unwrap_or_default()
}

impl Operator {
    /// The next delay of an object that fails again and again.
    pub(super) fn back_off(&self, uid: &str) -> Duration {
        backoff::after_failure(self.count_failure(uid), random())
    }

    /// The same where it is the API server that failed: it may be back at any moment.
    pub(super) fn short_back_off(&self, uid: &str) -> Duration {
        backoff::after_failure(self.count_failure(uid).min(SHORT), random())
    }

    fn count_failure(&self, uid: &str) -> u32 {
        self.remember(uid, |memory| {
            memory.failures = memory.failures.saturating_add(1);
            memory.failures
        })
    }
}

fn random() -> f64 {
    draw(&uuid::Uuid::new_v4().to_string())
}
