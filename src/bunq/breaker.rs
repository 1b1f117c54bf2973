//! One breaker per environment: while the bank is away, one call in 20 s asks whether it is back
//! (protocol §12). It is about the bank and not about a user: whoever fails alone backs off alone. No clock inside:
//! callers pass monotonic time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    ground::{Call, Class, Environment},
    limit::{Asker, Lane, Priority, Window},
};

/// Callers that fail in a row, and failures of nobody's, until the bank counts as away.
const OPENS_AFTER: usize = 3;
/// One probe in so long.
const PROBES: Window = Window { calls: 1, length: Duration::from_secs(20) };
/// Whoever had an answer shows for so long that the bank is there.
const SHOWS_FOR: Duration = Duration::from_secs(20);

/// Whether the bank is there, per environment.
#[derive(Debug, Default)]
pub struct Breaker {
    banks: Mutex<BTreeMap<Environment, State>>,
}

#[derive(Debug, Default)]
struct State {
    failures: Failures,
    answered: Option<Answered>,
    /// While the bank counts as away: whose turn it is to ask whether it is back.
    probes: Option<Lane>,
}

/// What failed since somebody had an answer.
#[derive(Debug, Default)]
struct Failures {
    /// Users by namespace; of each namespace as many as it takes.
    callers: BTreeMap<String, BTreeSet<String>>,
    /// Calls that belong to nobody.
    nobodys: usize,
}

/// The last answer of the bank: when, and from where it was asked.
#[derive(Debug)]
struct Answered {
    at: Duration,
    namespace: String,
}

/// What the end of a call says of the bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Here,
    /// And whether anything of the caller's had left.
    Away {
        sent: bool,
    },
    Nothing,
}

impl Breaker {
    /// Zero: go. Otherwise the bank is away, and this is how far off the asker's turn to probe is. Turns go round.
    pub fn closed_in(&self, environment: Environment, asker: Asker<'_>, now: Duration) -> Duration {
        self.with(environment, |state| state.ask(asker, now, Lane::ask))
    }

    /// As [`Breaker::closed_in`]; while the bank is away, zero makes the asker the probe.
    pub fn admit(&self, environment: Environment, asker: Asker<'_>, now: Duration) -> Duration {
        self.with(environment, |state| state.ask(asker, now, Lane::reserve))
    }

    /// How far off this user's turn to probe is, if it waits for one.
    #[must_use]
    pub fn probe_in(&self, environment: Environment, user: &str, now: Duration) -> Option<Duration> {
        let turn = self.with(environment, |state| state.probes.as_ref()?.appointment(user));
        turn.map(|turn| turn.saturating_sub(now))
    }

    /// Whether the bank counts as away.
    #[must_use]
    pub fn is_open(&self, environment: Environment) -> bool {
        self.with(environment, |state| state.probes.is_some())
    }

    /// A call came to an end; `failure` says how it failed. Whether the bank is back by it.
    pub fn report(
        &self,
        environment: Environment,
        asker: Asker<'_>,
        call: Call,
        failure: Option<Class>,
        now: Duration,
    ) -> bool {
        self.with(environment, |state| match failure.map_or(Says::Here, says) {
            Says::Nothing => false,
            Says::Here => {
                state.failures = Failures::default();
                state.answered = Some(Answered { at: now, namespace: asker.namespace.to_owned() });
                state.probes.take().is_some()
            }
            Says::Away { sent } => {
                // In an installation nothing is the caller's, and what never left was not about anybody.
                state.fail(asker, sent && call != Call::CreateInstallation, now);
                false
            }
        })
    }

    fn with<T>(&self, environment: Environment, work: impl FnOnce(&mut State) -> T) -> T {
        let mut banks = self.banks.lock().unwrap_or_else(PoisonError::into_inner);
        work(banks.entry(environment).or_default())
    }
}

