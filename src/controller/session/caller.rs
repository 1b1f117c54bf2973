//! Who calls the bank: for the queue, for messages and for the audit log.

use std::sync::Arc;

use jiff::Timestamp;

use crate::bunq::{Asker, Auditor, Priority};

/// A manifest that calls the bank.
#[derive(Clone)]
pub(crate) struct Caller {
    /// The UID of the manifest.
    pub(crate) uid: String,
    /// Who goes first.
    pub(crate) priority: Priority,
    /// Whether a person asked for this attempt and has had none yet.
    pub(crate) is_asked: bool,
    /// Whether the manifest was never looked at before.
    pub(crate) is_newcomer: bool,
    /// Namespace and name of the credentials.
    pub(crate) credentials: String,
    /// When the credentials Secret was created, for the message.
    pub(crate) credentials_created: Option<Timestamp>,
    /// Namespace and name of the manifest.
    pub(crate) object: String,
    /// Hears of whatever is changed at the bank on its behalf.
    pub(crate) auditor: Arc<dyn Auditor>,
}

impl Caller {
    /// In the queue: as the user whose key's context has this name.
    pub(crate) fn as_user<'a>(&'a self, context: &'a str) -> Asker<'a> {
        let namespace = self.object.split_once('/').map_or("", |(namespace, _)| namespace);
        Asker { namespace, user: context }
    }
}
