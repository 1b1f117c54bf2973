//! The first visit is visible at once: all conditions, not yet known (C03).

use jiff::Timestamp;
use kube::{Api, ResourceExt, api::PostParams};
use serde_json::json;

use crate::{
    api::{self, BunqOAuthClient, BunqOAuthClientStatus},
    controller::{
        api_server::{KubeCall, call},
        manifests::Manifest,
        tell::status::{self, Findings, Part, Report},
    },
    plan::Reason,
    telemetry,
};

/// A manifest that nobody has looked at, in the version that it was seen in.
pub(super) struct Newcomer {
    namespace: String,
    name: String,
    uid: String,
    version: Option<String>,
    generation: i64,
    status: BunqOAuthClientStatus,
}

impl Newcomer {
    /// As the watch told it; `None` where somebody has looked at it, or nobody is to.
    pub(super) fn known(manifest: &Manifest) -> Option<Self> {
        let is_newcomer = manifest.is_new() && !manifest.is_deleted && !manifest.is_suspended;
        is_newcomer.then(|| Self {
            namespace: manifest.namespace().unwrap_or_default(),
            name: manifest.name_any(),
            uid: manifest.uid().unwrap_or_default(),
            version: manifest.resource_version(),
            generation: manifest.generation.unwrap_or_default(),
            status: BunqOAuthClientStatus::default(),
        })
    }

    /// As it was just read.
    pub(super) fn read(object: &BunqOAuthClient) -> Option<Self> {
        let is_known = object.status.as_ref().is_some_and(|status| !status.conditions.is_empty());
        let is_newcomer = !is_known && object.metadata.deletion_timestamp.is_none() && !object.spec.suspend;
        is_newcomer.then(|| Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            version: object.resource_version(),
            generation: object.metadata.generation.unwrap_or_default(),
            status: object.status.clone().unwrap_or_default(),
        })
    }

    /// Writes the first status over this very version, and returns the object as it is then. For a write of the status
    /// the API server takes everything else from the object that it has, and answers with the whole of it.
    pub(super) async fn greet(self, api: &Api<BunqOAuthClient>, now: Timestamp) -> Option<BunqOAuthClient> {
        let Self { namespace, name, uid, version, generation, status } = self;
        let object = json!({
            "apiVersion": format!("{}/{}", api::GROUP, api::VERSION),
            "kind": api::KIND,
            "metadata": {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": version},
            "status": status::next(&status, &report(generation, now)),
        });
        let params = PostParams { field_manager: Some(api::FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let written = api.replace_subresource("status", &name, &params, &object);
        match call(KubeCall::WriteStatus, || format!("{namespace}/{name}"), written).await {
            Ok(greeted) => Some(greeted),
            // Somebody else wrote it since it was seen, or deleted it.
            Err(error) if matches!(error.status(), Some(404 | 409)) => None,
            Err(error) => {
                tracing::warn!(error = telemetry::chain(&error), "the status could not be written");
                None
            }
        }
    }
}

/// That a pass has begun, and nothing is known yet.
fn report(generation: i64, now: Timestamp) -> Report {
    Report {
        generation,
        now,
        reason: Reason::Progressing,
        message: Reason::Progressing.meaning().to_owned(),
        credentials: Part::Unseen,
        remote: Part::Unseen,
        secret: Part::Unseen,
        findings: Findings::default(),
        inputs: None,
        next_attempt: None,
        handled: None,
    }
}
