//! Redirect URLs: compared byte by byte, added before any is removed, others' never touched
//! (protocol §4).

use super::{
    facts::{Facts, stalled},
    write::{Permission, announce, announce_among, describe, permission},
};
use crate::plan::{
    action::{Action, Mutation, Step},
    desired::DesiredStatus,
    journal::{Answer, Origin, Target, Write},
    observed::{Client, Entry, Seen, Urls},
    reason::Stall,
};

/// Registers every declared URL and removes those that no longer are.
pub(super) fn row(facts: &Facts<'_>) -> Option<Step> {
    if facts.want.status == DesiredStatus::Cancelled {
        return None;
    }
    let client = facts.client()?;
    match &client.urls {
        Urls::Entries(entries) => by_sub_resource(facts, client, entries),
        Urls::Single(url) => by_put(facts, client, Some(url.as_str()).filter(|url| !url.is_empty())),
        Urls::NotShown => match &facts.seen.callback_urls {
            Seen::Unknown => Some(Step::Act(Action::ListCallbackUrls(client.id))),
            Seen::Present(entries) => by_sub_resource(facts, client, entries),
            Seen::Absent => by_put(facts, client, None),
        },
    }
}

fn by_sub_resource(facts: &Facts<'_>, client: &Client, entries: &[Entry]) -> Option<Step> {
    let is_there = |url: &String| entries.iter().any(|entry| entry.url == *url);
    let missing: Vec<&String> = facts.want.urls.iter().filter(|url| !is_there(url)).collect();
    let obsolete: Vec<&Entry> = entries.iter().filter(|entry| is_obsolete(facts, &entry.url)).collect();
    if missing.is_empty() {
        return remove(facts, client, &obsolete);
    }
    // Whatever can still be done for any URL is done before one of them stops the pass.
    let attempts: Vec<Step> = missing.iter().map(|url| add(facts, client, url, &obsolete, entries)).collect();
    let acts = |step: &&Step| matches!(step, Step::Act(Action::Record { then: Some(_), .. }));
    let waits = |step: &&Step| matches!(step, Step::Wait(..));
    attempts.iter().find(acts).or(attempts.iter().find(waits)).or(attempts.first()).cloned()
}

/// No longer declared, and ours to remove.
fn is_obsolete(facts: &Facts<'_>, url: &str) -> bool {
    let is_declared = facts.want.urls.iter().any(|wanted| wanted == url);
    !is_declared && (facts.want.prune || facts.seen.journal.manages(url))
}

/// POST; where that is refused and an obsolete entry stands in the way, PUT that entry.
fn add(facts: &Facts<'_>, client: &Client, url: &str, obsolete: &[&Entry], entries: &[Entry]) -> Step {
    let post = Target::Add(url.to_owned());
    match permission(facts, &post) {
        Permission::Yes | Permission::Repair => {
            announce(facts, Mutation::AddUrl { client: client.id, url: url.to_owned() })
        }
        Permission::Contested => stalled(facts, Stall::DriftContested { what: describe(&post) }),
        Permission::Ignored => stalled(facts, not_applied(facts, url, entries)),
        Permission::Refused(text) => replace(facts, client, url, text, obsolete, entries),
    }
}

fn replace(
    facts: &Facts<'_>,
    client: &Client,
    url: &str,
    refusal: String,
    obsolete: &[&Entry],
    entries: &[Entry],
) -> Step {
    let refused = |text| Stall::RedirectUrlRefused { url: url.to_owned(), text };
    let put = Target::Replace(url.to_owned());
    match permission(facts, &put) {
        Permission::Yes | Permission::Repair => match obsolete.iter().find_map(|entry| entry.id) {
            Some(entry) => announce(facts, Mutation::ReplaceUrl { client: client.id, entry, url: url.to_owned() }),
            None => stalled(facts, refused(refusal)),
        },
        Permission::Contested => stalled(facts, Stall::DriftContested { what: describe(&put) }),
        Permission::Ignored => stalled(facts, not_applied(facts, url, entries)),
        Permission::Refused(text) => stalled(facts, refused(text)),
    }
}

/// Removes obsolete entries, each once per cause. One that cannot be removed is reported in the
/// status and keeps nothing from being Ready. One that comes back is somebody else's by now, unless
/// nobody else is to have any.
fn remove(facts: &Facts<'_>, client: &Client, obsolete: &[&Entry]) -> Option<Step> {
    obsolete.iter().find_map(|entry| {
        let id = entry.id?;
        let target = Target::Remove(entry.url.clone());
        let removal = Mutation::RemoveUrl { client: client.id, entry: id, url: entry.url.clone() };
        let is_other = |other: &u64| *other != id;
        let begun = facts.seen.journal.write(&target).filter(|write| write.cause.same_request(&facts.want.cause));
        if let Some(begun) = begun.filter(|begun| begun.twins.contains(&id)) {
            let left: Vec<u64> = begun.twins.iter().copied().filter(is_other).collect();
            return Some(announce_among(facts, removal, &left));
        }
        let same = obsolete.iter().filter(|other| other.url == entry.url);
        let twins: Vec<u64> = same.filter_map(|other| other.id).filter(is_other).collect();
        match permission(facts, &target) {
            Permission::Yes => Some(announce_among(facts, removal, &twins)),
            Permission::Repair if facts.want.prune => Some(announce_among(facts, removal, &twins)),
            Permission::Repair | Permission::Ignored | Permission::Refused(_) | Permission::Contested => None,
        }
    })
}

