//! The planner, played against a model of the bank with every combination of the habits that
//! bunq's own sources leave open: no loop, no second client, no foreign URL lost, every pass ends
//! Ready or Stalled with a reason. The rules of every step are in [`crate::harness::guard`].

use crate::harness::{
    campaign::{Game, games, play_all},
    habits::{Axis, Habits},
    play::Fault,
    story::{Start, Story, play},
};

use super::planner_stories::{CREATE, SECRET, STATUS, URLS, judge};

/// Where the story does not begin with a creation, its habits do not matter.
const FOUND: [Start; 7] = [
    Start::NoUrl,
    Start::OurUrl,
    Start::ForeignUrl,
    Start::BothUrls,
    Start::LookAlike,
    Start::Cancelled,
    Start::Several,
];

/// A manifest is applied, from every start.
pub fn at_every_bank_there_is_one_client_and_a_verdict() -> Result<(), String> {
    let shown = [Axis::Routes, Axis::Shape, Axis::Bytes, Axis::Room, Axis::Secrecy];
    let made = [Axis::Creation, Axis::Put, Axis::Second, Axis::Lag, Axis::Reply];
    let mut all = games(&CREATE, &[Start::Empty], &[&shown[..], &made[..]].concat());
    let found = [Axis::Put, Axis::Listing, Axis::Cancelled, Axis::Cancelling];
    all.extend(games(&CREATE, &Start::ALL, &[&shown[..4], &found[..]].concat()));
    play_all("create", &all, judge)
}

/// Redirect URLs are changed by the manifest and by people at the bank.
pub fn at_every_bank_urls_change_and_foreign_ones_stay() -> Result<(), String> {
    let axes = [Axis::Put, Axis::Routes, Axis::Shape, Axis::Bytes, Axis::Room];
    let mut all = games(&URLS, &[Start::Empty, Start::Own], &[&axes[..], &[Axis::Creation]].concat());
    all.extend(games(&URLS, &FOUND, &axes));
    play_all("redirect URLs", &all, judge)
}

/// The status is changed by the manifest and at the bank, and manifests are deleted.
pub fn at_every_bank_a_kill_switch_holds_and_deletion_does_what_was_asked() -> Result<(), String> {
    let axes = [Axis::Cancelled, Axis::Cancelling, Axis::Reactivation, Axis::Shape, Axis::Lag, Axis::Listing];
    play_all("status and deletion", &games(&STATUS, &Start::ALL, &axes), judge)
}

/// The Secret is taken away, edited, or stands in the way; the pair changes at the bank.
pub fn at_every_bank_the_secret_holds_the_banks_own_pair_or_none() -> Result<(), String> {
    let axes = [Axis::Creation, Axis::Shape, Axis::Secrecy, Axis::Routes, Axis::Listing, Axis::Reply];
    play_all("the Secret", &games(&SECRET, &Start::ALL, &axes), judge)
}

/// Every mutation is lost before or after it is carried out, comes late, or meets an outage; every
/// action is followed by a crash.
pub fn a_lost_answer_or_a_crash_anywhere_ends_as_if_nothing_had_happened() -> Result<(), String> {
    let urls = Habits::product(&[Axis::Creation, Axis::Shape, Axis::Routes, Axis::Room]);
    let status = Habits::product(&[Axis::Cancelling, Axis::Reactivation, Axis::Lag, Axis::Listing]);
    let mut all = Vec::new();
    for (stories, banks) in [(&CREATE[..], &urls), (&URLS[..], &urls), (&STATUS[..], &status)] {
        for story in stories {
            for start in [Start::Empty, Start::BothUrls] {
                for habits in banks {
                    all.extend(faults(story, start, *habits)?);
                }
            }
        }
    }
    play_all("one fault", &all, judge)
}

/// Two faults, one after another, at every pair of places.
pub fn two_faults_in_a_row_end_as_if_nothing_had_happened() -> Result<(), String> {
    let banks = Habits::product(&[Axis::Lag, Axis::Reply, Axis::Listing]);
    let mut all = Vec::new();
    for story in CREATE.iter().chain(&URLS[..2]).chain(&STATUS[3..4]).chain(&STATUS[9..10]) {
        for habits in &banks {
            for first in faults(story, Start::Empty, *habits)? {
                let (_, world) = play(story, first.start, first.habits, &first.faults)?;
                let second = points(world.actions, world.mutations);
                all.extend(
                    second
                        .filter(|second| *second != first.faults[0])
                        .map(|second| Game { faults: vec![first.faults[0], second], ..first.clone() }),
                );
            }
        }
    }
    play_all("two faults", &all, judge)
}

fn faults(story: &'static Story, start: Start, habits: Habits) -> Result<Vec<Game>, String> {
    let (_, world) = play(story, start, habits, &[])?;
    let game = |fault| Game { story, start, habits, faults: vec![fault] };
    Ok(points(world.actions, world.mutations).map(game).collect())
}

fn points(actions: usize, mutations: usize) -> impl Iterator<Item = (usize, Fault)> {
    let lost = [Fault::LostBefore, Fault::LostAfter, Fault::Late, Fault::Outage];
    let crashes = (0..actions).map(|at| (at, Fault::Crash));
    crashes.chain((0..mutations).flat_map(move |at| lost.map(|fault| (at, fault))))
}

#[cfg(test)]
mod tests {
    macro_rules! tests {
        ($($name:ident)+) => { $(#[test] fn $name() { if let Err(broken) = super::$name() { panic!("{broken}") } })+ };
    }

    tests! {
        at_every_bank_there_is_one_client_and_a_verdict
        at_every_bank_urls_change_and_foreign_ones_stay
        at_every_bank_a_kill_switch_holds_and_deletion_does_what_was_asked
        at_every_bank_the_secret_holds_the_banks_own_pair_or_none
        a_lost_answer_or_a_crash_anywhere_ends_as_if_nothing_had_happened
        two_faults_in_a_row_end_as_if_nothing_had_happened
    }
}
