//! The bank of one environment, and what a call needs to know.

use std::{fmt, sync::Arc, time::Duration};

use secrecy::SecretString;

use super::{
    audit::Auditor,
    base_url::Endpoints,
    call::Call,
    signature::{KeyPair, ServerKey},
    transport::Transport,
};

const DEADLINE: Duration = Duration::from_secs(30);
/// For what changes something: shorter than what must remain of a lease when it begins (`F08`).
const MUTATION_DEADLINE: Duration = Duration::from_secs(8);
const PAGE_PAUSE: Duration = Duration::from_millis(1100);

/// One environment of the bank, reached through one transport. Cheap to clone.
#[derive(Clone)]
pub struct Bank {
    pub(super) endpoints: Endpoints,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) user_agent: String,
    pub(super) deadline: Duration,
    pub(super) page_pause: Duration,
    pub(super) auditor: Option<Arc<dyn Auditor>>,
}

impl Bank {
    /// `user_agent` is mandatory at the bank (`bunq-api §4`); other than ASCII is left out.
    #[must_use]
    pub fn new(endpoints: Endpoints, transport: Arc<dyn Transport>, user_agent: &str) -> Self {
        Self {
            endpoints,
            transport,
            user_agent: user_agent.chars().filter(|c| matches!(c, ' '..='~')).collect(),
            deadline: DEADLINE,
            page_pause: PAGE_PAUSE,
            auditor: None,
        }
    }

    /// Another deadline per call than 30 s, or 8 s if it changes something.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Another pause between two pages of a listing than 1.1 s (which keeps the bank's window).
    #[must_use]
    pub fn with_page_pause(self, page_pause: Duration) -> Self {
        Self { page_pause, ..self }
    }

    /// How long the call may take, its connection included.
    pub(super) fn deadline_of(&self, call: Call) -> Duration {
        if call.is_mutation() { self.deadline.min(MUTATION_DEADLINE) } else { self.deadline }
    }

    /// The same bank; whoever is named hears of every attempt to change something there.
    #[must_use]
    pub fn audited_by(&self, auditor: Arc<dyn Auditor>) -> Self {
        Self { auditor: Some(auditor), ..self.clone() }
    }

    /// Where this bank lives.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }
}

impl fmt::Debug for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bank").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

/// What an installation gives: enough for `device-server` and `session-server`.
#[derive(Debug, Clone, Copy)]
pub struct Installed<'a> {
    /// Signs.
    pub key_pair: &'a KeyPair,
    /// Verifies.
    pub server_key: &'a ServerKey,
    /// The installation token.
    pub token: &'a SecretString,
}

/// What a session gives: enough for every other call.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// Signs.
    pub key_pair: &'a KeyPair,
    /// Verifies.
    pub server_key: &'a ServerKey,
    /// The session token.
    pub session_token: &'a SecretString,
    /// In front of every path.
    pub user_id: u64,
}

/// A believed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<T> {
    /// What it holds.
    pub value: T,
    /// The id that we gave the attempt.
    pub request_id: String,
    /// The id that the bank's support asks for.
    pub response_id: Option<String>,
}

impl<T> Reply<T> {
    /// The same answer with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reply<U> {
        Reply { value: change(self.value), request_id: self.request_id, response_id: self.response_id }
    }
}
