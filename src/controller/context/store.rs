//! Keeps one context per (environment, API key): in memory, and in a Secret of the operator's
//! namespace, so that restarts cost no handshake and no session (D7).

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex as StdMutex, PoisonError},
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams},
};
use tokio::sync::Mutex;

use super::stored::{self, ContextId, Stored};
use crate::{
    bunq::{ApiKey, Environment, KeyPair, ServerKey},
    controller::{
        api_server::{CallError, KubeCall, Pages, absent, call, failed_with},
        labels,
        stop::Stop,
    },
    times::Times,
};

/// Contexts hold keys: never many of them in memory at once. One that was dropped is read again.
const IN_MEMORY: usize = 64;

/// One context. Locked by whoever works on it: everybody else with the same key waits (`F18`).
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) environment: Environment,
    pub(crate) stored: Stored,
    pub(crate) resource_version: Option<String>,
    /// The fingerprint of the data that was last seen in the Secret.
    known: Option<String>,
    /// Whether memory and Secret differ.
    pub(crate) dirty: bool,
    loaded: bool,
    /// The parsed key pair and server key of `stored`.
    pub(crate) keys: Option<Keys>,
}

/// What signs and verifies.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) own: Arc<KeyPair>,
    pub(crate) server: Option<ServerKey>,
}

/// By name.
type Entries = HashMap<String, Arc<Mutex<Entry>>>;

/// All contexts of this process.
pub(crate) struct ContextStore {
    api: Api<Secret>,
    namespace: String,
    entries: Mutex<Entries>,
    /// When each was last asked for, those that were dropped from memory included.
    uses: StdMutex<HashMap<ContextId, Timestamp>>,
    /// Those that were stored when somebody last looked at all of them.
    listed: StdMutex<Option<HashSet<ContextId>>>,
}

