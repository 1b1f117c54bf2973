//! One breaker per environment: while the bank is away, one call in 20 s asks whether it is back
//! (protocol §12). No clock inside: callers pass monotonic time.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::ground::{Class, Environment};

/// Failures in a row, by whichever calls, until the bank counts as away.
const OPENS_AFTER: u32 = 3;
/// Between two probes.
const PROBE_EVERY: Duration = Duration::from_secs(20);

/// Whether the bank is there, per environment.
#[derive(Debug, Default)]
pub struct Breaker {
    banks: Mutex<BTreeMap<Environment, State>>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// While open: when the next probe may go.
    next_probe: Option<Duration>,
}

impl State {
    fn wait(&self, now: Duration) -> Duration {
        self.next_probe.map_or(Duration::ZERO, |probe| probe.saturating_sub(now))
    }
}

impl Breaker {
    /// Zero: go. Otherwise the bank is away and the next probe is so far off.
    #[must_use]
    pub fn closed_in(&self, environment: Environment, now: Duration) -> Duration {
        self.with(environment, |state| state.wait(now))
    }

    /// Whether the bank counts as away.
    #[must_use]
    pub fn is_open(&self, environment: Environment) -> bool {
        self.with(environment, |state| state.next_probe.is_some())
    }

    /// As [`Breaker::closed_in`]; while the bank is away, zero makes the caller the probe, and
    /// everybody else waits for the next one.
    pub fn admit(&self, environment: Environment, now: Duration) -> Duration {
        self.with(environment, |state| {
            let wait = state.wait(now);
            if wait.is_zero() && state.next_probe.is_some() {
                state.next_probe = Some(now + PROBE_EVERY);
            }
            wait
        })
    }

    /// A call came to an end; `failure` says how it failed. Whether the bank is back by it.
    pub fn report(&self, environment: Environment, failure: Option<Class>, now: Duration) -> bool {
        self.with(environment, |state| {
            if failure.is_some_and(is_absence) {
                state.failures = state.failures.saturating_add(1);
                if state.failures >= OPENS_AFTER {
                    state.next_probe = Some(now + PROBE_EVERY);
                }
                return false;
            }
            state.failures = 0;
            state.next_probe.take().is_some()
        })
    }

    fn with<T>(&self, environment: Environment, work: impl FnOnce(&mut State) -> T) -> T {
        let mut banks = self.banks.lock().unwrap_or_else(PoisonError::into_inner);
        work(banks.entry(environment).or_default())
    }
}

/// Whether the bank was not there at all; every answer of its own, even a refusal, shows that it is.
fn is_absence(class: Class) -> bool {
    match class {
        Class::Unavailable | Class::Network { .. } | Class::Unexpected => true,
        Class::Credentials
        | Class::Session
        | Class::NotFound
        | Class::MethodNotAllowed
        | Class::Refused
        | Class::DeviceExists
        | Class::UserSessionExists
        | Class::Throttled { .. }
        | Class::Unverified
        | Class::Malformed
        | Class::Local => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Environment = Environment::Sandbox;
    const AWAY: Option<Class> = Some(Class::Unavailable);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn open() -> Breaker {
        let breaker = Breaker::default();
        for _ in 0..OPENS_AFTER {
            assert!(breaker.admit(HERE, at(0)).is_zero());
            assert!(!breaker.report(HERE, AWAY, at(0)));
        }
        breaker
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let breaker = Breaker::default();
        for _ in 0..10 {
            breaker.report(HERE, AWAY, at(0));
            breaker.report(HERE, AWAY, at(0));
            breaker.report(HERE, Some(Class::Refused), at(0));
        }
        assert!(breaker.closed_in(HERE, at(0)).is_zero());
        assert_eq!(open().closed_in(HERE, at(5)), at(15));
    }

    #[test]
    fn while_it_is_open_one_call_in_twenty_seconds_goes() {
        let breaker = open();
        let admitted = (0..200).filter(|second| {
            let goes = breaker.admit(HERE, at(*second)).is_zero();
            if goes {
                breaker.report(HERE, AWAY, at(*second));
            }
            goes
        });
        assert_eq!(admitted.count(), 9);
    }

    #[test]
    fn the_first_answer_closes_it_once() {
        let breaker = open();
        assert!(breaker.admit(HERE, at(20)).is_zero());
        assert!(breaker.is_open(HERE));
        assert!(breaker.report(HERE, None, at(21)));
        assert!(!breaker.is_open(HERE));
        assert!(!breaker.report(HERE, None, at(21)));
        assert!(breaker.admit(HERE, at(21)).is_zero());
    }

    #[test]
    fn the_other_environment_goes_on() {
        assert!(open().admit(Environment::Production, at(1)).is_zero());
    }
}
