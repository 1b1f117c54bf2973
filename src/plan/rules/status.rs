//! ACTIVE or CANCELLED: a kill switch is not undone (protocol §6).

use super::{
    facts::{Facts, late_news, stalled, wait},
    find::give_up,
    write::{Permission, announce, describe, permission},
};
use crate::plan::{
    action::{Action, Mutation, Step, Verdict, Waiting},
    desired::DesiredStatus,
    journal::Target,
    observed::{Client, ClientStatus},
    reason::Stall,
};

/// Brings the client's status to the declared one, once.
pub(super) fn row(facts: &Facts<'_>) -> Option<Step> {
    let client = facts.client()?;
    match (facts.want.status, client.status) {
        (DesiredStatus::Active, ClientStatus::Active) => None,
        (DesiredStatus::Active, ClientStatus::Cancelled) => Some(reactivate(facts, client)),
        (DesiredStatus::Cancelled, ClientStatus::Active) => Some(cancel(facts, client)),
        (DesiredStatus::Cancelled, ClientStatus::Cancelled | ClientStatus::CancelledPending) => {
            Some(acknowledge(facts))
        }
        (DesiredStatus::Active, ClientStatus::CancelledPending) | (_, ClientStatus::Other) => {
            Some(wait(facts, 60, Waiting::CancellationPending))
        }
    }
}

fn reactivate(facts: &Facts<'_>, client: &Client) -> Step {
    let refused = |text| Stall::ReactivationRefused { text, client_id: facts.name_of_old_client() };
    if !facts.seen.journal.cancelled_by_us {
        return stalled(facts, Stall::CancelledAtBank);
    }
    if facts.new_client_is_allowed() {
        return give_up(facts);
    }
    match permission(facts, &Target::Activate) {
        Permission::Yes => announce(facts, Mutation::SetStatus { client: client.id, status: DesiredStatus::Active }),
        Permission::Ignored => stalled(facts, refused(None)),
        Permission::Refused(text) => stalled(facts, refused(Some(text))),
        // It was ACTIVE again and somebody cancelled it since: that is a kill switch.
        Permission::Repair | Permission::Contested => stalled(facts, Stall::CancelledAtBank),
    }
}

/// Cancels the client; on the way to CANCELLED the journal already says that it was us.
pub(super) fn cancel(facts: &Facts<'_>, client: &Client) -> Step {
    match permission(facts, &Target::Cancel) {
        Permission::Yes | Permission::Repair => {
            let mutation = Mutation::SetStatus { client: client.id, status: DesiredStatus::Cancelled };
            match announce(facts, mutation) {
                Step::Act(Action::Record { mut journal, then, news }) => {
                    journal.cancelled_by_us = true;
                    Step::Act(Action::Record { journal, then, news })
                }
                step @ (Step::Act(_) | Step::Wait(..) | Step::Done(_)) => step,
            }
        }
        Permission::Ignored => stalled(facts, Stall::CancelRefused { text: None }),
        Permission::Refused(text) => stalled(facts, Stall::CancelRefused { text: Some(text) }),
        Permission::Contested => stalled(facts, Stall::DriftContested { what: describe(&Target::Cancel) }),
    }
}

/// CANCELLED as declared, by whomever: from now on it is our own, and ACTIVE brings it back.
fn acknowledge(facts: &Facts<'_>) -> Step {
    if facts.seen.journal.cancelled_by_us {
        return late_news(facts).unwrap_or(Step::Done(Verdict::Cancelled));
    }
    let mut journal = facts.seen.journal.clone();
    journal.cancelled_by_us = true;
    Step::Act(Action::Record { journal: Box::new(journal), then: None, news: None })
}
