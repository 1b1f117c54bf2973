//! The audit log: one line for every attempt to change something at the bank (`H26`).

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::ResourceExt;

use crate::{
    api::BunqOAuthClient,
    bunq::{Auditor, Class, Ending, Error, Told},
    controller::bank::Fate,
};

/// On whose behalf the bank is told something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Author {
    object: String,
    uid: Option<String>,
    generation: Option<i64>,
    /// Who wrote the spec that is carried out, as the API server noted it.
    manager: Option<String>,
}

impl Author {
    /// The author of a manifest, from a live read: the cache keeps no managed fields (D15).
    pub(crate) fn of(object: &BunqOAuthClient) -> Self {
        Self {
            object: format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any()),
            uid: object.uid(),
            generation: object.metadata.generation,
            manager: manager_of_spec(object.managed_fields()),
        }
    }

    /// The operator itself, about something of its own.
    pub(crate) fn operator(about: String) -> Self {
        Self { object: about, ..Self::default() }
    }
}

impl Auditor for Author {
    fn told(&self, told: &Told<'_>) {
        tracing::info!(
            target: "audit",
            object = self.object,
            uid = self.uid,
            generation = self.generation,
            manager = self.manager,
            mutation = %told.call,
            outcome = outcome(&told.ending),
            request_id = told.request_id,
            response_id = told.response_id,
            "the bank was told"
        );
    }
}

fn outcome(ending: &Ending<'_>) -> &'static str {
    match ending {
        Ending::Accepted => "accepted",
        Ending::Dropped => Fate::Unknown.as_str(),
        Ending::Failed(error) if is_unsent(error) => "not sent",
        Ending::Failed(error) => Fate::of(error).as_str(),
    }
}

fn is_unsent(error: &Error) -> bool {
    matches!(error.class(), Class::Network { sent: false } | Class::Local)
}

/// The last one that wrote a field of the spec. Times are whole seconds; within one, the API server puts
/// updates after applies.
fn manager_of_spec(entries: &[ManagedFieldsEntry]) -> Option<String> {
    let owns_spec = |entry: &&ManagedFieldsEntry| {
        let fields = entry.fields_v1.as_ref();
        fields.is_some_and(|fields| fields.0.get("f:spec").is_some())
    };
    let at = |entry: &&ManagedFieldsEntry| entry.time.as_ref().map_or(Timestamp::MIN, |time| time.0);
    entries.iter().filter(owns_spec).max_by_key(at)?.manager.clone()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, Time};
    use serde_json::json;

    use super::*;

    fn entry(manager: &str, field: &str, second: Option<i64>) -> ManagedFieldsEntry {
        ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            fields_v1: Some(FieldsV1(json!({field: {"f:anything": {}}}))),
            time: second.map(|second| Time(Timestamp::from_second(second).unwrap())),
            ..ManagedFieldsEntry::default()
        }
    }

    #[test]
    fn the_manager_is_the_last_one_that_wrote_the_spec() {
        let entries = [
            entry("argocd", "f:spec", Some(20)),
            entry("kubectl", "f:spec", Some(10)),
            entry("annotator", "f:metadata", Some(30)),
            entry("bunq-oauth-operator", "f:status", Some(40)),
            entry("undated", "f:spec", None),
        ];
        assert_eq!(manager_of_spec(&entries).as_deref(), Some("argocd"));
        assert_eq!(manager_of_spec(&entries[2..4]), None);
        assert_eq!(manager_of_spec(&[]), None);
    }
}