impl ContextStore {
    pub(crate) fn new(client: kube::Client, namespace: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            entries: Mutex::default(),
            uses: StdMutex::default(),
            listed: StdMutex::default(),
        }
    }

    /// The context of a key, not loaded yet.
    pub(crate) async fn of_key(&self, environment: Environment, key: &ApiKey) -> Arc<Mutex<Entry>> {
        self.named(&stored::name(environment, key), environment).await
    }

    /// The context of this name, not loaded yet.
    pub(crate) async fn named(&self, name: &str, environment: Environment) -> Arc<Mutex<Entry>> {
        let mut entries = self.entries.lock().await;
        if entries.len() >= IN_MEMORY && !entries.contains_key(name) {
            make_room(&mut entries, &self.uses.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let entry = entries.entry(name.to_owned());
        Arc::clone(entry.or_insert_with(|| Arc::new(Mutex::new(Entry::new(name, environment)))))
    }

    /// Somebody logs in with this context.
    pub(crate) fn use_now(&self, name: &str, now: Timestamp) {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).insert(ContextId::of(name), now);
    }

    /// Namespace and name, for messages.
    pub(crate) fn locate(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }

    /// Reads the Secret unless memory is as good. A time that cannot be true is written down anew.
    pub(crate) async fn load(&self, entry: &mut Entry, now: Timestamp) -> Result<(), Stop> {
        if !entry.loaded {
            let name = || self.locate(&entry.name);
            let secret = absent(call(KubeCall::ReadContext, name, self.api.get(&entry.name)).await)?;
            entry.take_in(secret.as_ref())?;
        }
        let mut times = Times::read_at(now);
        entry.stored.correct(&mut times);
        entry.dirty |= times.were_wrong();
        Ok(())
    }

    /// The same for an object that is new: where no context of this name was listed, none is read. If there is
    /// one by now, the attempt to create it says so, and the next pass reads it.
    pub(crate) async fn load_for_newcomer(&self, entry: &mut Entry, now: Timestamp) -> Result<(), Stop> {
        let is_unheard_of = || {
            self.with_listed(|listed| listed.as_ref().is_some_and(|names| !names.contains(&ContextId::of(&entry.name))))
        };
        if !entry.loaded && is_unheard_of() {
            entry.take_in(None)?;
        }
        self.load(entry, now).await
    }

    fn with_listed<T>(&self, look: impl FnOnce(&mut Option<HashSet<ContextId>>) -> T) -> T {
        look(&mut self.listed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every context that is stored.
    pub(crate) fn all(&self) -> Pages<Secret> {
        Pages::of(KubeCall::ListContexts, &self.api, &self.namespace, &labels::selector(labels::CONTEXT))
    }

    /// The names of all contexts that are stored, and when each was last asked for.
    pub(crate) async fn uses(&self, now: Timestamp) -> Result<Vec<(String, Option<Timestamp>)>, CallError> {
        let mut pages =
            Pages::metadata_of(KubeCall::ListContexts, &self.api, &self.namespace, &labels::selector(labels::CONTEXT));
        let mut names = Vec::new();
        while let Some(page) = pages.next().await? {
            names.extend(page.iter().map(ResourceExt::name_any));
        }
        let listed: HashSet<ContextId> = names.iter().map(|name| ContextId::of(name)).collect();
        let entries = self.entries.lock().await;
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        // What is neither stored nor in memory is gone.
        let in_memory: HashSet<ContextId> = entries.keys().map(|name| ContextId::of(name)).collect();
        uses.retain(|id, _| listed.contains(id) || in_memory.contains(id));
        self.with_listed(|known| *known = Some(listed));
        let used_at = |name: &String| {
            let is_in_use = entries.get(name).is_some_and(|entry| entry.try_lock().is_err());
            if is_in_use { Some(now) } else { uses.get(&ContextId::of(name)).copied() }
        };
        let with_use = |name: String| {
            let at = used_at(&name);
            (name, at)
        };
        Ok(names.into_iter().map(with_use).collect())
    }

    /// Writes the Secret if memory is ahead. Where somebody else wrote it and left its data alone, it is
    /// written all the same; where it was this process, and the answer got lost, that is found out. Otherwise
    /// memory is given up, and the next pass reads again.
    pub(crate) async fn save(&self, entry: &mut Entry) -> Result<(), CallError> {
        if !entry.dirty {
            return Ok(());
        }
        let mut written = self.write(entry).await;
        if failed_with(&written, 409) {
            written = match self.look(entry).await? {
                Look::Written(secret) => Ok(*secret),
                Look::AsKnown => self.write(entry).await,
                Look::Other => written,
            };
        }
        if failed_with(&written, 409) || failed_with(&written, 404) {
            entry.loaded = false;
        }
        // Whoever made it: a newcomer may come with the same key.
        self.with_listed(|listed| listed.as_mut().map(|names| names.insert(ContextId::of(&entry.name))));
        let written = written?;
        entry.known = Some(stored::fingerprint(&written));
        entry.resource_version = written.metadata.resource_version;
        entry.dirty = false;
        Ok(())
    }

    async fn write(&self, entry: &Entry) -> Result<Secret, CallError> {
        let secret = wanted(entry);
        let (name, params) = (|| self.locate(&entry.name), PostParams::default());
        match secret.metadata.resource_version {
            Some(_) => call(KubeCall::UpdateContext, name, self.api.replace(&entry.name, &params, &secret)).await,
            None => call(KubeCall::CreateContext, name, self.api.create(&params, &secret)).await,
        }
    }

    /// Looks at a Secret that somebody wrote. Where it holds what was last seen there, its version is the one
    /// to write over.
    async fn look(&self, entry: &mut Entry) -> Result<Look, CallError> {
        let name = || self.locate(&entry.name);
        let found = absent(call(KubeCall::ReadContext, name, self.api.get(&entry.name)).await)?;
        let Some(found) = found else { return Ok(Look::Other) };
        let fingerprint = stored::fingerprint(&found);
        if fingerprint == stored::fingerprint(&wanted(entry)) {
            return Ok(Look::Written(Box::new(found)));
        }
        if entry.known != Some(fingerprint) {
            return Ok(Look::Other);
        }
        entry.resource_version = found.metadata.resource_version;
        Ok(Look::AsKnown)
    }

    /// Reads the context of this name again next time: a person may have reset it.
    pub(crate) async fn reload_named(&self, name: &str, environment: Environment) {
        Self::reload(&mut *self.named(name, environment).await.lock().await);
    }

    /// Forgets what is in memory and reads again next time.
    pub(crate) fn reload(entry: &mut Entry) {
        entry.loaded = false;
    }

    /// Drops every context from memory: another process may have written them.
    pub(crate) async fn forget_all(&self) {
        self.entries.lock().await.clear();
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.with_listed(|listed| *listed = None);
    }

    /// The bank that the stored context of this name belongs to.
    pub(crate) async fn read_environment(&self, name: &str) -> Result<Option<Environment>, CallError> {
        let found = absent(call(KubeCall::ReadContext, || self.locate(name), self.api.get(name)).await)?;
        Ok(found.as_ref().and_then(stored::environment))
    }

    /// Deletes a context, from memory, too.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), CallError> {
        self.entries.lock().await.remove(name);
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).remove(&ContextId::of(name));
        let params = DeleteParams::default();
        let deleted = call(KubeCall::DeleteContext, || self.locate(name), self.api.delete(name, &params)).await;
        absent(deleted).map(drop)
    }
}

