//! From the end of a pass to the object's status. Pure: equal inputs give equal bytes (`F34`).

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{
        self, Binding, BunqOAuthClientStatus, Condition, ConditionStatus, Environment, RedirectUrlStatus,
        condition::TYPES,
    },
    plan::{Client, ClientStatus, Reason, Urls, Weight},
    times::Times,
};

/// `lastVerifiedTime` is written along with another change, or once a day (protocol §9).
const VERIFIED_AGE: SignedDuration = SignedDuration::from_hours(24);

/// How a part of the whole stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// As declared.
    Good,
    /// Not as declared.
    Bad,
    /// Not looked at in this pass.
    Unseen,
}

/// Everything that a pass found out.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) generation: i64,
    pub(crate) now: Timestamp,
    pub(crate) reason: Reason,
    pub(crate) message: String,
    /// How the three parts of Ready stand.
    pub(crate) credentials: Part,
    pub(crate) remote: Part,
    pub(crate) secret: Part,
    pub(crate) findings: Findings,
    pub(crate) inputs: Option<String>,
    pub(crate) next_attempt: Option<Timestamp>,
    pub(crate) handled: Option<String>,
}

/// What is known about the client and its Secret; what is not stays as it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    pub(crate) environment: Option<Environment>,
    pub(crate) user_id: Option<u64>,
    pub(crate) oauth_client_id: Option<u64>,
    pub(crate) client: Option<Client>,
    pub(crate) managed_urls: Vec<String>,
    pub(crate) display_name: String,
    pub(crate) bound_ip: Option<String>,
    pub(crate) authorization_url: Option<String>,
    pub(crate) secret_name: Option<String>,
    pub(crate) secret_hash: Option<String>,
    pub(crate) verified_at: Option<Timestamp>,
}

/// The status after this pass.
pub(crate) fn next(old: &BunqOAuthClientStatus, report: &Report) -> BunqOAuthClientStatus {
    let found = &report.findings;
    let mut status = old.clone();
    status.observed_generation = Some(report.generation);
    status.environment = found.environment.or(old.environment);
    status.user_id = number(found.user_id).or(old.user_id);
    status.oauth_client_id = number(found.oauth_client_id).or(old.oauth_client_id);
    if let Some(client) = &found.client {
        status.client_id = shown(client.client_id.as_ref(), api::status::MAX_CLIENT_ID);
        status.client_status = Some(word(client.status).to_owned());
        status.redirect_urls = redirect_urls(client, &found.managed_urls);
    }
    status.bound_ip = shown(found.bound_ip.as_ref(), api::status::MAX_BOUND_IP).or_else(|| old.bound_ip.clone());
    match report.reason {
        Reason::Synced => {
            status.authorization_url = shown(found.authorization_url.as_ref(), api::status::MAX_AUTHORIZATION_URL);
            status.binding = found.secret_name.clone().map(|name| Binding { name });
            status.secret_hash.clone_from(&found.secret_hash);
        }
        Reason::Cancelled | Reason::NothingToCancel => status.authorization_url = None,
        _ => {}
    }
    status.attempted_inputs = report.inputs.clone().or_else(|| old.attempted_inputs.clone());
    status.next_attempt_time = report.next_attempt.map(Time);
    status.last_handled_reconcile_at = report.handled.clone().or_else(|| old.last_handled_reconcile_at.clone());
    status.conditions = conditions(old, report);
    status.last_verified_time = verified(old, &status, found.verified_at);
    status
}

/// Written only along with another change or once a day, so that objects at rest do not move.
fn verified(old: &BunqOAuthClientStatus, new: &BunqOAuthClientStatus, at: Option<Timestamp>) -> Option<Time> {
    let (Some(at), Some(Time(mut before))) = (at, old.last_verified_time.clone()) else {
        return at.map(Time).or_else(|| old.last_verified_time.clone());
    };
    let mut times = Times::read_at(at);
    times.past(&mut before);
    let moved = BunqOAuthClientStatus { last_verified_time: old.last_verified_time.clone(), ..new.clone() } != *old;
    let is_old = at.duration_since(before) >= VERIFIED_AGE;
    Some(if moved || is_old || times.were_wrong() { Time(at) } else { Time(before) })
}

