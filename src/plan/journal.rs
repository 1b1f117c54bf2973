//! What must survive a crash: written before the call it speaks of (protocol §1).

use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::times::Times;

/// Redirect URLs remembered as ours, at most; the oldest go first.
const MANAGED_URLS: usize = 200;
/// How long a cancellation is tried, from the first attempt.
const DEADLINE_MINUTES: i64 = 10;

/// The memory of everything sent to the bank for one bunq user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Journal {
    /// bunq's number of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth_client_id: Option<u64>,
    /// The OAuth 2.0 client identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Whether we made the client or found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The last POST that was about to be sent and has no known answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_sent: Option<CreateSent>,
    /// Bodies that the bank refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused_bodies: Vec<RefusedBody>,
    /// Every URL that a generation of the manifest has declared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_urls: Vec<String>,
    /// One entry per URL or field that was ever written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<Write>,
    /// Whether the client is CANCELLED because a manifest said so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancelled_by_us: bool,
    /// The last client that was given up: a status may still name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_up: Option<u64>,
    /// When the first attempt to cancel on deletion was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_started: Option<Timestamp>,
}

/// Where the client came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// Our POST made it.
    Created,
    /// It was there before us.
    Adopted,
}

/// What asks for a write. A write is sent once per cause (protocol §5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cause {
    /// `metadata.generation` of the manifest.
    pub generation: i64,
    /// The annotation `reconcile.fluxcd.io/requestedAt`: a person asked to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,
    /// A fingerprint of the credentials; it matters for creation only.
    pub key: String,
}

impl Cause {
    /// Whether both stem from the same edit or request, whatever the key.
    #[must_use]
    pub fn same_request(&self, other: &Self) -> bool {
        self.generation == other.generation && self.requested_at == other.requested_at
    }
}

/// The bodies that bunq's own sources give for creation, in the order in which they are tried
/// (protocol §2.3, bunq-api §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CreateBody {
    /// `[{"status","display_name","redirect_url"}]`
    Array,
    /// `{"status","display_name","redirect_url"}`
    Object,
    /// `{"status":"ACTIVE"}`
    StatusOnly,
}

impl CreateBody {
    /// Every body, first choice first.
    pub const ALL: [Self; 3] = [Self::Array, Self::Object, Self::StatusOnly];
}

/// A POST whose answer is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateSent {
    /// When it was about to be sent.
    pub at: Timestamp,
    /// The body.
    pub body: CreateBody,
    /// When the first complete empty listing after it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_at: Option<Timestamp>,
}

/// A body that the bank refused, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedBody {
    /// The body.
    pub body: CreateBody,
    /// What asked for it.
    pub cause: Cause,
    /// The bank's words, sanitised.
    pub text: String,
}

/// What a write changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "url")]
pub enum Target {
    /// PUT `status`: ACTIVE.
    Activate,
    /// PUT `status`: CANCELLED.
    Cancel,
    /// PUT `redirect_url`.
    RedirectUrl(String),
    /// PUT `redirect_url` together with `status`.
    RedirectUrlWithStatus(String),
    /// POST `callback-url`.
    Add(String),
    /// PUT of an obsolete `callback-url`.
    Replace(String),
    /// DELETE `callback-url`.
    Remove(String),
}

impl Target {
    /// The URL that is to be registered.
    #[must_use]
    pub fn url(&self) -> Option<&String> {
        match self {
            Self::RedirectUrl(url) | Self::RedirectUrlWithStatus(url) | Self::Add(url) | Self::Replace(url) => {
                Some(url)
            }
            Self::Activate | Self::Cancel | Self::Remove(_) => None,
        }
    }
}

/// What became of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "text")]
pub enum Answer {
    /// No answer arrived, or we stopped before it did.
    #[default]
    None,
    /// The bank said yes.
    Accepted,
    /// The bank said no, in these words.
    Refused(String),
}

/// One URL or field that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Write {
    /// What it changes.
    pub target: Target,
    /// What asked for it.
    pub cause: Cause,
    /// When it was about to be sent; nothing once it certainly was not carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The bank's answer.
    #[serde(default)]
    pub answer: Answer,
    /// Whether a later read showed the value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub seen: bool,
    /// The other entries that held the value when its removal began: a bank may hold one URL twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub twins: Vec<u64>,
    /// When the value had vanished and was written again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repairs: Vec<Timestamp>,
}

impl CreateSent {
    /// Reads its times by today's clock.
    fn correct(&mut self, times: &mut Times) {
        let Self { at, body: _, empty_at } = self;
        times.past(at);
        times.all_past(empty_at);
    }
}

impl Write {
    /// Reads its times by today's clock.
    fn correct(&mut self, times: &mut Times) {
        let Self { target: _, cause: _, at, answer: _, seen: _, twins: _, repairs } = self;
        times.all_past(at);
        times.all_past(repairs);
    }
}

impl Journal {
    /// Reads its times by today's clock. Whoever holds a journal whose times were wrong stores it again: else what is
    /// waited for would begin anew at each look.
    pub fn correct(&mut self, times: &mut Times) {
        let Self {
            oauth_client_id: _,
            client_id: _,
            origin: _,
            create_sent,
            refused_bodies: _,
            managed_urls: _,
            writes,
            cancelled_by_us: _,
            given_up: _,
            deletion_started,
        } = self;
        if let Some(sent) = create_sent {
            sent.correct(times);
        }
        for write in writes {
            write.correct(times);
        }
        times.all_past(deletion_started);
    }

    /// When a deletion that was begun is given up (protocol §10).
    #[must_use]
    pub fn deletion_deadline(&self) -> Option<Timestamp> {
        self.deletion_started?.checked_add(DEADLINE_MINUTES.minutes()).ok()
    }

    /// The last write to `target`.
    #[must_use]
    pub fn write(&self, target: &Target) -> Option<&Write> {
        self.writes.iter().find(|write| write.target == *target)
    }

    pub(crate) fn write_mut(&mut self, target: &Target) -> Option<&mut Write> {
        self.writes.iter_mut().find(|write| write.target == *target)
    }

    /// The last write to `target` was not carried out.
    pub(crate) fn forget_sending(&mut self, target: &Target) {
        if let Some(write) = self.write_mut(target) {
            write.at = None;
        }
    }

    /// Whether a generation of the manifest has declared `url`.
    #[must_use]
    pub fn manages(&self, url: &str) -> bool {
        self.managed_urls.iter().any(|managed| managed == url)
    }

    /// Remembers `urls` as ours.
    pub(crate) fn manage(&mut self, urls: &[String]) {
        for url in urls {
            if !self.manages(url) {
                self.managed_urls.push(url.clone());
            }
        }
        while self.managed_urls.len() > MANAGED_URLS {
            self.managed_urls.remove(0);
        }
    }

    /// Forgets the client, so that another one may be found or made. What was declared stays ours.
    pub(crate) fn forget_client(&mut self) {
        self.given_up = self.oauth_client_id.take().or(self.given_up);
        self.client_id = None;
        self.origin = None;
        self.create_sent = None;
        self.refused_bodies.clear();
        self.writes.clear();
        self.cancelled_by_us = false;
    }
}
