//! Once per cause: what the journal says about a write, and how to announce one (protocol §5).

use jiff::{Timestamp, ToSpan};

use super::facts::{Facts, late_news, later};
use crate::plan::{
    action::{Action, Mutation, News, Step, Waiting},
    journal::{Answer, Target, Write},
};

/// Repairs of one value within an hour before the operator stops fighting.
const CONTESTED_AFTER: usize = 3;
/// How long a write without an answer rests, from the moment when it was about to be sent: the bank may
/// carry it out after we stopped waiting.
const UNDECIDED_SECONDS: i64 = 45;
/// Between two looks meanwhile.
const LOOK_SECONDS: i64 = 15;

/// Whether a value that the bank does not show may be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// Never sent for this cause, or sent and never answered.
    Yes,
    /// It had been there and vanished.
    Repair,
    /// Accepted, and the bank does not show it.
    Ignored,
    /// Refused, in these words.
    Refused(String),
    /// Repaired too often.
    Contested,
}

/// What the journal permits for `target`, which the bank does not show.
///
/// A write without an answer may be repeated: it sets a value, the read before it has shown that
/// the value is not there, and a lost request would otherwise stall for good (`L1`).
pub(super) fn permission(facts: &Facts<'_>, target: &Target) -> Permission {
    let Some(write) = facts.seen.journal.write(target) else {
        return Permission::Yes;
    };
    if !write.cause.same_request(&facts.want.cause) {
        return Permission::Yes;
    }
    if write.seen {
        return match recent(&write.repairs, facts.now).len() {
            0..CONTESTED_AFTER => Permission::Repair,
            _ => Permission::Contested,
        };
    }
    match &write.answer {
        Answer::None => Permission::Yes,
        Answer::Accepted => Permission::Ignored,
        Answer::Refused(text) => Permission::Refused(text.clone()),
    }
}

fn recent(repairs: &[Timestamp], now: Timestamp) -> Vec<Timestamp> {
    let an_hour_ago = now.saturating_sub(1.hour()).unwrap_or(Timestamp::MIN);
    repairs.iter().copied().filter(|at| *at > an_hour_ago).collect()
}

/// Records `mutation`, so that it may be sent next; a write that just had no answer rests first,
/// or a bank that swallows every request would be asked without end.
pub(super) fn announce(facts: &Facts<'_>, mutation: Mutation) -> Step {
    announce_among(facts, mutation, &[])
}

/// The same, where `twins` hold the value that is to be removed, too.
pub(super) fn announce_among(facts: &Facts<'_>, mutation: Mutation, twins: &[u64]) -> Step {
    // Whatever woke this pass, and after a crash: what was sent before may still be carried out.
    if let Some(until) = mutation.target().and_then(|target| undecided_until(facts, &target)) {
        let look = until.min(later(facts.now, LOOK_SECONDS));
        return late_news(facts).unwrap_or(Step::Wait(look, Waiting::AnswerLost));
    }
    let mut journal = facts.seen.journal.clone();
    journal.manage(&facts.want.urls);
    let mut news = None;
    if let Some(target) = mutation.target() {
        let repairs = repairs(facts, &target);
        if facts.seen.journal.write(&target).is_some_and(|write| write.seen) {
            news = Some(News::Repaired { what: describe(&target) });
        }
        let (cause, twins) = (facts.want.cause.clone(), twins.to_vec());
        let at = Some(facts.now);
        let write = Write { target, cause, at, answer: Answer::None, seen: false, twins, repairs };
        journal.writes.retain(|other| other.target != write.target && is_current(facts, other));
        journal.writes.push(write);
    }
    Step::Act(Action::Record { journal: Box::new(journal), then: Some(mutation), news })
}

/// Until when a write of this cause that has no answer rests.
fn undecided_until(facts: &Facts<'_>, target: &Target) -> Option<Timestamp> {
    let write = facts.seen.journal.write(target)?;
    let is_undecided = write.answer == Answer::None && !write.seen && write.cause.same_request(&facts.want.cause);
    let at = write.at.filter(|_| is_undecided)?;
    let until = later(at, UNDECIDED_SECONDS);
    // A time far ahead of the clock was written by one that was wrong.
    (facts.now < until && at <= later(facts.now, UNDECIDED_SECONDS)).then_some(until)
}

/// The repairs of the last hour, this one included, if this is one.
fn repairs(facts: &Facts<'_>, target: &Target) -> Vec<Timestamp> {
    let Some(write) = facts.seen.journal.write(target).filter(|write| write.cause.same_request(&facts.want.cause))
    else {
        return Vec::new();
    };
    let mut repairs = recent(&write.repairs, facts.now);
    if write.seen {
        repairs.push(facts.now);
    }
    repairs
}

/// Entries of older causes only matter while their value is declared.
fn is_current(facts: &Facts<'_>, write: &Write) -> bool {
    write.cause.same_request(&facts.want.cause)
        || match &write.target {
            Target::Activate | Target::Cancel => true,
            target => target.url().is_some_and(|url| facts.want.urls.contains(url)),
        }
}

/// What a message calls it.
pub(super) fn describe(target: &Target) -> String {
    match target {
        Target::Activate => "status ACTIVE".to_owned(),
        Target::Cancel => "status CANCELLED".to_owned(),
        Target::RedirectUrl(url) | Target::RedirectUrlWithStatus(url) | Target::Add(url) | Target::Replace(url) => {
            format!("redirect URL {url}")
        }
        Target::Remove(url) => format!("removal of redirect URL {url}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Cause, Client, ClientStatus, Desired, Journal, Observed, Seen, Urls, next};

    const URL: &str = "https://a.example";

    /// The step for a URL that was about to be sent so many seconds ago and has no answer.
    fn step_after(seconds: i64) -> Step {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let want = Desired { urls: vec![URL.to_owned()], ..Desired::plain() };
        let write = Write {
            target: Target::Add(URL.to_owned()),
            cause: Cause::default(),
            at: Some(later(now, -seconds)),
            answer: Answer::None,
            seen: false,
            twins: Vec::new(),
            repairs: Vec::new(),
        };
        let journal = Journal {
            oauth_client_id: Some(1),
            client_id: Some("id".to_owned()),
            managed_urls: vec![URL.to_owned()],
            writes: vec![write],
            ..Journal::default()
        };
        let client = Client {
            id: 1,
            client_id: Some("id".to_owned()),
            status: ClientStatus::Active,
            display_name: None,
            has_secret: true,
            urls: Urls::Entries(Vec::new()),
        };
        let (stored, client) = (journal.clone(), Seen::Present(client));
        next(&want, &Observed { journal, stored, client, output: Seen::Absent, ..Observed::default() }, now)
    }

    #[test]
    fn whatever_wakes_a_pass_a_write_without_an_answer_rests() {
        for seconds in [0, 20, 44] {
            assert!(matches!(step_after(seconds), Step::Wait(_, Waiting::AnswerLost)), "after {seconds} s");
        }
        for seconds in [45, 3600, -3600] {
            let step = step_after(seconds);
            assert!(matches!(step, Step::Act(Action::Record { then: Some(_), .. })), "after {seconds} s: {step:?}");
        }
    }
}
