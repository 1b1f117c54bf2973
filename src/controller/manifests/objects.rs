//! The manifests as the watch shows them, and how anybody asks for a pass over one.

use std::{collections::HashSet, sync::Arc};

use futures::{Stream, StreamExt, channel::mpsc};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};

use super::manifest::Manifest;
use crate::api::BunqOAuthClient;

/// Cheap to clone. The queue behind it holds each object once.
#[derive(Clone)]
pub(crate) struct Objects {
    client: Client,
    store: Store<Manifest>,
    wanted: mpsc::UnboundedSender<ObjectRef<Manifest>>,
    gone: mpsc::UnboundedSender<()>,
}

/// What is asked for from anywhere.
pub(crate) struct Asked<W> {
    /// Passes over objects.
    pub(crate) passes: W,
    /// Sweeps: an object went.
    pub(crate) sweeps: mpsc::UnboundedReceiver<()>,
}

impl Objects {
    /// The objects of this store, and what will be asked for.
    pub(crate) fn new(
        client: Client,
        store: Store<Manifest>,
    ) -> (Self, Asked<impl Stream<Item = ObjectRef<Manifest>> + Send + 'static>) {
        let (wanted, passes) = mpsc::unbounded();
        let (gone, sweeps) = mpsc::unbounded();
        (Self { client, store, wanted, gone }, Asked { passes: passes.map(|object| object), sweeps })
    }

    /// For live reads and writes.
    pub(crate) fn api(&self, namespace: &str) -> Api<BunqOAuthClient> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The Secrets beside the objects of a namespace.
    pub(crate) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Every object.
    pub(crate) fn all(&self) -> Vec<Arc<Manifest>> {
        self.store.state()
    }

    /// The UIDs of all objects.
    pub(crate) fn uids(&self) -> HashSet<String> {
        self.store.state().iter().filter_map(|object| object.uid()).collect()
    }

    /// Whether people have changed nothing in it since it was kept.
    pub(super) fn knows(&self, object: &Manifest) -> bool {
        let known = self.store.get(&ObjectRef::from_obj(object));
        known.is_some_and(|known| known.metadata.uid == object.metadata.uid && known.asked == object.asked)
    }

    /// Whether there is an object that `is_it` names.
    pub(crate) fn any(&self, is_it: impl Fn(&Manifest) -> bool) -> bool {
        self.store.find(|object| is_it(object)).is_some()
    }

    /// Asks for a pass over one object.
    pub(crate) fn wake(&self, object: &Manifest) {
        // It fails only while the process ends.
        let _ = self.wanted.unbounded_send(ObjectRef::from_obj(object));
    }

    /// Asks for a pass over every object that `which` names.
    pub(crate) fn wake_where(&self, which: impl Fn(&Manifest) -> bool) {
        for object in self.store.state_filter(|object| which(object)) {
            self.wake(&object);
        }
    }

    /// Somebody may hold what nobody needs any more.
    pub(crate) fn ask_for_sweep(&self) {
        // It fails only while the process ends.
        let _ = self.gone.unbounded_send(());
    }

    /// An object that went while a pass held its claim: the claim may be younger than the sweep that its deletion
    /// asked for.
    pub(crate) fn sweep_if_gone(&self, object: &Manifest) {
        let known = self.store.get(&ObjectRef::from_obj(object));
        if known.is_none_or(|known| known.uid() != object.uid()) {
            self.ask_for_sweep();
        }
    }
}
