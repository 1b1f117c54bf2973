//! Every version of the objects of one kind in a namespace, in the order in which a watch told them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
    runtime::watcher::{self, Event},
};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::{deployment, outcome::Outcome};

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The object after whose arrival everything before it has been seen.
const MARK: &str = "everything-was-seen";

/// One version of an object, or its end.
#[derive(Clone)]
pub struct Version {
    /// Its name.
    pub name: String,
    /// Its `resourceVersion`.
    pub resource_version: String,
    /// Whether it was deleted.
    pub is_gone: bool,
    /// The object.
    pub object: Value,
}

/// Watches until it is dropped.
pub struct History {
    client: Client,
    kind: String,
    namespace: String,
    versions: Arc<Mutex<Vec<Version>>>,
    task: AbortHandle,
}

impl Drop for History {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl History {
    /// Watches the core objects of this kind in `namespace` from now on.
    pub async fn of(client: Client, kind: &str, namespace: &str) -> Outcome<Self> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", kind));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let versions = Arc::default();
        let task = tokio::spawn(listen(api, Arc::clone(&versions))).abort_handle();
        let history = Self { client, kind: kind.to_owned(), namespace: namespace.to_owned(), versions, task };
        history.catch_up().await?;
        Ok(history)
    }

    /// All versions that exist by now.
    pub async fn versions(&self) -> Outcome<Vec<Version>> {
        self.catch_up().await?;
        let mut versions = self.seen();
        versions.retain(|version| version.name != MARK);
        Ok(versions)
    }

    /// Waits until everything that has happened by now was seen.
    async fn catch_up(&self) -> Outcome {
        let stamp = uuid::Uuid::new_v4().to_string();
        let mark = json!({
            "apiVersion": "v1",
            "kind": self.kind,
            "metadata": {"name": MARK, "namespace": self.namespace, "labels": {"stamp": stamp}},
        });
        let version = deployment::apply(&self.client, &mark).await?.resource_version();
        let since = Instant::now();
        while !self.seen().iter().any(|seen| Some(&seen.resource_version) == version.as_ref()) {
            if since.elapsed() > PATIENCE {
                return Err(format!("the watch on {}s was {PATIENCE:?} late", self.kind).into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn seen(&self) -> Vec<Version> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn listen(api: Api<DynamicObject>, versions: Arc<Mutex<Vec<Version>>>) {
    let mut events = std::pin::pin!(watcher::watcher(api, watcher::Config::default()));
    while let Some(event) = events.next().await {
        let (object, is_gone) = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => (object, false),
            Ok(Event::Delete(object)) => (object, true),
            // The watcher starts again by itself.
            Ok(Event::Init | Event::InitDone) | Err(_) => continue,
        };
        let version = Version {
            name: object.name_any(),
            resource_version: object.resource_version().unwrap_or_default(),
            is_gone,
            object: serde_json::to_value(&object).unwrap_or_default(),
        };
        versions.lock().unwrap_or_else(PoisonError::into_inner).push(version);
    }
}
