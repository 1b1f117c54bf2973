//! Sees every version of a world's `BunqOAuthClient`s, keeps it, and has it judged.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bunq_oauth_operator::api::BunqOAuthClient;
use futures::StreamExt as _;
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DynamicObject},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use serde_json::Value;
use tokio::{sync::watch, task::AbortHandle};

use super::{
    oracle::assert_status_is_honest,
    outcome::{Outcome, ensure},
};

/// The objects of one namespace by name, as they were last seen.
type Objects = BTreeMap<String, Value>;

/// Watches until it is dropped.
pub struct Witness {
    objects: watch::Receiver<Objects>,
    complaints: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Witness {
    /// Watches `namespace`; every version becomes a line of the file `record`.
    pub fn start(client: Client, namespace: &str, record: &Path) -> Outcome<Self> {
        let resource = ApiResource::erase::<BunqOAuthClient>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &resource);
        let record = File::options().create(true).append(true).open(record)?;
        let (sender, objects) = watch::channel(Objects::new());
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let heard = Hearing { sender, record, complaints: Arc::clone(&complaints) };
        let task = tokio::spawn(heard.listen(api)).abort_handle();
        Ok(Self { objects, complaints, task })
    }

    /// Waits until there is an object `name` that `fits`, and returns it.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        within: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> Outcome<Value> {
        let mut objects = self.objects.clone();
        let found = objects.wait_for(|objects| objects.get(name).is_some_and(&fits));
        if let Ok(seen) = tokio::time::timeout(within, found).await {
            return Ok(seen?.get(name).cloned().unwrap_or_default());
        }
        let last = self.objects.borrow().get(name).cloned().unwrap_or_default();
        let shown = serde_json::to_string_pretty(&last["status"])?;
        Err(format!("{name} was not {what} within {within:?}; its status is {shown}").into())
    }

    /// Waits until there is no object `name`.
    pub async fn until_gone(&self, name: &str, within: Duration) -> Outcome {
        let mut objects = self.objects.clone();
        let gone = objects.wait_for(|objects| !objects.contains_key(name));
        match tokio::time::timeout(within, gone).await {
            Ok(seen) => Ok(seen.map(drop)?),
            Err(_) => Err(format!("{name} was still there after {within:?}").into()),
        }
    }

    /// Fails with every complaint about a status that was seen.
    pub fn verdict(&self) -> Outcome {
        let complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        ensure(complaints.is_empty(), || complaints.join("\n"))
    }
}

/// The witness's end of the watch.
struct Hearing {
    sender: watch::Sender<Objects>,
    record: File,
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Hearing {
    async fn listen(mut self, api: Api<DynamicObject>) {
        let mut events = std::pin::pin!(watcher::watcher(api, watcher::Config::default()).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => self.see(&object),
                Ok(Event::Delete(object)) => {
                    self.sender.send_modify(|objects| drop(objects.remove(&object.name_any())));
                }
                // The watcher starts again by itself.
                Ok(Event::Init | Event::InitDone) | Err(_) => {}
            }
        }
    }

    fn see(&mut self, object: &DynamicObject) {
        let Ok(mut value) = serde_json::to_value(object) else {
            return self.complain("an object cannot be written as JSON".to_owned());
        };
        value["metadata"]["managedFields"] = Value::Null;
        if let Err(complaint) = assert_status_is_honest(&value) {
            self.complain(complaint);
        }
        if let Err(error) = writeln!(self.record, "{value}") {
            self.complain(format!("a status could not be kept: {error}"));
        }
        self.sender.send_modify(|objects| drop(objects.insert(object.name_any(), value)));
    }

    fn complain(&self, complaint: String) {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).push(complaint);
    }
}
