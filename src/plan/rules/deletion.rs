//! What becomes of the client when its manifest goes (protocol §10).

use super::{facts::Facts, find::origin, status::cancel};
use crate::plan::{
    action::{Action, Release, Step, Verdict},
    journal::Origin,
    observed::{Client, ClientStatus, Listing, Seen},
};

/// Cancels the client if that was asked for and is ours to do; then the manifest may go.
pub(super) fn row(facts: &Facts<'_>) -> Option<Step> {
    if !facts.want.deleting {
        return None;
    }
    if !facts.seen.finalizer {
        return Some(Step::Done(Verdict::Released));
    }
    Some(match release(facts) {
        Ok(step) => step,
        Err(release) => Step::Act(Action::DropFinalizer(release)),
    })
}

/// The next step towards CANCELLED, or why the manifest may go now.
fn release(facts: &Facts<'_>) -> Result<Step, Release> {
    if !facts.want.cancel_on_delete {
        return Err(Release::Retained);
    }
    if facts.want.suspended {
        return Err(Release::Suspended);
    }
    let journal = &facts.seen.journal;
    if journal.oauth_client_id.is_none() && journal.create_sent.is_none() {
        return Err(Release::NothingToCancel);
    }
    let client_id = facts.name_of_old_client();
    let is_confirmed = facts.want.confirm_cancel.as_deref() == Some(client_id.as_str());
    if journal.origin == Some(Origin::Adopted) && !is_confirmed {
        return Err(Release::NotConfirmed { client_id });
    }
    let Some(deadline) = journal.deletion_deadline() else {
        let mut journal = journal.clone();
        journal.deletion_started = Some(facts.now);
        return Ok(Step::Act(Action::Record { journal: Box::new(journal), then: None, news: None }));
    };
    let is_over = deadline <= facts.now;
    match (&facts.seen.client, facts.client()) {
        (Seen::Absent, _) => Err(Release::NothingToCancel),
        (_, Some(client)) if client.is_cancelled() => Err(Release::Cancelled),
        _ if is_over => Err(Release::GaveUp { why: "the deadline of 10 minutes has passed".to_owned() }),
        (_, Some(client)) => cancel_before(facts, client),
        (_, None) => match journal.oauth_client_id {
            Some(id) => Ok(Step::Act(Action::GetClient(id))),
            None => find_unconfirmed(facts),
        },
    }
}

fn cancel_before(facts: &Facts<'_>, client: &Client) -> Result<Step, Release> {
    match cancel(facts, client) {
        Step::Done(Verdict::Stalled(stall)) => Err(Release::GaveUp { why: stall.reason().meaning().to_owned() }),
        step @ (Step::Act(_) | Step::Wait(..) | Step::Done(_)) => Ok(step),
    }
}

/// A POST whose answer was lost may have made a client: it is looked for once, and cancelled if
/// there is exactly one.
fn find_unconfirmed(facts: &Facts<'_>) -> Result<Step, Release> {
    let Some(Listing { clients, .. }) = &facts.seen.listing else {
        return Ok(Step::Act(Action::ListClients));
    };
    let active: Vec<&Client> = clients.iter().filter(|client| client.status == ClientStatus::Active).collect();
    let [client] = active.as_slice() else {
        return Err(Release::NothingToCancel);
    };
    let mut journal = facts.seen.journal.clone();
    journal.oauth_client_id = Some(client.id);
    journal.client_id.clone_from(&client.client_id);
    journal.origin = Some(origin(&facts.seen.journal, client));
    journal.create_sent = None;
    Ok(Step::Act(Action::Record { journal: Box::new(journal), then: None, news: None }))
}
