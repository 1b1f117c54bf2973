//! What every row looks at, and how a row ends a pass.

use jiff::{Timestamp, ToSpan};

use crate::plan::{
    action::{Action, News, Step, Verdict, Waiting},
    desired::{Desired, DesiredStatus},
    observed::{Client, Observed},
    reason::Stall,
};

/// What every row looks at.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) want: &'a Desired,
    pub(super) seen: &'a Observed,
    pub(super) now: Timestamp,
}

impl<'a> Facts<'a> {
    /// The client, if a verified read of this pass showed it.
    pub(super) fn client(&self) -> Option<&'a Client> {
        self.seen.client.present()
    }

    /// What the annotation `allow-new-client` must name to give the present client up.
    pub(super) fn name_of_old_client(&self) -> String {
        let journal = &self.seen.journal;
        match (&journal.client_id, journal.oauth_client_id) {
            (Some(client_id), _) => client_id.clone(),
            (None, Some(id)) => id.to_string(),
            (None, None) => String::new(),
        }
    }

    /// Whether the annotation gives up exactly the client of the journal.
    pub(super) fn new_client_is_allowed(&self) -> bool {
        let old = self.name_of_old_client();
        !old.is_empty() && self.want.allow_new_client.as_deref() == Some(old.as_str())
    }

    pub(super) fn record_what_is_known(&self) -> Step {
        let (known, stored) = (&self.seen.journal, &self.seen.stored);
        let news =
            known.oauth_client_id.filter(|id| stored.oauth_client_id != Some(*id)).map(|id| News::Created { id });
        Step::Act(Action::Record { journal: Box::new(known.clone()), then: None, news })
    }

    pub(super) fn success(&self) -> Verdict {
        match self.want.status {
            DesiredStatus::Active => Verdict::Synced,
            DesiredStatus::Cancelled if self.seen.journal.oauth_client_id.is_none() => Verdict::NothingToCancel,
            DesiredStatus::Cancelled => Verdict::Cancelled,
        }
    }
}

/// What is not urgent is stored in one write, when there is nothing else to do.
pub(super) fn late_news(facts: &Facts<'_>) -> Option<Step> {
    (facts.seen.journal != facts.seen.stored).then(|| facts.record_what_is_known())
}

/// Ends the pass with a reason for a person. What was learned is stored first.
pub(super) fn stalled(facts: &Facts<'_>, stall: Stall) -> Step {
    late_news(facts).unwrap_or(Step::Done(Verdict::Stalled(stall)))
}

/// Waits some seconds from now; what was learned is stored first.
pub(super) fn wait(facts: &Facts<'_>, seconds: i64, why: Waiting) -> Step {
    late_news(facts).unwrap_or_else(|| Step::Wait(later(facts.now, seconds), why))
}

/// So many seconds after `at`.
pub(super) fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.saturating_add(seconds.seconds()).unwrap_or(Timestamp::MAX)
}
