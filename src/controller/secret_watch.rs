//! One watch on Secrets per namespace that has objects: metadata only, nothing stored, with a
//! back-off of its own, so that one forbidden namespace delays no other (D15).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        reflector::Store,
        utils::Backoff,
        watcher::{self, Event},
    },
};
use tokio::task::AbortHandle;

use super::{listen::listen, wake::Waker};
use crate::api::BunqOAuthClient;

/// Between two attempts to watch a namespace: a grant is noticed this fast.
const PAUSE: Duration = Duration::from_secs(5);

/// All that is ever read of a tenant's Secrets here.
type Meta = PartialObjectMeta<Secret>;

/// All watches.
pub(crate) struct SecretWatches {
    client: Client,
    store: Store<BunqOAuthClient>,
    waker: Waker,
    running: Arc<Mutex<HashMap<String, AbortHandle>>>,
}

impl SecretWatches {
    pub(crate) fn new(client: Client, store: Store<BunqOAuthClient>, waker: Waker) -> Self {
        Self { client, store, waker, running: Arc::default() }
    }

    /// Starts the watch of a namespace unless it runs.
    pub(crate) fn ensure(&self, namespace: &str) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.get(namespace).is_some_and(|task| !task.is_finished()) {
            return;
        }
        let task = watch(self.client.clone(), self.store.clone(), self.waker.clone(), namespace.to_owned());
        running.insert(namespace.to_owned(), tokio::spawn(task).abort_handle());
    }

    /// Ends the watches of namespaces that have no objects any more.
    pub(crate) fn prune(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|namespace, task| {
            let is_used = self.store.find(|object| object.namespace().as_ref() == Some(namespace)).is_some();
            if !is_used {
                task.abort();
            }
            is_used
        });
    }
}

impl Drop for SecretWatches {
    fn drop(&mut self) {
        for task in self.running.lock().unwrap_or_else(PoisonError::into_inner).values() {
            task.abort();
        }
    }
}

async fn watch(client: Client, store: Store<BunqOAuthClient>, waker: Waker, namespace: String) {
    let api: Api<Meta> = Api::namespaced(client, &namespace);
    let mut events = Box::pin(stripped(listen(api)).backoff(Pause));
    let mut is_failing = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(secret) | Event::Delete(secret)) => {
                let name = secret.name_any();
                waker.wake_where(&store, |object| {
                    object.namespace().as_ref() == Some(&namespace) && uses(object, &name)
                });
            }
            // What happened while nobody watched is unknown: look at every object.
            Ok(Event::InitDone) => {
                is_failing = false;
                waker.wake_where(&store, |object| object.namespace().as_ref() == Some(&namespace));
            }
            Ok(Event::Init | Event::InitApply(_)) => {}
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::info!(%namespace, error = kind(&error), "Secrets cannot be watched; trying again");
                }
            }
        }
    }
}

/// Annotations can hold a whole Secret in clear (`last-applied-configuration`): nothing but the
/// name goes on.
fn stripped(
    events: impl Stream<Item = Result<Event<Meta>, watcher::Error>>,
) -> impl Stream<Item = Result<Event<Meta>, watcher::Error>> {
    events.modify(|secret| {
        secret.metadata.annotations = None;
        secret.metadata.managed_fields = None;
    })
}

/// Whether the Secret of this name is the object's output or its credentials.
fn uses(object: &BunqOAuthClient, name: &str) -> bool {
    object.spec.credentials.api_key_secret_ref.name == name
        || object.spec.output_secret_name(&object.name_any()) == name
}

/// What failed, without any of the answer.
fn kind(error: &watcher::Error) -> &'static str {
    match error {
        watcher::Error::InitialListFailed(_) => "list failed",
        watcher::Error::WatchStartFailed(_) => "watch failed",
        watcher::Error::WatchError(_) => "watch ended with an error",
        watcher::Error::WatchFailed(_) => "watch broke",
        watcher::Error::NoResourceVersion => "no resourceVersion",
    }
}

/// Always the same pause.
struct Pause;

impl Iterator for Pause {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(PAUSE)
    }
}

impl Backoff for Pause {
    fn reset(&mut self) {}
}
