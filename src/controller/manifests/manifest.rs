//! A manifest as it is known between passes: who it is, which Secrets it is about, and what its status says in words
//! that this version knows; a few hundred bytes. A pass reads the object itself.

use std::{borrow::Cow, time::Duration};

use jiff::Timestamp;
use kube::{Resource, api::ObjectMeta, core::NamespaceResourceScope};

use super::words::{Shown, Word};
use crate::{
    api::{BunqOAuthClient, ConditionStatus},
    plan::Reason,
};

const READY: &str = "Ready";
const REMOTE_IN_SYNC: &str = "RemoteInSync";

/// A manifest between passes.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// Namespace, name and UID; and, until somebody has looked at it, the version.
    pub(super) metadata: ObjectMeta,
    pub(crate) generation: Option<i64>,
    /// A hash of what people change: generation, annotations, finalizers. Our own status writes change none of these; a
    /// finalizer or an annotation bumps no generation.
    pub(super) asked: u64,
    /// The name of the Secret with the API key.
    pub(super) credentials: Box<str>,
    /// The name of the output Secret, where it is not that of the manifest.
    pub(super) output: Option<Box<str>>,
    /// `spec.resyncInterval`, in seconds.
    pub(super) interval: u32,
    pub(crate) is_suspended: bool,
    pub(crate) is_deleted: bool,
    /// What the status says, if there is one.
    pub(super) told: Option<Told>,
}

/// What a status says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(super) conditions: Box<[Shown]>,
    pub(super) has_client_id: bool,
    pub(super) verified_at: Option<Timestamp>,
}

impl Manifest {
    /// Whether nobody has looked at it yet. The first one writes over this very version.
    pub(crate) fn is_new(&self) -> bool {
        self.told.is_none()
    }

    /// Whether the Secret of this name is the one with the key, or the published one.
    pub(crate) fn uses(&self, secret: &str) -> bool {
        let output = self.output.as_deref().or(self.metadata.name.as_deref());
        *self.credentials == *secret || output == Some(secret)
    }

    pub(crate) fn resync_interval(&self) -> Duration {
        Duration::from_secs(self.interval.into())
    }

    pub(crate) fn conditions(&self) -> &[Shown] {
        self.told.as_ref().map_or(&[], |told| &told.conditions)
    }

    /// Whether there is a client that is to be looked at again and again.
    pub(crate) fn is_published(&self) -> bool {
        let has_client_id = self.told.as_ref().is_some_and(|told| told.has_client_id);
        has_client_id && self.is_ready() && !self.is_suspended && !self.is_deleted
    }

    /// When the bank confirmed the client, as far as the status tells: once a day.
    pub(crate) fn verified_at(&self) -> Option<Timestamp> {
        self.told.as_ref()?.verified_at
    }

    /// Whether it may wait for a user that another one holds. Who is about to be told so waits, too, and its status is
    /// not known yet.
    pub(crate) fn may_wait_for_a_user(&self) -> bool {
        let waits = [Reason::Progressing, Reason::UserAlreadyClaimed];
        self.ready_reason().is_none_or(|word| waits.into_iter().any(|reason| word.is(reason)))
    }

    /// Whether people were told already that the bank is away, or is not who it should be.
    pub(crate) fn tells_of_an_outage(&self) -> bool {
        let remote = self.condition(REMOTE_IN_SYNC).filter(|remote| remote.status == ConditionStatus::Unknown);
        let headline = remote.filter(|_| self.is_ready()).map_or(self.ready_reason(), |remote| Some(remote.reason));
        let outages = [Reason::BankUnavailable, Reason::BankNotTrusted];
        headline.is_some_and(|word| outages.into_iter().any(|reason| word.is(reason)))
    }

    fn ready_reason(&self) -> Option<Word> {
        self.condition(READY).map(|shown| shown.reason)
    }

    fn is_ready(&self) -> bool {
        self.condition(READY).is_some_and(|shown| shown.status == ConditionStatus::True)
    }

    fn condition(&self, type_: &str) -> Option<Shown> {
        self.conditions().iter().copied().find(|shown| shown.type_() == type_)
    }
}

impl Resource for Manifest {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        BunqOAuthClient::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        BunqOAuthClient::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        BunqOAuthClient::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        BunqOAuthClient::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
