//! What an action taught: the only way observations change.

use jiff::Timestamp;

use super::{
    action::{Action, Mutation},
    desired::Desired,
    journal::{Answer, Journal, Origin, RefusedBody, Target, Write},
    observed::{Client, ClientStatus, Entry, Listing, Observed, Output, Seen, Urls},
};

/// What came of an action that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Learned {
    /// The finalizer is there, or gone.
    Finalizer,
    /// The journal is stored.
    Stored,
    /// A complete, verified listing.
    Clients(Listing),
    /// A verified read of one client; `None` is the bank's 404.
    Client(Option<Client>),
    /// A verified read of the sub-resource; `None` is the bank's 404 or 405.
    CallbackUrls(Option<Vec<Entry>>),
    /// The bank accepted a mutation; a creation may carry an id.
    Accepted(Option<u64>),
    /// The output Secret as it is now; `None` is the API server's 404.
    Output(Option<Output>),
}

/// What came of a mutation that was not accepted. Anything else that fails ends the pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missed {
    /// The bank refused it, in these words (sanitised); nothing was changed.
    Refused(String),
    /// It may or may not have been carried out.
    Ambiguous,
}

/// Takes in the outcome of `action`, which served `want`.
pub fn learn(seen: &mut Observed, want: &Desired, action: &Action, outcome: Result<Learned, Missed>) {
    match (action, outcome) {
        (Action::Record { journal, then, .. }, Ok(_)) => {
            seen.armed.clone_from(then);
            stored(seen, want, (**journal).clone());
        }
        (Action::RemoveLeftover(_), Ok(_)) => seen.leftover = None,
        (Action::AddFinalizer, Ok(_)) => seen.finalizer = true,
        (Action::DropFinalizer(_), Ok(_)) => seen.finalizer = false,
        (Action::Send(mutation), outcome) => sent(seen, want, mutation, outcome),
        (_, Ok(Learned::Clients(listing))) => seen.listing = Some(listing),
        (_, Ok(Learned::Client(client))) => read(seen, want, client),
        (_, Ok(Learned::CallbackUrls(entries))) => {
            seen.callback_urls = entries.map_or(Seen::Absent, Seen::Present);
            shown(seen, want);
        }
        (_, Ok(Learned::Output(output))) => seen.output = output.map_or(Seen::Absent, Seen::Present),
        (_, Ok(Learned::Finalizer | Learned::Stored | Learned::Accepted(_)) | Err(_)) => {}
    }
}

/// The journal is stored. Where it names another client than before, older reads are of no use,
/// but a complete item of a listing is as good as a GET (protocol §9).
fn stored(seen: &mut Observed, want: &Desired, journal: Journal) {
    let before = seen.stored.oauth_client_id;
    seen.journal = journal.clone();
    seen.stored = journal;
    let now = seen.journal.oauth_client_id;
    if now == before {
        return;
    }
    seen.client = Seen::Unknown;
    seen.callback_urls = Seen::Unknown;
    judge_output_again(seen);
    let listing = seen.listing.take();
    let named = |client: &Client| Some(client.id) == now && client.is_complete();
    if let Some(client) = listing.and_then(|listing| listing.clients.into_iter().find(named)) {
        read(seen, want, Some(client));
    }
}

/// After a mutation everything that it may have changed is unknown, whatever the answer was.
fn sent(seen: &mut Observed, want: &Desired, mutation: &Mutation, outcome: Result<Learned, Missed>) {
    seen.armed = None;
    seen.client = Seen::Unknown;
    seen.callback_urls = Seen::Unknown;
    seen.listing = None;
    match (mutation, &outcome) {
        (Mutation::Create(_), Ok(Learned::Accepted(Some(id)))) => {
            seen.journal.oauth_client_id = Some(*id);
            seen.journal.origin = Some(Origin::Created);
            seen.journal.refused_bodies.clear();
        }
        (Mutation::Create(body), Err(Missed::Refused(text))) => {
            seen.journal.create_sent = None;
            seen.journal.refused_bodies.retain(|refused| refused.cause == want.cause);
            let refused = RefusedBody { body: *body, cause: want.cause.clone(), text: text.clone() };
            seen.journal.refused_bodies.push(refused);
        }
        _ => {}
    }
    let Some(target) = mutation.target() else { return };
    let Some(write) = seen.journal.write_mut(&target) else { return };
    write.answer = match outcome {
        Ok(_) => Answer::Accepted,
        Err(Missed::Refused(text)) => Answer::Refused(text),
        Err(Missed::Ambiguous) => Answer::None,
    };
}