/// A text of the bank's that is too long for the definition is not shown: the whole status would be refused.
fn shown(text: Option<&String>, longest: usize) -> Option<String> {
    text.filter(|text| text.chars().count() <= longest).cloned()
}

/// A number that fits is shown; none of the bank's comes near the limit.
fn number(id: Option<u64>) -> Option<i64> {
    id.and_then(|id| i64::try_from(id).ok())
}

fn word(status: ClientStatus) -> &'static str {
    match status {
        ClientStatus::Active => "ACTIVE",
        ClientStatus::Cancelled => "CANCELLED",
        ClientStatus::CancelledPending => "CANCELLED_PENDING",
        ClientStatus::Other => "UNKNOWN",
    }
}

fn redirect_urls(client: &Client, managed: &[String]) -> Vec<RedirectUrlStatus> {
    let is_managed = |url: &str| managed.iter().any(|own| own == url);
    let mut urls: Vec<RedirectUrlStatus> = match &client.urls {
        Urls::Entries(entries) => entries
            .iter()
            .map(|entry| RedirectUrlStatus {
                url: entry.url.clone(),
                id: number(entry.id),
                managed: is_managed(&entry.url),
            })
            .collect(),
        Urls::Single(url) if url.is_empty() => Vec::new(),
        Urls::Single(url) => vec![RedirectUrlStatus { url: url.clone(), id: None, managed: is_managed(url) }],
        Urls::NotShown => Vec::new(),
    };
    urls.retain(|entry| entry.url.len() <= api::status::MAX_REDIRECT_URL);
    urls.sort_by(|a, b| (&a.url, a.id).cmp(&(&b.url, b.id)));
    urls.truncate(api::status::MAX_REDIRECT_URLS);
    urls
}

/// Whether a published client stays Ready while the operator cannot do its work (`C08`, `F17`):
/// nothing new was asked for, and what stands in the way is not a person's to mend.
fn stays_ready(old: &BunqOAuthClientStatus, report: &Report) -> bool {
    let is_transient = matches!(
        report.reason,
        Reason::WaitingForBankLimit
            | Reason::BankUnavailable
            | Reason::BankNotTrusted
            | Reason::BankAnswerUnverified
            | Reason::KubernetesUnavailable
    );
    is_transient && old.observed_generation == Some(report.generation) && is_true(old, "Ready")
}

fn conditions(old: &BunqOAuthClientStatus, report: &Report) -> Vec<Condition> {
    let mut new = Conditions { old, report, list: Vec::new() };
    let (reason, message) = (report.reason.as_str(), report.message.as_str());
    match report.reason.weight() {
        Weight::Ready => new.push("Ready", ConditionStatus::True, reason, message),
        Weight::Suspended => new.push("Ready", ConditionStatus::False, reason, message),
        Weight::Reconciling if stays_ready(old, report) => new.keep("Ready"),
        Weight::Reconciling => {
            let lacks_credentials = matches!(
                report.reason,
                Reason::CredentialsSecretNotFound | Reason::CredentialsKeyNotFound | Reason::CredentialsKeyEmpty
            );
            let ready = if lacks_credentials { ConditionStatus::False } else { ConditionStatus::Unknown };
            new.push("Ready", ready, reason, message);
            new.push("Reconciling", ConditionStatus::True, reason, message);
        }
        Weight::Stalled => {
            new.push("Ready", ConditionStatus::False, reason, message);
            new.push("Stalled", ConditionStatus::True, reason, message);
        }
    }
    new.part("CredentialsValid", report.credentials, "Accepted", "bunq accepts the API key");
    new.part("RemoteInSync", report.remote, "Verified", "the OAuth client at bunq is as declared");
    new.part("SecretInSync", report.secret, "Published", "the Secret holds what was read from bunq");
    new.display_name();
    new.list.sort_by_key(|condition| rank(&condition.type_));
    new.list
}

fn rank(type_: &str) -> usize {
    TYPES.iter().position(|known| *known == type_).unwrap_or(TYPES.len())
}

struct Conditions<'a> {
    old: &'a BunqOAuthClientStatus,
    report: &'a Report,
    list: Vec<Condition>,
}

