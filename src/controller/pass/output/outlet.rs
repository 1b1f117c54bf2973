//! The published Secret of a manifest, and those of its earlier names.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Preconditions},
};

use super::wanted::{self, Wanted};
use crate::{
    api::BunqOAuthClient,
    controller::{
        api_server::{KubeCall, absent, call},
        manifests::{Memories, Memory},
        pass::gather::read_secret,
        stop::Stop,
    },
    plan::Output,
};

/// The published Secret of a manifest, as it was last read or written, and those of its earlier names.
pub(in crate::controller::pass) struct Outlet {
    api: Api<Secret>,
    memories: Arc<Memories>,
    uid: String,
    namespace: String,
    name: String,
    present: Option<Secret>,
    /// Earlier names under which there may still be one.
    leftovers: BTreeSet<String>,
}

impl Outlet {
    pub(in crate::controller::pass) fn new(
        api: Api<Secret>,
        memories: Arc<Memories>,
        object: &BunqOAuthClient,
    ) -> Self {
        Self {
            api,
            memories,
            uid: object.uid().unwrap_or_default(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.spec.output_secret_name(&object.name_any()).to_owned(),
            present: None,
            leftovers: BTreeSet::new(),
        }
    }

    pub(in crate::controller::pass) fn name(&self) -> &str {
        &self.name
    }

    /// The Secret as it was last read or written.
    pub(in crate::controller::pass) fn present(&self) -> Option<&Secret> {
        self.present.as_ref()
    }

    /// The first of the earlier names that is not yet looked after.
    pub(in crate::controller::pass) fn leftover(&self) -> Option<&String> {
        self.leftovers.first()
    }

    /// Earlier names: the one that the status tells, and those that were written since.
    pub(in crate::controller::pass) fn recall_names(&mut self, published: Option<&str>) {
        let written = |memory: &mut Memory| memory.outputs().map(str::to_owned).collect();
        let mut earlier: BTreeSet<String> = self.memories.of(&self.uid, written);
        earlier.extend(published.map(str::to_owned));
        earlier.remove(&self.name);
        self.leftovers = earlier;
    }

    /// Looks at it.
    pub(in crate::controller::pass) async fn read(&mut self) -> Result<(), Stop> {
        self.present = read_secret(&self.api, &self.namespace, &self.name).await?;
        Ok(())
    }

    /// Creates it whole. Where somebody was faster, it is looked at instead, and nothing was written.
    pub(in crate::controller::pass) async fn create(&mut self, wanted: &Wanted) -> Result<bool, Stop> {
        // Whatever becomes of this pass, the next one knows that there is a Secret of this name.
        self.memories.of(&self.uid, |memory| memory.add_output(&self.name));
        let created = wanted.create(&self.api).await?;
        self.settle(created).await
    }

    /// Brings it back. Where somebody else wrote it since, it is looked at instead, and nothing was written.
    pub(in crate::controller::pass) async fn update(&mut self, wanted: &Wanted) -> Result<bool, Stop> {
        let updated = match &self.present {
            Some(present) => wanted.update(&self.api, present).await?,
            None => None,
        };
        self.settle(updated).await
    }

    async fn settle(&mut self, written: Option<Secret>) -> Result<bool, Stop> {
        let is_written = written.is_some();
        if is_written {
            self.present = written;
        } else {
            self.read().await?;
        }
        Ok(is_written)
    }

    /// Deletes the Secret of an earlier name, if it is still ours and nobody wrote it since.
    pub(in crate::controller::pass) async fn remove_leftover(
        &mut self,
        name: &str,
        object: &BunqOAuthClient,
    ) -> Result<(), Stop> {
        let found = read_secret(&self.api, &self.namespace, name).await?;
        if let Some(secret) = found.filter(|secret| wanted::is_ours(secret, object)) {
            let preconditions = Preconditions { uid: secret.uid(), resource_version: secret.resource_version() };
            let params = DeleteParams::default().preconditions(preconditions);
            let located = || format!("{}/{name}", self.namespace);
            absent(call(KubeCall::DeleteLeftover, located, self.api.delete(name, &params)).await)?;
        }
        self.leftovers.remove(name);
        self.memories.of(&self.uid, |memory| memory.remove_output(name));
        Ok(())
    }

    /// What it is to this manifest.
    pub(in crate::controller::pass) fn judge(
        &self,
        object: &BunqOAuthClient,
        wanted: Option<&Wanted>,
    ) -> Option<Output> {
        self.present.as_ref().map(|secret| wanted::judge(secret, object, wanted))
    }
}
