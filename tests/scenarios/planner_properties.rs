//! What holds for the planner whatever it is told, even what no bank would ever say (T1).

use std::cell::Cell;

use bunq_oauth_operator::plan::{
    Action, Client, ClientStatus, DesiredStatus, Mutation, Seen, Step, Verdict, learn, next,
};
use proptest::{
    prelude::any,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use crate::harness::{campaign::report, dice::Dice, scatter, walk};

const CASES: u32 = 100_000;
/// A property that hardly ever has anything to judge proves nothing.
const TELLING: u32 = CASES / 200;
const WALK: usize = 12;

/// It names a step for every input, and the same one for the same input.
pub fn the_planner_is_total_and_deterministic() -> Result<(), String> {
    check("the same step for the same input", |dice| {
        let (want, seen, now) = (dice.desired(), dice.observed(), dice.time());
        let step = next(&want, &seen, now);
        same(&step, &next(&want.clone(), &seen.clone(), now))?;
        Ok(true)
    })
}

/// The bank may list clients in any order.
pub fn the_order_of_a_listing_is_irrelevant() -> Result<(), String> {
    check("any order of a listing", |dice| {
        let (want, seen, now) = (dice.desired(), dice.observed(), dice.time());
        let mut turned = seen.clone();
        if let Some(listing) = &mut turned.listing {
            let middle = dice.index(3).min(listing.clients.len());
            listing.clients.rotate_left(middle);
            listing.clients.reverse();
        }
        same(&next(&want, &seen, now), &next(&want, &turned, now))?;
        Ok(seen.journal.oauth_client_id.is_none() && seen.listing != turned.listing)
    })
}

/// No creation is announced unless a listing showed no ACTIVE client and the journal names none (`S1`).
pub fn a_creation_is_announced_only_on_an_empty_listing() -> Result<(), String> {
    check("a creation on an empty listing only", |dice| {
        let (want, mut seen, now) = (dice.desired(), dice.observed(), dice.time());
        // Else hardly any of them gets as far as a creation.
        if dice.below(4) > 0 {
            seen.journal.oauth_client_id = None;
            seen.stored.clone_from(&seen.journal);
            (seen.remembered, seen.armed) = (None, None);
        }
        let Step::Act(Action::Record { journal, then: Some(Mutation::Create(_)), .. }) = next(&want, &seen, now) else {
            return Ok(false);
        };
        let is_active = |client: &Client| client.status == ClientStatus::Active;
        let is_empty = seen.listing.as_ref().is_some_and(|listing| !listing.clients.iter().any(is_active));
        holds(is_empty, "created on an unknown or live listing")?;
        holds(seen.journal.oauth_client_id.is_none(), "created although a client is known")?;
        holds(seen.journal.create_sent.is_none(), "created while another creation has no answer")?;
        holds(!want.deleting && want.status == DesiredStatus::Active, "created although nothing asks for it")?;
        holds(journal.create_sent.is_some_and(|sent| sent.at == now), "created without a journal entry")?;
        Ok(true)
    })
}

/// Only what was just recorded is sent.
pub fn nothing_is_sent_that_was_not_recorded() -> Result<(), String> {
    check("nothing sent unannounced", |dice| {
        let (want, seen, now) = (dice.desired(), dice.observed(), dice.time());
        let armed = seen.armed.clone();
        match next(&want, &seen, now) {
            Step::Act(Action::Send(mutation)) => holds(armed == Some(mutation), "sent unannounced")?,
            // What is announced cannot be forgotten either.
            Step::Act(_) | Step::Wait(..) | Step::Done(_) => holds(armed.is_none(), "announced and not sent")?,
        }
        Ok(armed.is_some())
    })
}

/// Whatever an action is said to have come to, it can be learned, and what is learned of a
/// mutation is that nothing is known any more.
pub fn whatever_happens_can_be_learned() -> Result<(), String> {
    check("whatever happens can be learned", |dice| {
        let mut is_telling = false;
        let (want, mut seen, now) = (dice.desired(), dice.observed(), dice.time());
        for outcome in (0..WALK).map(|_| dice.outcome()) {
            let Step::Act(action) = next(&want, &seen, now) else { return Ok(is_telling) };
            learn(&mut seen, &want, &action, outcome);
            if matches!(action, Action::Send(_)) {
                is_telling = true;
                let is_forgotten = seen.client == Seen::Unknown && seen.listing.is_none() && seen.armed.is_none();
                holds(is_forgotten, "something stale survived a mutation")?;
            }
        }
        Ok(is_telling)
    })
}

/// At any bank, with any journal: what was done is not asked for again, every pass comes to an end,
/// and a second look at what it came to asks for nothing.
pub fn what_was_done_is_not_asked_for_again() -> Result<(), String> {
    check("nothing asked for twice", |dice| {
        let mut world = scatter::world(dice);
        world.settle().map_err(TestCaseError::fail)?;
        Ok(!world.accepted.is_empty())
    })
}

/// While a creation has no answer none is announced before two complete empty listings, the second
/// a minute after it or later (`F02`, protocol §2).
pub fn no_creation_follows_a_lost_one_before_two_empty_listings() -> Result<(), String> {
    check("two empty listings after a lost creation", |dice| {
        let walked = walk::creation(dice).map_err(TestCaseError::fail)?;
        Ok(walked.repeated > 0)
    })
}

/// What needs a person stays as it is until somebody changes something, however late it gets.
pub fn a_stalled_manifest_asks_for_nothing() -> Result<(), String> {
    check("nothing asked for while Stalled", |dice| {
        let mut world = scatter::world(dice);
        // A value that was fought over may be written again an hour later (protocol §5).
        world.kube.journal.writes.iter_mut().for_each(|write| write.repairs.clear());
        let verdict = world.settle().map_err(TestCaseError::fail)?;
        let Verdict::Stalled(_) = verdict else { return Ok(false) };
        let mutations = world.mutations;
        world.wait(120).map_err(TestCaseError::fail)?;
        let later = world.settle().map_err(TestCaseError::fail)?;
        holds(later == verdict, &format!("{later:?} two hours after {verdict:?}"))?;
        holds(world.mutations == mutations, "a mutation was sent two hours later")?;
        Ok(true)
    })
}

fn check(name: &str, property: impl Fn(&mut Dice) -> Result<bool, TestCaseError>) -> Result<(), String> {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let telling = Cell::new(0);
    TestRunner::new_with_rng(config, random)
        .run(&any::<u64>(), |seed| {
            telling.set(telling.get() + u32::from(property(&mut Dice::new(seed))?));
            Ok(())
        })
        .map_err(|broken| broken.to_string())?;
    let telling = telling.get();
    report(&format!("planner property, {name}: {CASES} cases, {telling} of them telling"));
    if telling < TELLING { Err(format!("{telling} of {CASES} cases judged anything")) } else { Ok(()) }
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
        what_was_done_is_not_asked_for_again
        no_creation_follows_a_lost_one_before_two_empty_listings
        a_stalled_manifest_asks_for_nothing
    }
}
