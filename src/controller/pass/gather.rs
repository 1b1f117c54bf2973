//! What lies in the tenant's namespace before anybody is asked: the key, the Secrets' versions, and whether all that
//! may be tried yet.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use crate::{
    api::BunqOAuthClient,
    bunq::{ApiKey, Priority},
    controller::{
        api_server::{KubeCall, absent, call, failed_with},
        context::stored,
        digest::sha256_hex,
        stop::Stop,
    },
    plan::Desired,
    times::Times,
};

/// The longest that a status holds back an attempt. What waits longer is held by whatever counts it: the bank's limits
/// or the context.
const LONGEST_BACK_OFF: Duration = Duration::from_hours(1);

/// The API key, as far as a pass knows it.
pub(super) enum Key {
    /// Nobody looked.
    Unread,
    /// There is none.
    Lacking(Stop),
    /// This is it.
    Here(ApiKey),
}

impl Key {
    /// The key, if there is one.
    pub(super) fn here(&self) -> Option<&ApiKey> {
        match self {
            Self::Here(key) => Some(key),
            Self::Unread | Self::Lacking(_) => None,
        }
    }

    /// Why there is none; asked once, to end the pass with it.
    pub(super) fn lack(&mut self, secret: &str) -> Stop {
        match std::mem::replace(self, Self::Unread) {
            Self::Lacking(stop) => stop,
            Self::Unread | Self::Here(_) => Stop::CredentialsSecretNotFound { secret: secret.to_owned() },
        }
    }
}

/// The Secret with the credentials, as it was read.
pub(super) struct Credentials {
    pub(super) key: Key,
    /// Empty where it could not be read.
    pub(super) version: String,
    pub(super) created: Option<Timestamp>,
}

/// Reads the credentials of `object`; `located` is their Secret, for messages.
pub(super) async fn credentials(api: &Api<Secret>, object: &BunqOAuthClient, located: &str) -> Credentials {
    let reference = &object.spec.credentials.api_key_secret_ref;
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let nothing = |stop| Credentials { key: Key::Lacking(stop), version: String::new(), created: None };
    match read_secret(api, namespace, &reference.name).await {
        Ok(Some(found)) => Credentials {
            key: key_in(&found, &reference.key, located).map_or_else(Key::Lacking, Key::Here),
            version: version(Some(&found)),
            created: found.metadata.creation_timestamp.as_ref().map(|time| time.0),
        },
        Ok(None) => nothing(Stop::CredentialsSecretNotFound { secret: located.to_owned() }),
        Err(stop) => nothing(stop),
    }
}

fn key_in(secret: &Secret, key: &str, located: &str) -> Result<ApiKey, Stop> {
    let (secret_name, name) = (located.to_owned(), key.to_owned());
    let Some(bytes) = secret.data.as_ref().and_then(|data| data.get(key)) else {
        return Err(Stop::CredentialsKeyNotFound { secret: secret_name, key: name });
    };
    ApiKey::from_bytes(&bytes.0).ok_or(Stop::CredentialsKeyEmpty { secret: secret_name, key: name })
}

/// The fingerprint of a key: the name of its context.
pub(super) fn fingerprint(key: &ApiKey) -> String {
    stored::name(key.environment(), key)
}

/// 403 means that nobody granted the namespace (D14), or that it is on its way out (kube trap 10).
pub(super) async fn read_secret(api: &Api<Secret>, namespace: &str, name: &str) -> Result<Option<Secret>, Stop> {
    let found = call(KubeCall::ReadSecret, || format!("{namespace}/{name}"), api.get(name)).await;
    if failed_with(&found, 403) {
        return Err(Stop::NamespaceNotGranted { namespace: namespace.to_owned() });
    }
    Ok(absent(found)?)
}

/// What this pass works from: when it differs from the last attempt's, back-off is skipped (D13).
pub(super) fn inputs(want: &Desired, credentials: &str, output: Option<&Secret>) -> String {
    let parts = [
        want.cause.generation.to_string(),
        credentials.to_owned(),
        version(output),
        want.cause.requested_at.clone().unwrap_or_default(),
        want.allow_new_client.clone().unwrap_or_default(),
        want.confirm_cancel.clone().unwrap_or_default(),
        want.deleting.to_string(),
    ];
    sha256_hex(parts.join("\n").as_bytes())
}

fn version(secret: Option<&Secret>) -> String {
    let meta = secret.map(|secret| &secret.metadata);
    let text = |part: Option<&String>| part.cloned().unwrap_or_default();
    format!(
        "{}/{}",
        text(meta.and_then(|meta| meta.uid.as_ref())),
        text(meta.and_then(|meta| meta.resource_version.as_ref()))
    )
}

/// What kind of an attempt a pass is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) priority: Priority,
    /// Whether a person asked for it and has had none yet.
    pub(super) is_asked: bool,
    /// Until when the last attempt backs off, if this is the same one again.
    pub(super) backs_off_until: Option<Timestamp>,
}

