//! The rules, in order: the first row that has something to say decides (protocol §2–§7, §9, §10).
//!
//! | module | holds |
//! |---|---|
//! | `facts` | what every row looks at, and how a row ends a pass |
//! | `write` | once per cause: whether a value may be sent, and how it is announced |
//! | `find` | the client: found, adopted or created |
//! | `status` | ACTIVE or CANCELLED |
//! | `redirect_url` | the redirect URLs |
//! | `output` | the output Secret |
//! | `deletion` | what becomes of the client when its manifest goes |

mod deletion;
mod facts;
mod find;
mod output;
mod redirect_url;
mod status;
mod write;

use jiff::Timestamp;

use self::facts::{Facts, late_news};
use super::{
    action::{Action, Release, Step},
    desired::Desired,
    observed::Observed,
};

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

/// The finalizer stands before any mutation and before Ready, and only with `Cancel` (`S6`).
fn finalizer(facts: &Facts<'_>) -> Option<Step> {
    match (facts.want.cancel_on_delete, facts.seen.finalizer) {
        (true, false) => Some(Step::Act(Action::AddFinalizer)),
        (false, true) => Some(Step::Act(Action::DropFinalizer(Release::Retained))),
        (true, true) | (false, false) => None,
    }
}