impl State {
    fn ask(
        &mut self,
        asker: Asker<'_>,
        now: Duration,
        how: fn(&mut Lane, Asker<'_>, Priority, Duration, Window) -> Duration,
    ) -> Duration {
        let Some(probes) = &mut self.probes else { return Duration::ZERO };
        // Those who have not failed first. Whoever has a place keeps it.
        let has_failed = probes.appointment(asker.user).is_some() || self.failures.has(asker);
        how(probes, asker, if has_failed { Priority::Resync } else { Priority::Change }, now, PROBES)
    }

    fn fail(&mut self, asker: Asker<'_>, is_callers: bool, now: Duration) {
        if self.probes.is_none() {
            self.failures.add(asker, is_callers);
            if self.is_about_the_bank(now) {
                let mut probes = Lane::default();
                probes.close(now + PROBES.length);
                self.probes = Some(probes);
            }
        }
        if let Some(probes) = &mut self.probes {
            probes.ask(asker, Priority::Resync, now, PROBES);
        }
    }

    /// Whether the failures speak of the bank. Those of one namespace do not while another one's call was the last
    /// that went well: there may be many users in it, and one hand may have made them all.
    fn is_about_the_bank(&self, now: Duration) -> bool {
        let Failures { callers, nobodys } = &self.failures;
        if self.answered.as_ref().is_some_and(|answered| now < answered.at + SHOWS_FOR) {
            return false;
        }
        let is_alone = |answered: &Answered| callers.len() == 1 && !callers.contains_key(&answered.namespace);
        let counted = if self.answered.as_ref().is_some_and(is_alone) { 0 } else { self.failures.callers() };
        nobodys + counted >= OPENS_AFTER
    }
}

impl Failures {
    fn add(&mut self, asker: Asker<'_>, is_callers: bool) {
        if !is_callers {
            self.nobodys = self.nobodys.saturating_add(1);
            return;
        }
        let users = self.callers.entry(asker.namespace.to_owned()).or_default();
        if users.len() < OPENS_AFTER {
            users.insert(asker.user.to_owned());
        }
    }

    fn has(&self, asker: Asker<'_>) -> bool {
        self.callers.get(asker.namespace).is_some_and(|users| users.contains(asker.user))
    }

