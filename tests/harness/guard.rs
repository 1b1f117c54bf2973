//! What must hold after every step of the planner, judged by the truth at the bank and not by
//! what the planner believes (`S1`, `S2`, `S4`–`S6`, `S13`).

use bunq_oauth_operator::plan::{
    Action, Cause, ClientStatus, Desired, DesiredStatus, Mutation, Observed, Output, Seen, Target, action::News,
};
use jiff::{Timestamp, ToSpan};

use super::{
    bank_model::BankModel,
    habits::Secrecy,
    kube_model::{KubeModel, OutputSecret},
};

/// Writes of one value within an hour, answered: the first and three repairs.
const WRITES_PER_HOUR: usize = 4;

/// A write that was sent.
#[derive(Clone, Debug)]
struct Sent {
    target: Target,
    cause: Cause,
    at: Timestamp,
    /// Whether the answer arrived, and whether the journal with it was stored.
    answered: bool,
    stored: bool,
    /// Whether a read since has shown the value.
    shown: bool,
}

/// The history that the rules speak of.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    declared: Vec<String>,
    current: Vec<String>,
    previous: Vec<String>,
    sent: Vec<Sent>,
    given_up: usize,
    announced: Option<Mutation>,
    /// Whether nobody knows how the world came to be what it is: only what needs no history is judged.
    is_blind: bool,
    /// Whether this pass listed the clients since the last POST.
    listed: bool,
}

/// The redirect URLs of one client, by whose they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Urls {
    client: Option<u64>,
    /// Never declared.
    foreign: Vec<String>,
    /// Declared by some generation.
    ours: usize,
    /// Declared by this generation or the one before.
    recent: usize,
}

impl Guard {
    /// A guard of a world whose journal nobody wrote. Most rules speak of the history that led to it.
    #[must_use]
    pub fn blind() -> Self {
        Self { is_blind: true, ..Self::default() }
    }

    /// A generation of the manifest declares these URLs.
    pub fn declare(&mut self, urls: &[String]) {
        if self.current != urls {
            self.previous = std::mem::replace(&mut self.current, urls.to_vec());
        }
        self.declared.extend(urls.iter().filter(|url| !self.declared.contains(url)).cloned().collect::<Vec<_>>());
    }

