//! What the planner can ask for. Each action has at most one remote effect.

use jiff::Timestamp;

use super::{
    desired::DesiredStatus,
    journal::{CreateBody, Journal, Target},
    reason::{Reason, Stall},
};

/// The answer of the planner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Do this, tell what came of it, ask again.
    Act(Action),
    /// Nothing can be done before then.
    Wait(Timestamp, Waiting),
    /// Nothing is left to do.
    Done(Verdict),
}

/// One effect on the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put our finalizer on the manifest.
    AddFinalizer,
    /// Take our finalizer off.
    DropFinalizer(Release),
    /// Write the journal; when it is stored, the mutation may be sent, once.
    Record {
        /// The journal to store.
        journal: Box<Journal>,
        /// The mutation that it speaks of.
        then: Option<Mutation>,
        /// What happened, for those who read Events.
        news: Option<News>,
    },
    /// Read all the user's clients.
    ListClients,
    /// Read one client.
    GetClient(u64),
    /// Read the `callback-url` sub-resource of a client.
    ListCallbackUrls(u64),
    /// Change something at the bank.
    Send(Mutation),
    /// Read the output Secret.
    ReadOutput,
    /// Create the output Secret.
    CreateOutput,
    /// Bring the output Secret back to what it should hold.
    UpdateOutput,
    /// Delete the output Secret of this earlier name, if it is ours.
    RemoveLeftover(String),
}

/// A call that changes something at the bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// POST `oauth-client`.
    Create(CreateBody),
    /// PUT `oauth-client` with a status.
    SetStatus {
        /// bunq's number of the client.
        client: u64,
        /// The status to set.
        status: DesiredStatus,
    },
    /// PUT `oauth-client` with a redirect URL.
    PutRedirectUrl {
        /// bunq's number of the client.
        client: u64,
        /// The bytes to register.
        url: String,
        /// Whether `"status":"ACTIVE"` goes along.
        with_status: bool,
    },
    /// POST `callback-url`.
    AddUrl {
        /// bunq's number of the client.
        client: u64,
        /// The bytes to register.
        url: String,
    },
    /// PUT `callback-url`.
    ReplaceUrl {
        /// bunq's number of the client.
        client: u64,
        /// The entry that is no longer wanted.
        entry: u64,
        /// The bytes to register.
        url: String,
    },
    /// DELETE `callback-url`.
    RemoveUrl {
        /// bunq's number of the client.
        client: u64,
        /// The entry that is no longer wanted.
        entry: u64,
        /// Its bytes.
        url: String,
    },
}

impl Mutation {
    /// The journal's name for it; creation has entries of its own.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        match self {
            Self::Create(_) => None,
            Self::SetStatus { status: DesiredStatus::Active, .. } => Some(Target::Activate),
            Self::SetStatus { status: DesiredStatus::Cancelled, .. } => Some(Target::Cancel),
            Self::PutRedirectUrl { url, with_status: false, .. } => Some(Target::RedirectUrl(url.clone())),
            Self::PutRedirectUrl { url, with_status: true, .. } => Some(Target::RedirectUrlWithStatus(url.clone())),
            Self::AddUrl { url, .. } => Some(Target::Add(url.clone())),
            Self::ReplaceUrl { url, .. } => Some(Target::Replace(url.clone())),
            Self::RemoveUrl { url, .. } => Some(Target::Remove(url.clone())),
        }
    }
}

/// Something worth an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A client was created.
    Created {
        /// bunq's number of it.
        id: u64,
    },
    /// A client that already existed was taken over.
    Adopted {
        /// The OAuth 2.0 client identifier.
        client_id: String,
        /// How many of its redirect URLs belong to somebody else.
        foreign_urls: usize,
    },
    /// The journal was lost; the status names the client.
    Recovered {
        /// bunq's number of it.
        id: u64,
    },
    /// The old client was given up, as the annotation allows.
    GivenUp {
        /// The OAuth 2.0 client identifier.
        client_id: String,
    },
    /// A value that had vanished at the bank is written again.
    Repaired {
        /// What it is.
        what: String,
    },
}

/// Why the finalizer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// `deletionPolicy: Retain`.
    Retained,
    /// The manifest is suspended: no call is made.
    Suspended,
    /// There is no client of ours.
    NothingToCancel,
    /// The client was found, not made, and nobody confirmed.
    NotConfirmed {
        /// The OAuth 2.0 client identifier.
        client_id: String,
    },
    /// The client is CANCELLED.
    Cancelled,
    /// Ten minutes of attempts have passed.
    GaveUp {
        /// What stood in the way.
        why: String,
    },
}

/// Why the next step has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The outcome of a creation is not known; the bank is listed again first.
    CreateUnconfirmed,
    /// A created client does not answer yet.
    ClientNotReadableYet,
    /// A client is `CANCELLED_PENDING`, or has a status that this version does not know.
    CancellationPending,
    /// A write has no answer and the bank does not show its value.
    AnswerLost,
}

impl Waiting {
    /// The reason of the conditions meanwhile.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::CreateUnconfirmed => Reason::CreateUnconfirmed,
            Self::ClientNotReadableYet => Reason::ClientNotReadableYet,
            Self::CancellationPending => Reason::CancellationPending,
            Self::AnswerLost => Reason::BankUnavailable,
        }
    }
}

/// How a pass ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Bank and Secret are as declared.
    Synced,
    /// The client is CANCELLED, as declared.
    Cancelled,
    /// CANCELLED was declared and there never was a client.
    NothingToCancel,
    /// A person has to act.
    Stalled(Stall),
    /// The manifest may go.
    Released,
}
