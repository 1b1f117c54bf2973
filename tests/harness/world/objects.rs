//! Manifests, their status, and the Events about them.

use std::time::Duration;

use bunq_oauth_operator::api::BunqOAuthClient;
use k8s_openapi::api::{core::v1::ConfigMap, events::v1::Event};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::World;
use crate::harness::{deployment, outcome::Outcome};

/// Long enough for a busy machine; what must be fast is measured where it must.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an Event says.
#[derive(Clone, Debug)]
pub struct Happening {
    /// Its reason.
    pub reason: String,
    /// Its note.
    pub note: String,
    /// `Normal` or `Warning`.
    pub type_: String,
}

/// A condition of an object; null without it.
#[must_use]
pub fn condition<'a>(object: &'a Value, type_: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|condition| condition["type"] == type_).unwrap_or(&Value::Null)
}

/// Whether an object is Ready in its current generation.
#[must_use]
pub fn is_ready(object: &Value) -> bool {
    is_observed(object) && condition(object, "Ready")["status"] == "True"
}

/// The reason of Ready.
#[must_use]
pub fn ready_reason(object: &Value) -> &str {
    condition(object, "Ready")["reason"].as_str().unwrap_or_default()
}

/// Whether the status speaks of the current generation.
fn is_observed(object: &Value) -> bool {
    let observed = &object["status"]["observedGeneration"];
    !observed.is_null() && *observed == object["metadata"]["generation"]
}

/// A number that never shrinks while the spec is edited.
fn generation(object: &Value) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or_default()
}

impl World {
    /// The manifests of this world.
    #[must_use]
    pub fn objects(&self) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<BunqOAuthClient>(&());
        Api::namespaced_with(self.admin(), &self.namespace, &resource)
    }

    /// Applies a manifest, as `kubectl apply --server-side` would.
    pub async fn apply(&self, manifest: &Value) -> Outcome<Value> {
        Ok(serde_json::to_value(deployment::apply(&self.admin(), manifest).await?)?)
    }

    /// Applies a manifest and waits until it is Ready.
    pub async fn apply_ready(&self, manifest: &Value) -> Outcome<Value> {
        let applied = self.apply(manifest).await?;
        self.seen(&applied, "Ready", is_ready).await
    }

    /// Applies a manifest and waits until Ready has this reason.
    pub async fn apply_reason(&self, manifest: &Value, reason: &str) -> Outcome<Value> {
        let applied = self.apply(manifest).await?;
        self.seen(&applied, reason, |object| is_observed(object) && ready_reason(object) == reason).await
    }

    async fn seen(&self, applied: &Value, what: &str, fits: impl Fn(&Value) -> bool) -> Outcome<Value> {
        let name = applied["metadata"]["name"].as_str().unwrap_or_default();
        let current = |object: &Value| generation(object) >= generation(applied) && fits(object);
        self.witness.until(name, what, PATIENCE, current).await
    }

    /// Waits until the object is Ready.
    pub async fn ready(&self, name: &str) -> Outcome<Value> {
        self.ready_within(name, PATIENCE).await
    }

    /// Waits until the object is Ready, not longer than that.
    pub async fn ready_within(&self, name: &str, within: Duration) -> Outcome<Value> {
        self.witness.until(name, "Ready", within, is_ready).await
    }

    /// Waits until Ready has this reason.
    pub async fn reason(&self, name: &str, reason: &str) -> Outcome<Value> {
        self.until(name, reason, |object| is_observed(object) && ready_reason(object) == reason).await
    }

    /// Waits until the object `fits`.
    pub async fn until(&self, name: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Outcome<Value> {
        self.witness.until(name, what, PATIENCE, fits).await
    }

    /// The object as the API server has it now.
    pub async fn object(&self, name: &str) -> Outcome<Value> {
        Ok(serde_json::to_value(self.objects().get(name).await?)?)
    }

    /// Asks for its deletion.
    pub async fn delete(&self, name: &str) -> Outcome {
        Ok(self.objects().delete(name, &DeleteParams::default()).await.map(drop)?)
    }

    /// Waits until the object is gone.
    pub async fn gone(&self, name: &str) -> Outcome {
        self.witness.until_gone(name, PATIENCE).await
    }

    /// Sets an annotation.
    pub async fn annotate(&self, name: &str, annotation: &str, value: &str) -> Outcome {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: value}}}));
        Ok(self.objects().patch(name, &PatchParams::default(), &patch).await.map(drop)?)
    }

    /// The Events of this world.
    #[must_use]
    pub fn events_api(&self) -> Api<Event> {
        Api::namespaced(self.admin(), &self.namespace)
    }

    /// The Events about an object.
    pub async fn events(&self, name: &str) -> Outcome<Vec<Happening>> {
        let events = self.events_api().list(&ListParams::default()).await?.items;
        let about =
            |event: &Event| event.regarding.as_ref().and_then(|regarding| regarding.name.as_deref()) == Some(name);
        let told = events.into_iter().filter(about).map(|event| Happening {
            reason: event.reason.unwrap_or_default(),
            note: event.note.unwrap_or_default(),
            type_: event.type_.unwrap_or_default(),
        });
        Ok(told.collect())
    }

    /// Waits for an Event about an object: they come after the status.
    pub async fn event(&self, name: &str, reason: &str) -> Outcome<Happening> {
        for _ in 0..PATIENCE.as_millis() / 100 {
            let events = self.events(name).await?;
            if let Some(found) = events.into_iter().find(|event| event.reason == reason) {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("there was no Event {reason} about {name}; there were {:?}", self.events(name).await?).into())
    }

    /// The claims of this world's operator.
    pub async fn claims(&self) -> Outcome<Vec<ConfigMap>> {
        let api: Api<ConfigMap> = Api::namespaced(self.admin(), &self.operator_namespace);
        let mut claims = api.list(&ListParams::default()).await?.items;
        claims.retain(|map| map.metadata.name.as_deref().is_some_and(|name| name.starts_with("bunq-user-")));
        Ok(claims)
    }
}
