//! A manifest as the watch tells it: read from the JSON straight into what is kept. Most of an object is managed fields
//! and texts for people, and none of that is ever held.

use std::{
    borrow::Cow,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use jiff::Timestamp;
use kube::api::ObjectMeta;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    manifest::{Manifest, Told},
    words::{Shown, Word},
};
use crate::api::{ConditionStatus, ResyncInterval, interval};

/// Where kubectl keeps the whole manifest once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Heard::deserialize(deserializer).map(Self::from)
    }
}

impl From<Heard> for Manifest {
    fn from(heard: Heard) -> Self {
        let Heard { metadata: meta, spec, status } = heard;
        let mut asked = DefaultHasher::new();
        (meta.generation, meta.annotations, meta.finalizers).hash(&mut asked);
        let interval = spec.resync_interval.to_duration().unwrap_or(interval::LONGEST);
        Self {
            generation: meta.generation,
            asked: asked.finish(),
            credentials: spec.credentials.api_key_secret_ref.name.into(),
            output: spec.secret.and_then(|secret| secret.name).filter(|name| *name != meta.name).map(Into::into),
            interval: u32::try_from(interval.as_secs()).unwrap_or(u32::MAX),
            is_suspended: spec.suspend,
            is_deleted: meta.deletion_timestamp.is_some(),
            told: status.map(|status| Told {
                conditions: status.conditions.into_boxed_slice(),
                has_client_id: status.client_id.is_some(),
                verified_at: status.last_verified_time.and_then(|time| time.parse::<Timestamp>().ok()),
            }),
            metadata: ObjectMeta {
                name: Some(meta.name),
                namespace: Some(meta.namespace),
                uid: Some(meta.uid),
                resource_version: Some(meta.resource_version),
                ..ObjectMeta::default()
            },
        }
    }
}

/// What is read of an object.
#[derive(Deserialize)]
struct Heard {
    metadata: Meta,
    #[serde(default)]
    spec: Spec,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    resource_version: String,
    generation: Option<i64>,
    deletion_timestamp: Option<IgnoredAny>,
    #[serde(default)]
    annotations: Fingerprint,
    #[serde(default)]
    finalizers: Fingerprint,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    credentials: Credentials,
    secret: Option<Output>,
    suspend: bool,
    resync_interval: ResyncInterval,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Credentials {
    api_key_secret_ref: Reference,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reference {
    name: String,
}

#[derive(Deserialize)]
struct Output {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    conditions: Vec<Shown>,
    client_id: Option<IgnoredAny>,
    last_verified_time: Option<String>,
}

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Condition<'a> {
            #[serde(rename = "type", borrow)]
            type_: Cow<'a, str>,
            status: ConditionStatus,
            reason: Word,
        }
        let Condition { type_, status, reason } = Condition::deserialize(deserializer)?;
        Ok(Self::new(&type_, status, reason))
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word::of(text))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// A hash of annotations or finalizers, in whatever order they come; zero if there are none.
#[derive(Default, Hash)]
struct Fingerprint(u64);

impl Fingerprint {
    fn add(&mut self, part: impl Hash) {
        let mut hasher = DefaultHasher::new();
        part.hash(&mut hasher);
        self.0 = self.0.wrapping_add(hasher.finish());
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = Fingerprint;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("texts")
            }