/// What a Secret holds that somebody wrote.
enum Look {
    /// What was to be written: the answer to an earlier write got lost.
    Written(Box<Secret>),
    /// What was last seen there.
    AsKnown,
    /// Something else, or it is gone.
    Other,
}

/// Drops whoever was asked for longest ago, unless somebody works on it or it holds what could not be written.
fn make_room(entries: &mut Entries, uses: &HashMap<ContextId, Timestamp>) {
    let is_idle = |entry: &Arc<Mutex<Entry>>| {
        // Nobody can ask for it meanwhile: whoever does needs the map.
        Arc::strong_count(entry) == 1 && entry.try_lock().is_ok_and(|entry| !entry.dirty)
    };
    let idle = entries.iter().filter(|(_, entry)| is_idle(entry)).map(|(name, _)| name);
    if let Some(oldest) = idle.min_by_key(|name| uses.get(&ContextId::of(name))).cloned() {
        entries.remove(&oldest);
    }
}

fn wanted(entry: &Entry) -> Secret {
    stored::to_secret(&entry.name, entry.environment, &entry.stored, entry.resource_version.as_deref())
}

impl Entry {
    fn new(name: &str, environment: Environment) -> Self {
        Self {
            name: name.to_owned(),
            environment,
            stored: Stored::default(),
            resource_version: None,
            known: None,
            dirty: false,
            loaded: false,
            keys: None,
        }
    }

    /// Goes by what is stored from now on. Over what cannot be read nothing is written either.
    fn take_in(&mut self, secret: Option<&Secret>) -> Result<(), Stop> {
        self.dirty = false;
        self.stored = secret.map(stored::from_secret).transpose()?.unwrap_or_default();
        self.resource_version = secret.and_then(|secret| secret.metadata.resource_version.clone());
        self.known = secret.map(stored::fingerprint);
        self.keys = None;
        self.loaded = true;
        Ok(())
    }

    /// The parsed keys of the stored context.
    pub(crate) fn keys(&mut self, locate: impl Fn(&str) -> String) -> Result<Keys, Stop> {
        use secrecy::ExposeSecret;
        if let Some(keys) = &self.keys {
            return Ok(keys.clone());
        }
        let fail = |source| Stop::KeyPair { context: locate(&self.name), source };
        let pem = self.stored.context.key_pair_pem.as_ref().ok_or_else(|| fail(crate::bunq::KeyError::Pem))?;
        let own = Arc::new(KeyPair::from_pkcs8_pem(pem.expose_secret()).map_err(fail)?);
        let installation = self.stored.context.installation.as_ref();
        let server =
            installation.map(|known| ServerKey::from_spki_pem(&known.server_key_pem)).transpose().map_err(fail)?;
        let keys = Keys { own, server };
        self.keys = Some(keys.clone());
        Ok(keys)
    }

    /// Notes a change of the stored context.
    pub(crate) fn touch(&mut self) {
        self.dirty = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_context_that_was_idle_longest_makes_room_and_none_that_is_worked_on_or_not_written() {
        let names = ["held", "locked", "unwritten", "older", "newer"];
        let mut entries: Entries = names
            .iter()
            .map(|name| ((*name).to_owned(), Arc::new(Mutex::new(Entry::new(name, Environment::Sandbox)))))
            .collect();
        let uses = names
            .iter()
            .zip(0..)
            .map(|(name, at)| (ContextId::of(name), Timestamp::from_second(at).unwrap()))
            .collect();
        let held = Arc::clone(&entries["held"]);
        let locked = Arc::clone(&entries["locked"]).lock_owned().await;
        entries["unwritten"].lock().await.touch();
        let mut left = |gone: &str| {
            make_room(&mut entries, &uses);
            assert!(!entries.contains_key(gone), "{gone} is still there");
            entries.len()
        };
        assert_eq!(left("older"), 4);
        assert_eq!(left("newer"), 3);
        assert_eq!(left("nobody"), 3);
        drop(held);
        assert_eq!(left("held"), 2);
        drop(locked);
        assert_eq!(left("locked"), 1);
        assert_eq!(left("nobody"), 1, "what could not be written stays");
    }
}
