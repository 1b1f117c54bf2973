//! Find the client, adopt it, or create it: never twice (protocol §2, §3).

use super::{
    facts::{Facts, late_news, later, stalled, wait},
    write::announce,
};
use crate::plan::{
    action::{Action, Mutation, News, Step, Waiting},
    desired::DesiredStatus,
    journal::{CreateBody, CreateSent, Journal, Origin},
    learn::note_shown,
    observed::{Client, ClientStatus, Listing, Seen, Urls},
    reason::Stall,
};

/// A late commit or a lagging list may hide a client this long (protocol §2.4).
const CONFIRM_SECONDS: i64 = 60;
/// A client that was just created may not be readable for this long.
const READABLE_SECONDS: i64 = 300;

/// While the journal names no client: list, then adopt the one there is or create one.
pub(super) fn row(facts: &Facts<'_>) -> Option<Step> {
    if facts.seen.journal.oauth_client_id.is_some() {
        return None;
    }
    if let Some(step) = recover(facts) {
        return Some(step);
    }
    let Some(listing) = &facts.seen.listing else {
        return Some(Step::Act(Action::ListClients));
    };
    let active: Vec<&Client> = listing.clients.iter().filter(|client| client.status == ClientStatus::Active).collect();
    match active.as_slice() {
        [client] => Some(adopt(facts, client)),
        [] => none_active(facts, listing),
        several => Some(stalled(facts, Stall::AmbiguousClients { count: several.len() })),
    }
}

/// The journal was lost and the status still names the client. It is taken up again, so that a
/// client that somebody cancelled meanwhile is not replaced by a new one behind his back. As with
/// every client that is found, nothing is cancelled by it. Where the journal still knows of a creation,
/// only the number in its answer was lost, and the client is the one that was made.
fn recover(facts: &Facts<'_>) -> Option<Step> {
    let known = facts.seen.remembered.as_ref()?;
    let is_given_up = facts.seen.journal.given_up == Some(known.id);
    if is_given_up || facts.want.status == DesiredStatus::Cancelled {
        return None;
    }
    let mut journal = facts.seen.journal.clone();
    journal.oauth_client_id = Some(known.id);
    journal.client_id.clone_from(&known.client_id);
    let (origin, news) = match &journal.create_sent {
        Some(_) => (Origin::Created, News::Created { id: known.id }),
        None => (Origin::Adopted, News::Recovered { id: known.id }),
    };
    journal.origin = Some(origin);
    journal.manage(&facts.want.urls);
    Some(Step::Act(Action::Record { journal: Box::new(journal), then: None, news: Some(news) }))
}

fn none_active(facts: &Facts<'_>, listing: &Listing) -> Option<Step> {
    let settles = |client: &Client| matches!(client.status, ClientStatus::CancelledPending | ClientStatus::Other);
    match facts.want.status {
        DesiredStatus::Cancelled if facts.seen.journal.create_sent.is_none() => None,
        _ if listing.clients.iter().any(settles) => Some(wait(facts, CONFIRM_SECONDS, Waiting::CancellationPending)),
        DesiredStatus::Active | DesiredStatus::Cancelled => create(facts, listing),
    }
}

/// Takes over the one ACTIVE client. It never cancels in the pass that adopts.
fn adopt(facts: &Facts<'_>, client: &Client) -> Step {
    let origin = origin(&facts.seen.journal, client);
    let client_id = client.client_id.clone().unwrap_or_else(|| client.id.to_string());
    if origin == Origin::Adopted {
        if !facts.want.adopt {
            return stalled(facts, Stall::ClientExists { client_id });
        }
        if facts.want.status == DesiredStatus::Cancelled {
            return stalled(facts, Stall::AdoptionWouldCancel { client_id });
        }
    }
    let mut journal = facts.seen.journal.clone();
    journal.oauth_client_id = Some(client.id);
    journal.client_id.clone_from(&client.client_id);
    journal.origin = Some(origin);
    journal.create_sent = None;
    journal.refused_bodies.clear();
    journal.manage(&facts.want.urls);
    // A complete item serves as the read that follows; what it shows goes into the same write.
    if client.is_complete() {
        note_shown(&mut journal, facts.want, client, &Seen::Unknown);
    }
    let news = match origin {
        Origin::Created => News::Created { id: client.id },
        Origin::Adopted => News::Adopted { client_id, foreign_urls: foreign_urls(&journal, client) },
    };
    Step::Act(Action::Record { journal: Box::new(journal), then: None, news: Some(news) })
}

/// After a POST whose answer was lost, a client that holds our URL, or none at all, is the one we made.
pub(super) fn origin(journal: &Journal, client: &Client) -> Origin {
    if journal.create_sent.is_none() {
        return Origin::Adopted;
    }
    let is_ours = match &client.urls {
        Urls::Entries(entries) => entries.is_empty() || entries.iter().any(|entry| journal.manages(&entry.url)),
        Urls::Single(url) => url.is_empty() || journal.manages(url),
        Urls::NotShown => true,
    };
    if is_ours { Origin::Created } else { Origin::Adopted }
}

