//! Once per cause: what the journal says about a write, and how to announce one (protocol §5).

use jiff::{Timestamp, ToSpan};

use super::{Facts, find::wait};
use crate::plan::{
    action::{Action, Mutation, News, Step, Waiting},
    journal::{Answer, Cause, Journal, Target, Write},
};

/// Repairs of one value within an hour before the operator stops fighting.
const CONTESTED_AFTER: usize = 3;
/// How long a write without an answer rests.
const UNANSWERED_SECONDS: i64 = 15;

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
pub(super) fn permission(journal: &Journal, target: &Target, cause: &Cause, now: Timestamp) -> Permission {
    let Some(write) = journal.write(target) else {
        return Permission::Yes;
    };
    if !write.cause.same_request(cause) {
        return Permission::Yes;
    }
    if write.seen {
        return match recent(&write.repairs, now).len() {
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

impl Facts<'_> {
    /// What the journal permits for `target`.
    pub(super) fn permission(&self, target: &Target) -> Permission {
        permission(&self.seen.journal, target, &self.want.cause, self.now)
    }

    /// Records `mutation`, so that it may be sent next; a write that just had no answer rests first,
    /// or a bank that swallows every request would be asked without end.
    pub(super) fn announce(&self, mutation: Mutation) -> Step {
        self.announce_among(mutation, &[])
    }

    /// The same, where `twins` hold the value that is to be removed, too.
    pub(super) fn announce_among(&self, mutation: Mutation, twins: &[u64]) -> Step {
        if mutation.target().is_some_and(|target| self.seen.unanswered.contains(&target)) {
            return wait(self, UNANSWERED_SECONDS, Waiting::AnswerLost);
        }
        let mut journal = self.seen.journal.clone();
        journal.manage(&self.want.urls);
        let mut news = None;
        if let Some(target) = mutation.target() {
            let repairs = self.repairs(&target);
            if self.seen.journal.write(&target).is_some_and(|write| write.seen) {
                news = Some(News::Repaired { what: describe(&target) });
            }
            let (cause, twins) = (self.want.cause.clone(), twins.to_vec());
            let write = Write { target, cause, answer: Answer::None, seen: false, twins, repairs };
            journal.writes.retain(|other| other.target != write.target && self.is_current(other));
            journal.writes.push(write);
        }
        Step::Act(Action::Record { journal: Box::new(journal), then: Some(mutation), news })
    }

    /// The repairs of the last hour, this one included, if this is one.
    fn repairs(&self, target: &Target) -> Vec<Timestamp> {
        let Some(write) = self.seen.journal.write(target).filter(|write| write.cause.same_request(&self.want.cause))
        else {
            return Vec::new();
        };
        let mut repairs = recent(&write.repairs, self.now);
        if write.seen {
            repairs.push(self.now);
        }
        repairs
    }

    /// Entries of older causes only matter while their value is declared.
    fn is_current(&self, write: &Write) -> bool {
        write.cause.same_request(&self.want.cause)
            || match &write.target {
                Target::Activate | Target::Cancel => true,
                target => target.url().is_some_and(|url| self.want.urls.contains(url)),
            }
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