/// Compares the inputs of this pass with those of the last one, as the status tells them.
pub(super) fn attempt(object: &BunqOAuthClient, want: &Desired, inputs: &str, now: Timestamp) -> Attempt {
    let status = object.status.as_ref();
    let is_same = status.is_some_and(|status| status.attempted_inputs.as_deref() == Some(inputs));
    let mut until = status.and_then(|status| status.next_attempt_time.as_ref()).map(|time| time.0);
    if let Some(until) = &mut until {
        Times::read_at(now).due(until, LONGEST_BACK_OFF);
    }
    let asked = want.cause.requested_at.as_ref();
    let handled = status.and_then(|status| status.last_handled_reconcile_at.as_ref());
    Attempt {
        priority: match (want.deleting, is_same) {
            (true, _) => Priority::Deletion,
            (false, false) => Priority::Change,
            (false, true) => Priority::Resync,
        },
        is_asked: asked.is_some() && asked != handled,
        backs_off_until: until.filter(|_| is_same),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        api::BunqOAuthClientStatus,
        controller::{
            fixtures::{Scripted, manifest, refusal},
            pass::translate,
        },
    };

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    async fn read(answer: (u16, Value)) -> Credentials {
        let client = Scripted::default().client(move |_, _| answer.clone());
        credentials(&Api::namespaced(client, "shop"), &manifest(&json!({})), "shop/bunq").await
    }

    fn secret(data: &Value) -> (u16, Value) {
        let metadata = json!({"name": "bunq", "uid": "s1", "resourceVersion": "7"});
        (200, json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}))
    }

    #[tokio::test]
    async fn each_lack_of_a_key_has_a_reason_of_its_own() {
        let lacks = [
            (refusal(404, "NotFound"), "find Secret shop/bunq: it does not exist", ""),
            (refusal(403, "Forbidden"), "use Secrets in namespace shop: forbidden", ""),
            (refusal(500, "InternalError"), "get Secret shop/bunq", ""),
            (secret(&json!({"other": "eA=="})), "find key api-key in Secret shop/bunq: it has none", "s1/7"),
            (secret(&json!({"api-key": ""})), "read key api-key of Secret shop/bunq: it is empty", "s1/7"),
        ];
        for (answer, lack, version) in lacks {
            let mut found = read(answer).await;
            assert!(found.key.here().is_none());
            assert_eq!(found.key.lack("shop/bunq").to_string(), lack);
            assert_eq!(found.version, version);
        }
    }

    #[tokio::test]
    async fn a_key_is_read_with_the_version_of_its_secret() {
        let found = read(secret(&json!({"api-key": "c2FuZGJveF9hYmM="}))).await;
        assert_eq!(found.key.here().map(ApiKey::expose), Some("sandbox_abc"));
        assert_eq!(found.version, "s1/7");
    }

    #[test]
    fn the_same_attempt_again_backs_off_and_any_other_input_does_not() {
        let mut object = manifest(&json!({}));
        let want = translate::desired(&object, "");
        let same = inputs(&want, "s1/7", None);
        let until = Timestamp::from_second(60).unwrap();
        let status = object.status.insert(BunqOAuthClientStatus::default());
        status.attempted_inputs = Some(same.clone());
        status.next_attempt_time = Some(Time(until));
        let again = attempt(&object, &want, &same, NOW);
        assert_eq!(again, Attempt { priority: Priority::Resync, is_asked: false, backs_off_until: Some(until) });
        let edited = attempt(&object, &want, &inputs(&want, "s1/8", None), NOW);
        assert_eq!((edited.priority, edited.backs_off_until), (Priority::Change, None));
    }

    #[test]
    fn a_status_whose_next_attempt_lies_too_far_ahead_holds_nothing_back() {
        let mut object = manifest(&json!({}));
        let want = translate::desired(&object, "");
        let status = object.status.insert(BunqOAuthClientStatus::default());
        status.attempted_inputs = Some(String::new());
        let mut until = |hours| {
            let until = NOW + Duration::from_hours(hours);
            object.status.as_mut().unwrap().next_attempt_time = Some(Time(until));
            attempt(&object, &want, "", NOW).backs_off_until
        };
        assert_eq!(until(1), Some(NOW + Duration::from_hours(1)));
        assert_eq!(until(24), Some(NOW), "a clock was a day ahead");
    }

    #[test]
    fn a_person_is_heard_once_and_a_deletion_goes_first() {
        let mut object = manifest(&json!({}));
        let mut want = translate::desired(&object, "");
        want.cause.requested_at = Some("now".to_owned());
        assert!(attempt(&object, &want, "", NOW).is_asked);
        object.status.insert(BunqOAuthClientStatus::default()).last_handled_reconcile_at = Some("now".to_owned());
        assert!(!attempt(&object, &want, "", NOW).is_asked);
        want.deleting = true;
        assert_eq!(attempt(&object, &want, "", NOW).priority, Priority::Deletion);
    }
}