    /// How many mutations other than creations were sent.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.sent.len()
    }

    /// The URLs of the client that the journal names, or of the only one there is.
    #[must_use]
    pub fn urls(&self, bank: &BankModel, kube: &KubeModel) -> Urls {
        let client = match kube.journal.oauth_client_id {
            Some(id) => bank.client(id),
            None => bank.clients.iter().find(|client| client.status == ClientStatus::Active),
        };
        let Some(client) = client else { return Urls::default() };
        let is_one_of =
            |declared: &[String], url: &str| declared.iter().any(|ours| ours == url || bank.stored_form(ours) == url);
        let urls = || client.urls.iter().map(|(_, url)| url.as_str());
        Urls {
            client: Some(client.id),
            foreign: urls().filter(|url| !is_one_of(&self.declared, url)).map(str::to_owned).collect(),
            ours: urls().filter(|url| is_one_of(&self.declared, url)).count(),
            recent: urls().filter(|url| is_one_of(&self.current, url) || is_one_of(&self.previous, url)).count(),
        }
    }

    /// A pass begins: answers that were not stored are lost.
    pub fn begin(&mut self) {
        self.announced = None;
        self.listed = false;
        for sent in &mut self.sent {
            sent.answered = sent.stored;
        }
    }

    /// Before `action` is carried out.
    pub fn before(
        &mut self,
        action: &Action,
        want: &Desired,
        seen: &Observed,
        bank: &BankModel,
        kube: &KubeModel,
    ) -> Result<(), String> {
        let announced = self.announced.take();
        if self.is_blind {
            return Ok(());
        }
        match action {
            Action::Record { journal, then, news } => {
                if let Some(News::GivenUp { client_id }) = news {
                    ensure(want.allow_new_client.as_ref() == Some(client_id), "a client was given up unasked")?;
                    ensure(
                        seen.stored.client_id.as_ref().is_none_or(|old| old == client_id),
                        "another client was given up than the annotation names",
                    )?;
                    self.given_up += 1;
                }
                if matches!(then, Some(Mutation::Create(_))) {
                    let is_empty = seen.listing.as_ref().is_some_and(|listing| {
                        listing.clients.iter().all(|client| client.status != ClientStatus::Active)
                    });
                    ensure(is_empty && self.listed, "a creation was announced without a fresh empty listing")?;
                    ensure(journal.oauth_client_id.is_none(), "a creation was announced although a client is known")?;
                    ensure(journal.create_sent.is_some(), "a creation was announced without its journal entry")?;
                }
                self.announced.clone_from(then);
            }
            Action::Send(mutation) => {
                ensure(
                    announced.as_ref() == Some(mutation),
                    "a mutation was sent that the journal was not just told of",
                )?;
                self.may_send(mutation, want, bank, kube)?;
                self.listed &= !matches!(mutation, Mutation::Create(_));
            }
            Action::ListClients => self.listed = true,
            Action::CreateOutput | Action::UpdateOutput => may_publish(action, want, bank, kube)?,
            // No story renames the Secret, so no pass has one of an earlier name to remove.
            Action::RemoveLeftover(name) => ensure(false, &format!("Secret {name} was removed"))?,
            Action::AddFinalizer => ensure(!want.deleting, "a finalizer was added during deletion")?,
            Action::DropFinalizer(_) | Action::GetClient(_) | Action::ListCallbackUrls(_) | Action::ReadOutput => {}
        }
        Ok(())
    }

    fn may_send(
        &mut self,
        mutation: &Mutation,
        want: &Desired,
        bank: &BankModel,
        kube: &KubeModel,
    ) -> Result<(), String> {
        ensure(kube.finalizer || !want.cancel_on_delete, "a mutation before the finalizer")?;
        ensure(!want.suspended, "a mutation while suspended")?;
        if want.deleting {
            may_cancel(mutation, want, bank)?;
        }
        let Some(target) = mutation.target() else {
            return ensure(kube.journal.create_sent.is_some(), "a POST that the stored journal does not know");
        };
        let now = bank.now();
        let same = |sent: &&mut Sent| sent.target == target && sent.cause.same_request(&want.cause);
        if let Some(before) = self.sent.iter_mut().rev().find(same) {
            ensure(!before.answered || before.shown, &format!("{target:?} was sent twice for one cause"))?;
        }
        let an_hour_ago = now.saturating_sub(1.hour()).unwrap_or(Timestamp::MIN);
        let recently = self.sent.iter().filter(|sent| {
            sent.target == target && sent.cause.same_request(&want.cause) && sent.answered && sent.at > an_hour_ago
        });
        ensure(recently.count() < WRITES_PER_HOUR, &format!("{target:?} is fought over"))?;
        self.sent.push(Sent {
            target,
            cause: want.cause.clone(),
            at: now,
            answered: false,
            stored: false,
            shown: false,
        });
        Ok(())
    }

    /// The answer to `mutation` arrived.
    pub fn answered(&mut self, mutation: &Mutation) {
        if let Some(sent) =
            mutation.target().and_then(|target| self.sent.iter_mut().rev().find(|sent| sent.target == target))
        {
            sent.answered = true;
        }
    }

    /// The journal is stored, with every answer so far.
    pub fn stored(&mut self) {
        for sent in &mut self.sent {
            sent.stored = sent.answered;
        }
    }

    /// A client was read: which values are there.
    pub fn read(&mut self, bank: &BankModel, id: u64) {
        let Some(client) = bank.client(id) else { return };
        for sent in &mut self.sent {
            sent.shown |= match &sent.target {
                Target::Activate => client.status == ClientStatus::Active,
                Target::Cancel => client.status != ClientStatus::Active,
                Target::RedirectUrl(url)
                | Target::RedirectUrlWithStatus(url)
                | Target::Add(url)
                | Target::Replace(url) => client.has_url(url),
                Target::Remove(url) => !client.has_url(url),
            };
        }
    }

    /// After a step, or after time has passed at the bank.
    pub fn after(&self, before: &Urls, want: &Desired, bank: &BankModel, kube: &KubeModel) -> Result<(), String> {
        if self.is_blind {
            return Ok(());
        }
        ensure(bank.second_posts == 0, "a POST was sent while a client was ACTIVE")?;
        let created = bank.clients.iter().filter(|client| client.by_us).count();
        ensure(created <= 1 + self.given_up, "a second client was created")?;
        let after = self.urls(bank, kube);
        if after.client != before.client {
            return Ok(());
        }
        let is_lost = |url: &&String| !want.prune && !after.foreign.contains(url);
        if let Some(lost) = before.foreign.iter().find(is_lost) {
            return Err(format!("the foreign URL {lost} was lost"));
        }
        ensure(before.ours == 0 || after.ours > 0, "no declared URL is left")?;
        ensure(before.recent == 0 || after.recent > 0, "no URL of this generation or the last is left")
    }

    /// A pass ended: everything that was learned is stored, and the verdict is true.
    pub fn synced(want: &Desired, seen: &Observed, bank: &BankModel, kube: &KubeModel) -> Result<(), String> {
        let client = kube.journal.oauth_client_id.and_then(|id| bank.client(id)).ok_or("Synced without a client")?;
        ensure(client.status == ClientStatus::Active, "Synced and not ACTIVE")?;
        ensure(want.urls.iter().all(|url| client.has_url(url)), "Synced and a URL is missing")?;
        let OutputSecret::Ours(held) = &kube.output else { return Err("Synced without a Secret".to_owned()) };
        let is_shown = bank.habits.secrecy == Secrecy::Shown;
        ensure(
            held.client_id == client.client_id && (held.secret == client.secret || !is_shown),
            "Synced with another pair than the bank's",
        )?;
        ensure(Some(&held.redirect_url) == want.urls.first(), "Synced with another redirect URL")?;
        ensure(
            matches!(seen.output, Seen::Present(Output::Ours { current: true })),
            "Synced and the Secret was not seen",
        )
    }
}