/// The scalar `redirect_url`: PUT replaces it, so what is there must be ours.
fn by_put(facts: &Facts<'_>, client: &Client, stored: Option<&str>) -> Option<Step> {
    let [wanted] = facts.want.urls.as_slice() else {
        return Some(stalled(facts, Stall::OneRedirectUrlOnly));
    };
    if stored == Some(wanted) {
        return None;
    }
    Some(put(facts, client, wanted, false, stored))
}

fn may_replace(facts: &Facts<'_>, stored: Option<&str>) -> bool {
    let journal = &facts.seen.journal;
    facts.want.prune
        || match stored {
            Some(url) => journal.manages(url) || is_our_write(facts, url),
            None if matches!(facts.client(), Some(Client { urls: Urls::Single(_), .. })) => true,
            // Nothing is shown. A client that we made holds nothing else until a first PUT; later,
            // as in one that was found, anything may be there.
            None => {
                journal.origin == Some(Origin::Created) && !journal.writes.iter().any(|write| was_put(facts, write))
            }
        }
}

/// What the bank made of a URL that we sent is ours too: on this route there is room for one only.
fn is_our_write(facts: &Facts<'_>, url: &str) -> bool {
    let journal = &facts.seen.journal;
    let was_sent = |managed: &&String| {
        journal.origin == Some(Origin::Created)
            || [Target::RedirectUrl((*managed).clone()), Target::RedirectUrlWithStatus((*managed).clone())]
                .iter()
                .filter_map(|target| journal.write(target))
                .any(|write| !matches!(write.answer, Answer::Refused(_)))
    };
    journal.managed_urls.iter().filter(|managed| looks_like(managed, url)).any(|managed| was_sent(&managed))
}

/// Whether a PUT may have been carried out that is not simply repeated, its answer being lost.
fn was_put(facts: &Facts<'_>, write: &Write) -> bool {
    let is_put = matches!(write.target, Target::RedirectUrl(_) | Target::RedirectUrlWithStatus(_));
    is_put
        && match write.answer {
            Answer::None => !write.cause.same_request(&facts.want.cause),
            Answer::Accepted => true,
            Answer::Refused(_) => false,
        }
}

fn put(facts: &Facts<'_>, client: &Client, url: &str, with_status: bool, stored: Option<&str>) -> Step {
    let target =
        if with_status { Target::RedirectUrlWithStatus(url.to_owned()) } else { Target::RedirectUrl(url.to_owned()) };
    match permission(facts, &target) {
        Permission::Yes | Permission::Repair if !may_replace(facts, stored) => {
            stalled(facts, Stall::RedirectUrlOccupied { stored: stored.map(str::to_owned) })
        }
        Permission::Yes | Permission::Repair => {
            announce(facts, Mutation::PutRedirectUrl { client: client.id, url: url.to_owned(), with_status })
        }
        Permission::Contested => stalled(facts, Stall::DriftContested { what: describe(&target) }),
        Permission::Ignored => {
            let shown: Vec<Entry> = stored.map(|url| Entry { id: None, url: url.to_owned() }).into_iter().collect();
            stalled(facts, not_applied(facts, url, &shown))
        }
        Permission::Refused(_) if !with_status => put(facts, client, url, true, stored),
        Permission::Refused(text) => stalled(facts, Stall::RedirectUrlRefused { url: url.to_owned(), text }),
    }
}

fn not_applied(facts: &Facts<'_>, sent: &str, entries: &[Entry]) -> Stall {
    let is_candidate = |entry: &&Entry| looks_like(sent, &entry.url) && !facts.want.urls.contains(&entry.url);
    let stored = entries.iter().find(is_candidate).map(|entry| entry.url.clone());
    Stall::RedirectUrlNotApplied { sent: sent.to_owned(), stored }
}

/// Whether `stored` is what a bank could have made of `sent`: a slash, a case, a default port, or the
/// characters that the `xn--` labels of the host stand for.
fn looks_like(sent: &str, stored: &str) -> bool {
    let parts = |url: &str| -> Vec<String> {
        let url = url.to_lowercase().replacen(":443/", "/", 1);
        url.trim_end_matches('/').trim_end_matches(":443").split(['/', '.']).map(str::to_owned).collect()
    };
    let (sent, stored) = (parts(sent), parts(stored));
    let is_same =
        |(sent, stored): (&String, &String)| sent == stored || (sent.starts_with("xn--") && !stored.is_ascii());
    sent.len() == stored.len() && sent.iter().zip(&stored).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::looks_like;

    #[test]
    fn a_slash_a_case_or_a_default_port_is_recognised_as_the_same_url() {
        for stored in ["https://a.example/", "HTTPS://A.example", "https://a.example:443/", "https://a.example"] {
            assert!(looks_like("https://a.example", stored), "{stored}");
        }
        for stored in ["https://a.example/x", "https://b.example", "http://a.example"] {
            assert!(!looks_like("https://a.example", stored), "{stored}");
        }
    }

    #[test]
    fn a_decoded_host_is_recognised_and_another_path_is_not() {
        let sent = "https://xn--mnchen-3ya.example/callback";
        assert!(looks_like(sent, "https://münchen.example/callback/"));
        for stored in ["https://münchen.example/other", "https://mnchen.example/callback", "https://ü.münchen.example/"]
        {
            assert!(!looks_like(sent, stored), "{stored}");
        }
    }
}
