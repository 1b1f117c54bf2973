//! What holds for the planner whatever it is told, even what no bank would ever say (T1).

use bunq_oauth_operator::plan::{Action, Client, ClientStatus, DesiredStatus, Mutation, Seen, Step, learn, next};
use proptest::{
    prelude::any,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use crate::harness::dice::Dice;

const CASES: u32 = 20_000;
const WALK: usize = 12;

/// It names a step for every input, and the same one for the same input.
pub fn the_planner_is_total_and_deterministic() -> Result<(), String> {
    check(|dice| {
        let (want, seen, now) = (dice.desired(), dice.observed(), dice.time());
        let step = next(&want, &seen, now);
        same(&step, &next(&want.clone(), &seen.clone(), now))
    })
}

/// The bank may list clients in any order.
pub fn the_order_of_a_listing_is_irrelevant() -> Result<(), String> {
    check(|dice| {
        let (want, seen, now) = (dice.desired(), dice.observed(), dice.time());
        let mut turned = seen.clone();
        if let Some(listing) = &mut turned.listing {
            let middle = usize::try_from(dice.below(3)).unwrap_or_default().min(listing.clients.len());
            listing.clients.rotate_left(middle);
            listing.clients.reverse();
        }
        same(&next(&want, &seen, now), &next(&want, &turned, now))
    })
}

/// No creation is announced unless a listing showed no ACTIVE client and the journal names none (`S1`).
pub fn a_creation_is_announced_only_on_an_empty_listing() -> Result<(), String> {
    check(|dice| {
        let (want, seen, now) = (dice.desired(), dice.observed(), dice.time());
        let Step::Act(Action::Record { journal, then: Some(Mutation::Create(_)), .. }) = next(&want, &seen, now) else {
            return Ok(());
        };
        let is_active = |client: &Client| client.status == ClientStatus::Active;
        let is_empty = seen.listing.as_ref().is_some_and(|listing| !listing.clients.iter().any(is_active));
        holds(is_empty, "created on an unknown or live listing")?;
        holds(seen.journal.oauth_client_id.is_none(), "created although a client is known")?;
        holds(seen.journal.create_sent.is_none(), "created while another creation has no answer")?;
        holds(!want.deleting && want.status == DesiredStatus::Active, "created although nothing asks for it")?;
        holds(journal.create_sent.is_some_and(|sent| sent.at == now), "created without a journal entry")
    })
}

/// Only what was just recorded is sent.
pub fn nothing_is_sent_that_was_not_recorded() -> Result<(), String> {
    check(|dice| {
        let (want, seen, now) = (dice.desired(), dice.observed(), dice.time());
        match next(&want, &seen, now) {
            Step::Act(Action::Send(mutation)) => holds(seen.armed == Some(mutation), "sent unannounced"),
            Step::Act(_) | Step::Wait(..) | Step::Done(_) => Ok(()),
        }
    })
}

/// Whatever an action is said to have come to, it can be learned, and what is learned of a
/// mutation is that nothing is known any more.
pub fn whatever_happens_can_be_learned() -> Result<(), String> {
    check(|dice| {
        let (want, mut seen, now) = (dice.desired(), dice.observed(), dice.time());
        for outcome in (0..WALK).map(|_| dice.outcome()) {
            let Step::Act(action) = next(&want, &seen, now) else { return Ok(()) };
            learn(&mut seen, &want, &action, outcome);
            if matches!(action, Action::Send(_)) {
                let is_forgotten = seen.client == Seen::Unknown && seen.listing.is_none() && seen.armed.is_none();
                holds(is_forgotten, "something stale survived a mutation")?;
            }
        }
        Ok(())
    })
}

fn check(property: impl Fn(&mut Dice) -> Result<(), TestCaseError>) -> Result<(), String> {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, random)
        .run(&any::<u64>(), |seed| property(&mut Dice::new(seed)))
        .map_err(|broken| broken.to_string())
}

fn holds(holds: bool, rule: &str) -> Result<(), TestCaseError> {
    if holds { Ok(()) } else { Err(TestCaseError::fail(rule.to_owned())) }
}

fn same(one: &Step, other: &Step) -> Result<(), TestCaseError> {
    holds(one == other, &format!("{one:?} and {other:?}"))
}

#[cfg(test)]
mod tests {
    macro_rules! tests {
        ($($name:ident)+) => { $(#[test] fn $name() { if let Err(broken) = super::$name() { panic!("{broken}") } })+ };
    }

    tests! {
        the_planner_is_total_and_deterministic
        the_order_of_a_listing_is_irrelevant
        a_creation_is_announced_only_on_an_empty_listing
        nothing_is_sent_that_was_not_recorded
        whatever_happens_can_be_learned
    }
}
