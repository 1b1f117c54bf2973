//! An open session.

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    bunq::{Access, KeyPair, ServerKey, SessionRecord, UserKind},
    controller::{
        context::{ContextStore, Entry},
        stop::Stop,
    },
};

/// An open session that calls can use without holding the context's lock.
#[derive(Clone)]
pub(crate) struct Login {
    /// The name of the key's context.
    pub(crate) context: String,
    own: Arc<KeyPair>,
    server: ServerKey,
    token: SecretString,
    pub(crate) user_id: u64,
    pub(crate) kind: UserKind,
    pub(crate) bound_ip: Option<String>,
    /// Whether the key was refused before; the first call that succeeds ends that.
    pub(crate) is_on_probation: bool,
}

impl Login {
    /// The session in this context, if it is still open.
    pub(crate) fn of(entry: &mut Entry, contexts: &ContextStore, now: Timestamp) -> Result<Self, Stop> {
        let keys = entry.keys(|name| contexts.locate(name))?;
        let corrupt = || Stop::Corrupt {
            what: format!("Secret {}", contexts.locate(&entry.name)),
            reason: "it holds no session".to_owned(),
        };
        let session = entry.stored.context.session_at(now).ok_or_else(corrupt)?;
        Ok(Self {
            context: entry.name.clone(),
            own: keys.own,
            server: keys.server.ok_or_else(corrupt)?,
            token: session.token.clone(),
            user_id: session.user_id,
            kind: session.kind,
            bound_ip: entry.stored.bound_ip.clone(),
            is_on_probation: !entry.stored.refusals.is_empty(),
        })
    }

    /// The same session, off probation.
    pub(crate) fn trusted(self) -> Self {
        Self { is_on_probation: false, ..self }
    }

    pub(crate) fn access(&self) -> Access<'_> {
        Access { key_pair: &self.own, server_key: &self.server, session_token: &self.token, user_id: self.user_id }
    }

    /// Whether this is the session of the record.
    pub(crate) fn is(&self, session: &SessionRecord) -> bool {
        session.token.expose_secret() == self.token.expose_secret()
    }
}