fn may_cancel(mutation: &Mutation, want: &Desired, bank: &BankModel) -> Result<(), String> {
    let Mutation::SetStatus { client, status: DesiredStatus::Cancelled } = mutation else {
        return Err("a deletion changed something else than the status".to_owned());
    };
    ensure(want.cancel_on_delete, "a retained client was cancelled")?;
    let client = bank.client(*client).ok_or("a deletion cancelled an unknown client")?;
    let is_confirmed = want.confirm_cancel.as_ref() == Some(&client.client_id);
    ensure(client.by_us || is_confirmed, "a client was cancelled that nobody confirmed")
}

fn may_publish(action: &Action, want: &Desired, bank: &BankModel, kube: &KubeModel) -> Result<(), String> {
    let is_fit = match (action, &kube.output) {
        (Action::CreateOutput, output) => *output == OutputSecret::Absent,
        (_, output) => matches!(output, OutputSecret::Ours(_)),
    };
    ensure(is_fit, "a Secret was written that is not there, or not ours")?;
    let client = kube.journal.oauth_client_id.and_then(|id| bank.client(id)).ok_or("published without a client")?;
    ensure(client.status == ClientStatus::Active, "published before the client is ACTIVE")?;
    ensure(want.urls.iter().all(|url| client.has_url(url)), "published before every URL is verified")
}

/// `Err(rule)` unless `holds`.
pub fn ensure(holds: bool, rule: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}