impl Conditions<'_> {
    fn push(&mut self, type_: &str, status: ConditionStatus, reason: &str, message: &str) {
        let before = self.old.conditions.iter().find(|condition| condition.type_ == type_);
        let since = match before {
            Some(before) if before.status == status => before.last_transition_time.clone(),
            Some(_) | None => Time(self.report.now),
        };
        self.list.push(Condition {
            type_: type_.to_owned(),
            status,
            observed_generation: Some(self.report.generation),
            last_transition_time: since,
            reason: reason.to_owned(),
            message: message.chars().take(crate::api::condition::MAX_MESSAGE).collect(),
        });
    }

    fn keep(&mut self, type_: &str) {
        self.list.extend(self.old.conditions.iter().find(|condition| condition.type_ == type_).cloned());
    }

    fn part(&mut self, type_: &str, part: Part, good: &str, text: &str) {
        let (reason, message) = (self.report.reason.as_str(), self.report.message.as_str());
        match part {
            Part::Good => self.push(type_, ConditionStatus::True, good, text),
            Part::Bad => self.push(type_, ConditionStatus::False, reason, message),
            // Not looked at: what was known of this generation still is.
            Part::Unseen if self.is_known(type_) => self.keep(type_),
            Part::Unseen => self.push(type_, ConditionStatus::Unknown, reason, message),
        }
    }

    fn is_known(&self, type_: &str) -> bool {
        let is_remote = type_ == "RemoteInSync";
        let known = self.old.conditions.iter().find(|condition| condition.type_ == type_);
        !is_remote
            && known.is_some_and(|known| {
                known.observed_generation == Some(self.report.generation) && known.status != ConditionStatus::Unknown
            })
    }

    /// There is no known way to change the name (bunq-api §5.3): it is told, and blocks nothing.
    fn display_name(&mut self) {
        const TYPE: &str = "DisplayNameSynced";
        let wanted = &self.report.findings.display_name;
        match self.report.findings.client.as_ref().map(|client| client.display_name.as_ref()) {
            Some(Some(name)) if name == wanted => {
                self.push(TYPE, ConditionStatus::True, "Verified", "bunq shows the declared display name");
            }
            Some(Some(name)) => {
                let text = format!(
                    "bunq shows the display name {name:?}; there is no known way to change it there. Everything else works."
                );
                self.push(TYPE, ConditionStatus::False, "DisplayNameDiffers", &text);
            }
            Some(None) => {
                self.push(
                    TYPE,
                    ConditionStatus::Unknown,
                    "DisplayNameNotShown",
                    "bunq does not show a display name, which is normal",
                );
            }
            None if self.is_known(TYPE) => self.keep(TYPE),
            None => {
                self.push(TYPE, ConditionStatus::Unknown, "NotVerified", "the OAuth client at bunq was not read yet");
            }
        }
    }
}

/// Whether a condition of this type is True.
pub(crate) fn is_true(status: &BunqOAuthClientStatus, type_: &str) -> bool {
    status.conditions.iter().any(|condition| condition.type_ == type_ && condition.status == ConditionStatus::True)
}

/// What an Event should tell of: the reason of Ready or, while a published client stays Ready
/// through an outage, the reason of that.
pub(crate) fn headline(status: &BunqOAuthClientStatus) -> Option<&str> {
    let remote = status.conditions.iter().find(|condition| condition.type_ == "RemoteInSync");
    match remote {
        Some(remote) if is_true(status, "Ready") && remote.status == ConditionStatus::Unknown => Some(&remote.reason),
        Some(_) | None => ready_reason(status),
    }
}

/// Whether people were told already that the bank is away, or is not who it should be.
pub(crate) fn tells_of_an_outage(status: &BunqOAuthClientStatus) -> bool {
    let outages = [Reason::BankUnavailable.as_str(), Reason::BankNotTrusted.as_str()];
    headline(status).is_some_and(|reason| outages.contains(&reason))
}

/// The reason of Ready.
pub(crate) fn ready_reason(status: &BunqOAuthClientStatus) -> Option<&str> {
    status.conditions.iter().find(|condition| condition.type_ == "Ready").map(|condition| condition.reason.as_str())
}

#[cfg(test)]
mod tests;