fn foreign_urls(journal: &Journal, client: &Client) -> usize {
    match &client.urls {
        Urls::Entries(entries) => entries.iter().filter(|entry| !journal.manages(&entry.url)).count(),
        Urls::Single(url) => usize::from(!url.is_empty() && !journal.manages(url)),
        Urls::NotShown => 0,
    }
}

/// Creates a client when the bank is known to have none.
fn create(facts: &Facts<'_>, listing: &Listing) -> Option<Step> {
    if let Some(sent) = &facts.seen.journal.create_sent {
        return Some(confirm(facts, sent, listing));
    }
    if facts.want.status == DesiredStatus::Cancelled {
        return None;
    }
    match next_body(facts) {
        Ok(body) => {
            let Step::Act(Action::Record { mut journal, then, news }) = announce(facts, Mutation::Create(body)) else {
                return None;
            };
            journal.create_sent = Some(CreateSent { at: facts.now, body, empty_at: None });
            Some(Step::Act(Action::Record { journal, then, news }))
        }
        Err(text) => Some(stalled(facts, Stall::CreateRefused { text })),
    }
}

/// A lost answer: two complete empty listings, the second at least a minute after the attempt.
fn confirm(facts: &Facts<'_>, sent: &CreateSent, listing: &Listing) -> Step {
    let mut journal = facts.seen.journal.clone();
    match sent.empty_at {
        Some(first) if first < listing.at && later(sent.at, CONFIRM_SECONDS) <= listing.at => {
            journal.create_sent = None;
        }
        Some(_) => {
            let until = later(sent.at, CONFIRM_SECONDS).max(later(facts.now, 5));
            return late_news(facts).unwrap_or(Step::Wait(until, Waiting::CreateUnconfirmed));
        }
        None => journal.create_sent = Some(CreateSent { empty_at: Some(listing.at), ..sent.clone() }),
    }
    Step::Act(Action::Record { journal: Box::new(journal), then: None, news: None })
}

/// The first body that the bank did not refuse for this cause, or its last refusal.
fn next_body(facts: &Facts<'_>) -> Result<CreateBody, String> {
    let refused: Vec<_> =
        facts.seen.journal.refused_bodies.iter().filter(|refused| refused.cause == facts.want.cause).collect();
    let is_refused = |body: CreateBody| refused.iter().any(|refusal| refusal.body == body);
    let knows_status_only = refused.iter().any(|refusal| speaks_of_a_superfluous_field(&refusal.text));
    CreateBody::ALL
        .into_iter()
        .filter(|body| !knows_status_only || *body == CreateBody::StatusOnly)
        .find(|body| !is_refused(*body))
        .ok_or_else(|| refused.last().map(|refusal| refusal.text.clone()).unwrap_or_default())
}

/// The bank does not know a field of ours: one that it does know is the only one left to try.
fn speaks_of_a_superfluous_field(text: &str) -> bool {
    text.split("; ").any(|item| item.starts_with("Superfluous field"))
}

/// A verified read of the client that the journal names.
pub(super) fn read(facts: &Facts<'_>) -> Option<Step> {
    let id = facts.seen.journal.oauth_client_id?;
    if facts.client().is_some() {
        return None;
    }
    match facts.seen.client {
        Seen::Unknown | Seen::Present(_) => Some(Step::Act(Action::GetClient(id))),
        Seen::Absent => Some(vanished(facts)),
    }
}

fn vanished(facts: &Facts<'_>) -> Step {
    let journal = &facts.seen.journal;
    if facts.new_client_is_allowed() {
        return give_up(facts);
    }
    if let Some(sent) = journal.create_sent.as_ref().filter(|_| journal.client_id.is_none()) {
        let readable = later(sent.at, READABLE_SECONDS);
        if facts.now < readable {
            return wait(facts, 5, Waiting::ClientNotReadableYet);
        }
    }
    stalled(facts, Stall::ClientVanished { client_id: facts.name_of_old_client() })
}

/// Forgets the client, as the annotation allows.
pub(super) fn give_up(facts: &Facts<'_>) -> Step {
    let mut journal = facts.seen.journal.clone();
    let client_id = facts.name_of_old_client();
    journal.forget_client();
    Step::Act(Action::Record { journal: Box::new(journal), then: None, news: Some(News::GivenUp { client_id }) })
}

/// The journal knows the `client_id` and every declared URL before anything else is written.
pub(super) fn identity(facts: &Facts<'_>) -> Option<Step> {
    let client = facts.client()?;
    let known = &facts.seen.journal;
    let mut journal = known.clone();
    if client.client_id.is_some() {
        journal.client_id.clone_from(&client.client_id);
        journal.create_sent = None;
    }
    journal.manage(&facts.want.urls);
    let is_new = journal.client_id != known.client_id || journal.managed_urls != known.managed_urls;
    is_new.then(|| Step::Act(Action::Record { journal: Box::new(journal), then: None, news: None }))
}
