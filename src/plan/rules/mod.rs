//! The rules, in order: the first row that has something to say decides (protocol §2–§7, §9, §10).

mod deletion;
mod find;
mod output;
mod redirect_url;
mod status;
mod write;

use jiff::Timestamp;

use super::{
    action::{Action, News, Step, Verdict},
    desired::{Desired, DesiredStatus},
    observed::{Client, Observed},
};

/// What every row looks at.
#[derive(Clone, Copy)]
struct Facts<'a> {
    want: &'a Desired,
    seen: &'a Observed,
    now: Timestamp,
}

/// A row of the table: `None` passes on to the next.
type Row = fn(&Facts<'_>) -> Option<Step>;

/// The table. The comment says what is settled once the row has passed.
const ROWS: [Row; 13] = [
    armed,               // nothing was announced that is not sent
    urgent_news,         // what only this pass knows about the client's identity is stored
    deletion::row,       // the manifest stays
    finalizer,           // a deletion from now on passes through us
    output::not_foreign, // there is a place for the credentials
    find::row,           // the journal names one client
    find::read,          // a verified read shows it
    find::identity,      // the journal knows its client_id and the URLs declared
    status::row,         // it is ACTIVE, or CANCELLED as declared
    redirect_url::row,   // every declared URL is registered
    output::published,   // the Secret holds what was read
    output::tidied,      // no Secret of ours is left under an earlier name
    late_news,           // the journal knows what was seen
];

/// The next step towards `want`, given what is `seen`.
///
/// It is total and deterministic; it never asks for a creation unless the bank was listed
/// completely and showed no client (`S1`), and never for a write that the journal does not know.
#[must_use]
pub fn next(want: &Desired, seen: &Observed, now: Timestamp) -> Step {
    let facts = Facts { want, seen, now };
    ROWS.iter().find_map(|row| row(&facts)).unwrap_or(Step::Done(facts.success()))
}

/// What was just recorded is sent, before anything else.
fn armed(facts: &Facts<'_>) -> Option<Step> {
    let mutation = facts.seen.armed.clone()?;
    Some(Step::Act(Action::Send(mutation)))
}

/// An id that the bank answered, or a body that it refused, is stored at once.
fn urgent_news(facts: &Facts<'_>) -> Option<Step> {
    let (known, stored) = (&facts.seen.journal, &facts.seen.stored);
    let is_urgent = known.oauth_client_id != stored.oauth_client_id || known.refused_bodies != stored.refused_bodies;
    is_urgent.then(|| facts.record_what_is_known())
}

/// Everything else is stored in one write, when there is nothing else to do.
fn late_news(facts: &Facts<'_>) -> Option<Step> {
    (facts.seen.journal != facts.seen.stored).then(|| facts.record_what_is_known())
}

/// The finalizer stands before any mutation and before Ready, and only with `Cancel` (`S6`).
fn finalizer(facts: &Facts<'_>) -> Option<Step> {
    match (facts.want.cancel_on_delete, facts.seen.finalizer) {
        (true, false) => Some(Step::Act(Action::AddFinalizer)),
        (false, true) => Some(Step::Act(Action::DropFinalizer(super::action::Release::Retained))),
        (true, true) | (false, false) => None,
    }
}

impl<'a> Facts<'a> {
    /// The client, if a verified read of this pass showed it.
    fn client(&self) -> Option<&'a Client> {
        self.seen.client.present()
    }

    /// What the annotation `allow-new-client` must name to give the present client up.
    fn name_of_old_client(&self) -> String {
        let journal = &self.seen.journal;
        match (&journal.client_id, journal.oauth_client_id) {
            (Some(client_id), _) => client_id.clone(),
            (None, Some(id)) => id.to_string(),
            (None, None) => String::new(),
        }
    }

    /// Whether the annotation gives up exactly the client of the journal.
    fn new_client_is_allowed(&self) -> bool {
        let old = self.name_of_old_client();
        !old.is_empty() && self.want.allow_new_client.as_deref() == Some(old.as_str())
    }

    fn record_what_is_known(&self) -> Step {
        let (known, stored) = (&self.seen.journal, &self.seen.stored);
        let news =
            known.oauth_client_id.filter(|id| stored.oauth_client_id != Some(*id)).map(|id| News::Created { id });
        Step::Act(Action::Record { journal: Box::new(known.clone()), then: None, news })
    }

    fn success(&self) -> Verdict {
        match self.want.status {
            DesiredStatus::Active => Verdict::Synced,
            DesiredStatus::Cancelled if self.seen.journal.oauth_client_id.is_none() => Verdict::NothingToCancel,
            DesiredStatus::Cancelled => Verdict::Cancelled,
        }
    }
}

/// Ends the pass with a reason for a person. What was learned is stored first.
fn stalled(facts: &Facts<'_>, stall: super::reason::Stall) -> Step {
    late_news(facts).unwrap_or(Step::Done(Verdict::Stalled(stall)))
}
