//! One watch on Secrets per namespace that has objects: metadata only, nothing stored, with a
//! back-off of its own, so that one forbidden namespace delays no other (D15).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::task::AbortHandle;

use super::{manifest::Manifest, objects::Objects};
use crate::controller::api_server::{ApiServer, Lanes, Pauses, listen, status_code};

/// Between two attempts to watch a namespace, at most: a grant is noticed this fast.
const PAUSE: Duration = Duration::from_secs(5);
/// Refusals in a row, with pauses between them, that mean that a grant is gone.
const REVOKED: u32 = 2;

/// All that is ever read of a tenant's Secrets here.
type Meta = PartialObjectMeta<Secret>;

/// All watches.
pub(crate) struct SecretWatches {
    lanes: Arc<Lanes>,
    objects: Objects,
    running: Arc<Mutex<HashMap<String, Running>>>,
}

/// One watch.
struct Running {
    task: AbortHandle,
    /// Whether the API server lets it listen.
    is_open: Arc<AtomicBool>,
}

impl SecretWatches {
    pub(crate) fn new(api_server: ApiServer, objects: Objects) -> Self {
        Self { lanes: Arc::new(Lanes::new(api_server)), objects, running: Arc::default() }
    }

    /// Starts the watch of a namespace unless it runs.
    pub(crate) fn ensure(&self, namespace: &str) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.get(namespace).is_some_and(|watch| !watch.task.is_finished()) {
            return;
        }
        let is_open = Arc::<AtomicBool>::default();
        let listens =
            Listener { objects: self.objects.clone(), namespace: namespace.to_owned(), is_open: Arc::clone(&is_open) };
        let task = tokio::spawn(watch(Arc::clone(&self.lanes), listens)).abort_handle();
        running.insert(namespace.to_owned(), Running { task, is_open });
    }

    /// A read in this namespace was forbidden. Whoever took the grant back does not want us to listen either, and the
    /// API server would let an open watch go on until it times out (D14). The next pass tries a new one.
    pub(crate) fn revoked(&self, namespace: &str) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is not let in is how a grant is noticed: it stays.
        let is_open = running.get(namespace).is_some_and(|watch| watch.is_open.load(Ordering::Relaxed));
        if is_open && let Some(watch) = running.remove(namespace) {
            tracing::info!(%namespace, "Secrets must not be read any more; their watch ends");
            watch.task.abort();
        }
    }

    /// Ends the watches of namespaces that have no objects any more.
    pub(crate) fn prune(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|namespace, watch| {
            let is_used = self.objects.any(|object| object.namespace().as_ref() == Some(namespace));
            if !is_used {
                watch.task.abort();
            }
            is_used
        });
    }
}

impl Drop for SecretWatches {
    fn drop(&mut self) {
        for watch in self.running.lock().unwrap_or_else(PoisonError::into_inner).values() {
            watch.task.abort();
        }
    }
}

/// Who is told of what a watch hears.
struct Listener {
    objects: Objects,
    namespace: String,
    is_open: Arc<AtomicBool>,
}

impl Listener {
    /// Asks for a pass over the objects of the namespace that `which` names.
    fn wake(&self, which: impl Fn(&Manifest) -> bool) {
        let is_here = |object: &Manifest| object.namespace().as_ref() == Some(&self.namespace);
        self.objects.wake_where(|object| is_here(object) && which(object));
    }
}

async fn watch(lanes: Arc<Lanes>, listener: Listener) {
    let client = lanes.place().await;
    let api: Api<Meta> = Api::namespaced(Client::clone(&client), &listener.namespace);
    let mut events = Box::pin(stripped(listen(api)).backoff(Pauses::up_to(PAUSE)));
    let (mut is_failing, mut is_granted, mut refusals) = (false, false, 0_u32);
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(secret) | Event::Delete(secret)) => {
                let name = secret.name_any();
                listener.wake(|object| object.uses(&name));
            }
            // What happened while nobody watched is unknown: look at every object.
            Ok(Event::InitDone) => {
                (is_failing, is_granted, refusals) = (false, true, 0);
                listener.is_open.store(true, Ordering::Relaxed);
                listener.wake(|_| true);
            }
            Ok(Event::Init | Event::InitApply(_)) => {}
            Err(error) => {
                listener.is_open.store(false, Ordering::Relaxed);
                if !std::mem::replace(&mut is_failing, true) {
                    let namespace = &listener.namespace;
                    tracing::info!(%namespace, error = kind(&error), "Secrets cannot be watched; trying again");
                }
                refusals += u32::from(is_forbidden(&error));
                // The grant was taken back: a look at each object tells its people. An API server that has just
                // started refuses everybody for a moment, so once is not enough.
                if is_granted && refusals == REVOKED {
                    is_granted = false;
                    listener.wake(|_| true);
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

/// Whether the API server refuses to let us listen.
fn is_forbidden(error: &watcher::Error) -> bool {
    let code = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => status_code(error),
        watcher::Error::WatchError(status) => Some(status.code),
        watcher::Error::NoResourceVersion => None,
    };
    code == Some(403)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn only_a_403_is_taken_for_a_grant_that_went() {
        let status = |code| Box::new(Status { code, ..Status::default() });
        for code in [403, 401, 404, 410, 429, 500] {
            let started = watcher::Error::WatchStartFailed(kube::Error::Api(status(code)));
            let listed = watcher::Error::InitialListFailed(kube::Error::Api(status(code)));
            for error in [started, listed, watcher::Error::WatchError(status(code))] {
                assert_eq!(is_forbidden(&error), code == 403, "{error}");
            }
        }
        assert!(!is_forbidden(&watcher::Error::NoResourceVersion));
    }
}