            fn visit_unit<E: Error>(self) -> Result<Fingerprint, E> {
                Ok(Fingerprint::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Fingerprint, A::Error> {
                let mut print = Fingerprint::default();
                while let Some((key, value)) = entries.next_entry::<Cow<'de, str>, Hashed>()? {
                    if key != LAST_APPLIED {
                        print.add((key, value));
                    }
                }
                Ok(print)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Fingerprint, A::Error> {
                let mut print = Fingerprint::default();
                while let Some(text) = texts.next_element::<Hashed>()? {
                    print.add(text);
                }
                Ok(print)
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

/// A text of any length in 8 bytes.
#[derive(Hash)]
struct Hashed(u64);

impl<'de> Deserialize<'de> for Hashed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Hashed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Hashed, E> {
                let mut hasher = DefaultHasher::new();
                text.hash(&mut hasher);
                Ok(Hashed(hasher.finish()))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;
    use serde_json::{Value, json};

    use super::*;

    fn manifest(adjust: impl FnOnce(&mut Value)) -> Manifest {
        let mut object = json!({
            "apiVersion": "bunq-operator.io/v1alpha1",
            "kind": "BunqOAuthClient",
            "metadata": {
                "name": "my-app",
                "namespace": "team-a",
                "uid": "0f4ad2c6-6b1e-4d2f-9d0a-3a4f5b6c7d8e",
                "resourceVersion": "17",
                "generation": 3,
                "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
                "annotations": {"a": "1", "b": "2"},
                "finalizers": ["one"],
            },
            "spec": {
                "displayName": "My Cool App",
                "redirectUrl": "https://myapp.example/callback",
                "credentials": {"apiKeySecretRef": {"name": "bunq-api-key", "key": "api-key"}},
                "resyncInterval": "5m",
                "suspend": false,
            },
        });
        adjust(&mut object);
        serde_json::from_str(&object.to_string()).unwrap()
    }

    #[test]
    fn what_is_kept_is_what_the_object_says() {
        let known = manifest(|_| {});
        assert_eq!((known.name_any().as_str(), known.namespace().as_deref()), ("my-app", Some("team-a")));
        assert_eq!(known.resource_version().as_deref(), Some("17"));
        assert!(known.uses("bunq-api-key") && known.uses("my-app") && !known.uses("elsewhere"));
        assert_eq!(known.resync_interval().as_secs(), 300);
        assert_eq!((known.generation, known.is_suspended, known.is_deleted), (Some(3), false, false));
        assert!(known.is_new() && known.may_wait_for_a_user());

        let other = manifest(|object| {
            object["spec"]["secret"] = json!({"name": "elsewhere"});
            object["spec"]["suspend"] = json!(true);
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        });
        assert!(other.uses("elsewhere") && !other.uses("my-app"));
        assert!(other.is_suspended && other.is_deleted);
    }

    #[test]
    fn the_status_is_kept_in_words_that_this_version_knows() {
        let condition = |type_: &str, status: &str, reason: &str| json!({"type": type_, "status": status, "reason": reason, "message": "m", "lastTransitionTime": "t"});
        let known = manifest(|object| {
            object["status"] = json!({
                "conditions": [
                    condition("Ready", "True", "Synced"),
                    condition("RemoteInSync", "Unknown", "BankUnavailable"),
                    condition("Rival", "False", "Whatever"),
                ],
                "clientId": "abc",
                "lastVerifiedTime": "2026-01-01T00:00:00Z",
            });
        });
        assert!(known.is_published() && known.tells_of_an_outage() && !known.may_wait_for_a_user());
        assert_eq!(known.verified_at(), Some("2026-01-01T00:00:00Z".parse().unwrap()));
        let shown = |shown: &Shown| (shown.type_(), shown.status, shown.reason.as_str());
        assert_eq!(known.conditions().last().map(shown), Some(("other", ConditionStatus::False, "other")));
    }

    #[test]
    fn people_are_heard_and_our_own_writes_are_not() {
        let before = manifest(|_| {}).asked;
        let same: [fn(&mut Value); 4] = [
            |object| object["status"] = json!({"conditions": [], "clientId": "abc"}),
            |object| object["metadata"]["resourceVersion"] = json!("18"),
            |object| object["metadata"]["managedFields"] = json!([]),
            |object| object["metadata"]["annotations"][LAST_APPLIED] = json!("{}"),
        ];
        for change in same {
            assert_eq!(manifest(change).asked, before);
        }
        let different: [fn(&mut Value); 5] = [
            |object| object["metadata"]["generation"] = json!(4),
            |object| object["metadata"]["annotations"]["a"] = json!("2"),
            |object| object["metadata"]["annotations"] = json!({"a": "2", "b": "1"}),
            |object| object["metadata"]["finalizers"] = json!(["two"]),
            |object| object["metadata"]["finalizers"] = json!(null),
        ];
        for change in different {
            assert_ne!(manifest(change).asked, before);
        }
    }

    #[test]
    fn an_object_of_older_rules_is_heard_too() {
        let known = manifest(|object| object["spec"] = json!({"resyncInterval": "soon"}));
        assert!(known.uses("") && known.uses("my-app"));
        assert_eq!(known.resync_interval(), interval::LONGEST);
        assert_eq!(manifest(|object| object["spec"] = json!({})).resync_interval().as_secs(), 3600);
    }
}