fn read(seen: &mut Observed, want: &Desired, client: Option<Client>) {
    if let Some(client) = &client
        && client.has_secret
    {
        seen.pair.clone_from(&client.client_id);
        judge_output_again(seen);
    }
    seen.client = client.map_or(Seen::Absent, Seen::Present);
    if let Seen::Present(client) = &seen.client
        && client.status == ClientStatus::Active
    {
        seen.journal.cancelled_by_us = false;
    }
    shown(seen, want);
}

/// Whether a Secret of ours is current was judged by the pair in hand, which is another one now.
fn judge_output_again(seen: &mut Observed) {
    if matches!(seen.output, Seen::Present(Output::Ours { .. } | Output::Frozen)) {
        seen.output = Seen::Unknown;
    }
}

/// Marks the values that a read has shown: if one vanishes later, that is drift. A declared URL that
/// was there without a write of ours (a create body, an adoption) gets its entry now.
fn shown(seen: &mut Observed, want: &Desired) {
    let Seen::Present(client) = &seen.client else { return };
    note_shown(&mut seen.journal, want, client, &seen.callback_urls);
}

/// The same for a journal that is yet to be stored, and the read that it will go by.
pub(super) fn note_shown(journal: &mut Journal, want: &Desired, client: &Client, callback_urls: &Seen<Vec<Entry>>) {
    let by_put = matches!(client.urls, Urls::Single(_));
    let known: Option<Vec<&str>> = match (&client.urls, callback_urls) {
        (Urls::Entries(entries), _) | (Urls::NotShown, Seen::Present(entries)) => {
            Some(entries.iter().map(|entry| entry.url.as_str()).collect())
        }
        (Urls::Single(url), _) => Some(vec![url.as_str()]),
        (Urls::NotShown, Seen::Absent | Seen::Unknown) => None,
    };
    let is_gone = |url: &String| known.as_ref().is_some_and(|urls| !urls.contains(&url.as_str()));
    let urls = known.as_deref().unwrap_or_default();
    let is_active = client.status == ClientStatus::Active;
    let is_cancelled = client.is_cancelled();
    for write in &mut journal.writes {
        let is_shown = match &write.target {
            Target::Activate => is_active,
            Target::Cancel => is_cancelled,
            // A URL that comes back after it was removed is drift like one that vanishes.
            Target::Remove(url) => is_gone(url),
            target => target.url().is_some_and(|url| urls.contains(&url.as_str())),
        };
        // Only this cause's: an older value may be there by chance.
        write.seen |= is_shown && write.cause.same_request(&want.cause);
    }
    for url in want.urls.iter().filter(|url| urls.contains(&url.as_str())) {
        let target = if by_put { Target::RedirectUrl(url.clone()) } else { Target::Add(url.clone()) };
        let writes = &mut journal.writes;
        if !writes.iter().any(|write| write.target.url() == Some(url)) {
            let cause = want.cause.clone();
            writes.push(Write {
                target,
                cause,
                answer: Answer::Accepted,
                seen: true,
                at: None,
                twins: Vec::new(),
                repairs: Vec::new(),
            });
        }
    }
}

/// A listing begun at `at`.
#[must_use]
pub fn listing(at: Timestamp, clients: Vec<Client>) -> Learned {
    Learned::Clients(Listing { at, clients })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Cause;

    /// Whether the removal of a URL counts as done after a read that shows `urls`.
    fn is_seen_removed(urls: Urls) -> bool {
        let url = "https://a.example".to_owned();
        let write = Write {
            target: Target::Remove(url),
            cause: Cause::default(),
            at: None,
            answer: Answer::Accepted,
            seen: false,
            twins: Vec::new(),
            repairs: Vec::new(),
        };
        let mut seen =
            Observed { journal: Journal { writes: vec![write], ..Journal::default() }, ..Observed::default() };
        let client = Client {
            id: 1,
            client_id: None,
            status: ClientStatus::Active,
            display_name: None,
            has_secret: false,
            urls,
        };
        learn(&mut seen, &Desired::plain(), &Action::GetClient(1), Ok(Learned::Client(Some(client))));
        seen.journal.writes[0].seen
    }

    #[test]
    fn a_removal_is_seen_when_a_read_shows_the_other_urls_only() {
        let entry = |url: &str| Entry { id: Some(1), url: url.to_owned() };
        assert!(is_seen_removed(Urls::Entries(vec![entry("https://b.example")])));
        assert!(is_seen_removed(Urls::Entries(Vec::new())));
        assert!(!is_seen_removed(Urls::Entries(vec![entry("https://a.example")])));
        assert!(!is_seen_removed(Urls::NotShown));
    }
}