    fn callers(&self) -> usize {
        self.callers.values().map(BTreeSet::len).sum()
    }
}

/// Every answer of the bank's own, even a refusal, shows that it is there.
fn says(class: Class) -> Says {
    match class {
        Class::Unavailable | Class::Unexpected => Says::Away { sent: true },
        Class::Network { sent } => Says::Away { sent },
        Class::Local => Says::Nothing,
        Class::Credentials
        | Class::Session
        | Class::NotFound
        | Class::MethodNotAllowed
        | Class::Refused
        | Class::DeviceExists
        | Class::UserSessionExists
        | Class::Throttled { .. }
        | Class::Unverified
        | Class::Malformed => Says::Here,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Environment = Environment::Sandbox;
    const READ: Call = Call::GetOauthClient;
    const AWAY: Option<Class> = Some(Class::Unavailable);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// One of a namespace with several users: its name begins with the namespace's.
    fn user(user: &str) -> Asker<'_> {
        Asker { namespace: user.split('-').next().unwrap(), user }
    }

    fn open() -> Breaker {
        let breaker = Breaker::default();
        for name in ["a-1", "a-2", "b-1"] {
            assert!(breaker.admit(HERE, user(name), at(0)).is_zero());
            assert!(!breaker.report(HERE, user(name), READ, AWAY, at(0)));
        }
        assert!(breaker.is_open(HERE));
        breaker
    }

    /// Who is admitted in so many seconds, where everybody asks all the time and every call fails.
    fn probes(breaker: &Breaker, names: &[&'static str], seconds: u64) -> Vec<(u64, &'static str)> {
        let mut admitted = Vec::new();
        for second in 0..seconds {
            for name in names {
                if breaker.admit(HERE, user(name), at(second)).is_zero() {
                    breaker.report(HERE, user(name), READ, AWAY, at(second));
                    admitted.push((second, *name));
                }
            }
        }
        admitted
    }

    #[test]
    fn one_caller_that_fails_however_often_and_however_does_not_open_it() {
        let breaker = Breaker::default();
        for second in 0..1000 {
            for failure in [Class::Unavailable, Class::Unexpected, Class::Network { sent: true }] {
                breaker.report(HERE, user("a-1"), Call::CreateDeviceServer, Some(failure), at(second));
                breaker.report(HERE, user("b-1"), READ, Some(failure), at(second));
            }
        }
        assert!(!breaker.is_open(HERE), "nor do two");
        breaker.report(HERE, user("b-2"), READ, AWAY, at(1000));
        assert!(breaker.is_open(HERE));
    }

    #[test]
    fn many_users_of_one_namespace_do_not_open_it_while_another_ones_call_was_the_last_that_went_well() {
        let breaker = Breaker::default();
        breaker.report(HERE, user("b-1"), READ, None, at(0));
        let names: Vec<_> = (0..100).map(|number| format!("a-{number}")).collect();
        for name in &names {
            breaker.report(HERE, user(name), READ, AWAY, at(1000));
        }
        assert!(!breaker.is_open(HERE));
        breaker.report(HERE, user("b-1"), READ, AWAY, at(1000));
        assert!(breaker.is_open(HERE));
    }

    #[test]
    fn failures_of_nobody_open_it_whoever_makes_the_calls() {
        for (call, failure) in [(READ, Class::Network { sent: false }), (Call::CreateInstallation, Class::Unavailable)]
        {
            let breaker = Breaker::default();
            for _ in 0..OPENS_AFTER {
                assert!(!breaker.is_open(HERE));
                breaker.report(HERE, user("a-1"), call, Some(failure), at(0));
            }
            assert!(breaker.is_open(HERE), "{call}");
        }
    }

    #[test]
    fn an_answer_shows_for_a_while_that_the_bank_is_there() {
        let breaker = Breaker::default();
        breaker.report(HERE, user("a-1"), READ, Some(Class::Refused), at(100));
        for name in ["a-1", "a-2", "b-1", "c-1"] {
            breaker.report(HERE, user(name), READ, AWAY, at(119));
        }
        assert!(!breaker.is_open(HERE));
        breaker.report(HERE, user("a-1"), READ, AWAY, at(120));
        assert!(breaker.is_open(HERE));
    }

    #[test]
    fn while_it_is_open_one_call_in_twenty_seconds_goes() {
        let breaker = open();
        assert_eq!(breaker.closed_in(HERE, user("c-1"), at(5)), at(15));
        assert_eq!(probes(&breaker, &["c-1"], 200).len(), 9);
    }

    #[test]
    fn probes_go_round_and_begin_with_those_who_have_not_failed() {
        let names = ["a-1", "a-2", "b-1", "c-1"];
        let who = probes(&open(), &names, 180).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(who[0], "c-1");
        assert!(who.windows(2).all(|two| two[0] != two[1]), "{who:?}");
        assert!(names.iter().all(|name| who.contains(name)), "{who:?}");
    }

    #[test]
    fn whoever_failed_is_told_when_its_turn_to_probe_is() {
        let breaker = open();
        assert_eq!(breaker.probe_in(HERE, "b-1", at(0)), Some(at(20)), "the last that failed");
        assert_eq!(breaker.probe_in(HERE, "c-1", at(0)), None, "it does not wait");
        assert_eq!(breaker.closed_in(HERE, user("c-1"), at(0)), at(20));
        assert_eq!(breaker.closed_in(HERE, user("b-1"), at(1)), at(39), "behind one that has not failed");
    }

    #[test]
    fn the_first_answer_of_anybody_closes_it_once() {
        let breaker = open();
        assert!(breaker.admit(HERE, user("c-1"), at(20)).is_zero());
        assert!(!breaker.report(HERE, user("c-1"), READ, Some(Class::Local), at(21)), "nothing was sent");
        assert!(breaker.is_open(HERE));
        assert!(breaker.report(HERE, user("a-1"), READ, Some(Class::Refused), at(21)));
        assert!(!breaker.is_open(HERE));
        assert!(!breaker.report(HERE, user("a-1"), READ, None, at(21)));
        assert!(breaker.admit(HERE, user("b-1"), at(21)).is_zero());
    }

    #[test]
    fn the_other_environment_goes_on() {
        assert!(open().admit(Environment::Production, user("a-1"), at(1)).is_zero());
    }
}
