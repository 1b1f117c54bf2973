//! The output Secret: published late, never overwritten by less (protocol §7).

use super::facts::{Facts, stalled};
use crate::plan::{
    action::{Action, Step},
    desired::DesiredStatus,
    observed::{Output, Seen},
    reason::Stall,
};

/// Before a client is made, there must be a place for its credentials.
pub(super) fn not_foreign(facts: &Facts<'_>) -> Option<Step> {
    if facts.want.status == DesiredStatus::Cancelled {
        return None;
    }
    match facts.seen.output {
        Seen::Unknown => Some(Step::Act(Action::ReadOutput)),
        Seen::Present(Output::Foreign) => Some(stalled(facts, Stall::SecretNotOwned)),
        Seen::Present(Output::Frozen | Output::Ours { .. }) | Seen::Absent => None,
    }
}

/// The client is ACTIVE and its URLs are verified: the Secret holds the pair that was read.
pub(super) fn published(facts: &Facts<'_>) -> Option<Step> {
    if facts.want.status == DesiredStatus::Cancelled {
        return None;
    }
    let client_id = facts.client()?.client_id.clone();
    let is_in_hand = client_id.is_some() && facts.seen.pair == client_id;
    let not_shown = || stalled(facts, Stall::ClientSecretNotShown { client_id: facts.name_of_old_client() });
    match facts.seen.output {
        Seen::Present(Output::Ours { current: true }) => None,
        Seen::Present(Output::Ours { current: false }) if is_in_hand => Some(Step::Act(Action::UpdateOutput)),
        Seen::Absent if is_in_hand => Some(Step::Act(Action::CreateOutput)),
        Seen::Present(Output::Ours { current: false }) | Seen::Absent => Some(not_shown()),
        Seen::Present(Output::Frozen) => Some(stalled(facts, Stall::SecretImmutable)),
        Seen::Present(Output::Foreign) => Some(stalled(facts, Stall::SecretNotOwned)),
        Seen::Unknown => Some(Step::Act(Action::ReadOutput)),
    }
}

/// The Secret of an earlier name goes after the new one stands.
pub(super) fn tidied(facts: &Facts<'_>) -> Option<Step> {
    if facts.want.status == DesiredStatus::Cancelled {
        return None;
    }
    let name = facts.seen.leftover.clone()?;
    Some(Step::Act(Action::RemoveLeftover(name)))
}
