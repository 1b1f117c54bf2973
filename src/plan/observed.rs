//! What is known: the second input of the planner.

use jiff::Timestamp;

use super::{action::Mutation, journal::Journal};

/// An observation. Nothing is ever created on `Unknown`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seen<T> {
    /// Not looked at yet, or the look failed.
    #[default]
    Unknown,
    /// Looked at, and it was not there.
    Absent,
    /// Looked at, and this is what was there.
    Present(T),
}

impl<T> Seen<T> {
    /// The value, if one was seen.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unknown => None,
        }
    }
}

/// The status of a client as the bank tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientStatus {
    /// Users can log in.
    Active,
    /// Nobody can log in.
    Cancelled,
    /// On its way to CANCELLED.
    CancelledPending,
    /// A word this version does not know.
    Other,
}

/// A registered redirect URL. The id is needed to change or remove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number of the `callback-url`, where the bank shows one.
    pub id: Option<u64>,
    /// The registered bytes.
    pub url: String,
}

/// The shape in which a client shows its redirect URLs (bunq-api §5): it decides how to change them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Urls {
    /// `callback_url[]`, even empty: the sub-resource changes them.
    Entries(Vec<Entry>),
    /// Only a scalar `redirect_url`: PUT on the client changes it.
    Single(String),
    /// Neither: ask the sub-resource.
    NotShown,
}

/// A client as one verified read showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// bunq's number, used in paths.
    pub id: u64,
    /// The OAuth 2.0 client identifier.
    pub client_id: Option<String>,
    /// ACTIVE, CANCELLED, …
    pub status: ClientStatus,
    /// Often absent; there is no known way to change it (bunq-api §5.3).
    pub display_name: Option<String>,
    /// Whether this very read carried the secret.
    pub has_secret: bool,
    /// The registered redirect URLs.
    pub urls: Urls,
}

impl Client {
    /// Whether an item of a listing shows all that a GET would: secret and URL ids.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let urls_are_complete = match &self.urls {
            Urls::Entries(entries) => entries.iter().all(|entry| entry.id.is_some()),
            Urls::Single(_) => true,
            Urls::NotShown => false,
        };
        self.has_secret && self.client_id.is_some() && urls_are_complete
    }

    /// Whether people can no longer log in, now or in a moment.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.status, ClientStatus::Cancelled | ClientStatus::CancelledPending)
    }
}

/// A complete, verified listing of the user's clients, and when it was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// When the first page was asked for.
    pub at: Timestamp,
    /// Every client on every page.
    pub clients: Vec<Client>,
}

/// The output Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// It belongs to somebody else and stays untouched.
    Foreign,
    /// Ours, but it can no longer be changed: it is marked immutable.
    Frozen,
    /// Ours; `current` tells whether it holds what it should.
    Ours {
        /// Whether every key, label and annotation is as declared.
        current: bool,
    },
}

/// A client that a status speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// bunq's number of the client.
    pub id: u64,
    /// The OAuth 2.0 client identifier.
    pub client_id: Option<String>,
}

/// What this pass knows so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The journal, with what was learned since it was last written.
    pub journal: Journal,
    /// The journal as it is stored.
    pub stored: Journal,
    /// The user's clients.
    pub listing: Option<Listing>,
    /// The client whose number the journal holds.
    pub client: Seen<Client>,
    /// Its `callback-url` sub-resource; `Absent` when the bank has no such route.
    pub callback_urls: Seen<Vec<Entry>>,
    /// The output Secret.
    pub output: Seen<Output>,
    /// The client that the manifest's status names for this user: it outlives a lost journal.
    pub remembered: Option<Remembered>,
    /// The name of an output Secret that this manifest had before.
    pub leftover: Option<String>,
    /// The `client_id` for which a verified pair is in hand.
    pub pair: Option<String>,
    /// Whether the manifest carries our finalizer.
    pub finalizer: bool,
    /// A mutation that the journal was just told of, in this very pass: it may be sent now, once.
    pub armed: Option<Mutation>,
}
