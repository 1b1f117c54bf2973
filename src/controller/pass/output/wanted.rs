//! What the published Secret should hold, whether it does, and how it is written (D12).

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api, Resource, ResourceExt,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    api::{ANNOTATION_KEYS, ANNOTATION_PAIR, BunqOAuthClient, FIELD_MANAGER},
    bunq::Endpoints,
    controller::{
        api_server::{CallError, KubeCall, call, failed_with},
        digest::hash_of,
        manifests::Pair,
    },
    plan::Output,
};

/// Secret types are immutable, so one type serves both formats.
const TYPE: &str = "servicebinding.io/oauth2";

/// Everything that the output Secret should be.
pub(crate) struct Wanted {
    name: String,
    namespace: String,
    data: BTreeMap<String, ByteString>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    owner: OwnerReference,
}

impl Wanted {
    /// What `object` asks for, with the credentials in hand.
    pub(crate) fn new(object: &BunqOAuthClient, endpoints: &Endpoints, pair: &Pair) -> Self {
        let (spec, names) = (&object.spec, object.spec.key_names());
        let mut data = BTreeMap::new();
        let mut put = |key: String, value: &str| {
            data.insert(key, ByteString(value.as_bytes().to_vec()));
        };
        put(names.client_id, &pair.client_id);
        put(names.client_secret, pair.secret.expose_secret());
        put(names.redirect_uri, &spec.redirect_url);
        put(names.authorization_uri, &endpoints.authorize);
        put(names.token_uri, &endpoints.token);
        put(names.type_, "oauth2");
        put(names.provider, "bunq");
        if let Some(grant) = names.authorization_grant_type {
            put(grant, "authorization_code");
        }
        let output = spec.secret.clone().unwrap_or_default();
        let mut annotations = output.annotations;
        let keys: Vec<&str> = data.keys().map(String::as_str).collect();
        annotations.insert(ANNOTATION_KEYS.to_owned(), keys.join(","));
        annotations.insert(ANNOTATION_PAIR.to_owned(), hash_of([&pair.client_id, pair.secret.expose_secret()]));
        let mut labels = output.labels;
        for (key, value) in [("managed-by", FIELD_MANAGER), ("name", "bunq-oauth-client"), ("part-of", "bunq")] {
            labels.insert(format!("app.kubernetes.io/{key}"), value.to_owned());
        }
        Self {
            name: spec.output_secret_name(&object.name_any()).to_owned(),
            namespace: object.namespace().unwrap_or_default(),
            data,
            labels,
            annotations,
            owner: owner(object),
        }
    }

    /// A hash of the data: it changes if and only if the data does.
    pub(crate) fn hash(&self) -> String {
        hash_of(self.data.iter().flat_map(|(key, value)| [key.as_bytes(), value.0.as_slice()]))
    }

    /// Whether `secret` holds the data that it should, and none that we wrote under other keys.
    fn has_data(&self, secret: &Secret) -> bool {
        let data = secret.data.as_ref();
        let is_stale = |key: &str| !self.data.contains_key(key) && data.is_some_and(|data| data.contains_key(key));
        self.data.iter().all(|(key, value)| data.and_then(|data| data.get(key)) == Some(value))
            && !written_keys(secret).any(is_stale)
    }

    /// Whether `secret` is as it should be; what others added to it does not matter.
    fn matches(&self, secret: &Secret) -> bool {
        let contains = |have: &BTreeMap<String, String>, want: &BTreeMap<String, String>| {
            want.iter().all(|(key, value)| have.get(key) == Some(value))
        };
        self.has_data(secret)
            && contains(secret.labels(), &self.labels)
            && contains(secret.annotations(), &self.annotations)
            && secret.owner_references().contains(&self.owner)
    }

    /// Creates it whole. `None`: somebody was faster, look again.
    pub(crate) async fn create(&self, api: &Api<Secret>) -> Result<Option<Secret>, CallError> {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                labels: Some(self.labels.clone()),
                annotations: Some(self.annotations.clone()),
                owner_references: Some(vec![self.owner.clone()]),
                ..ObjectMeta::default()
            },
            type_: Some(TYPE.to_owned()),
            data: Some(self.data.clone()),
            ..Secret::default()
        };
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let created = call(KubeCall::CreateOutput, || self.locate(), api.create(&params, &secret)).await;
        if failed_with(&created, 409) {
            return Ok(None);
        }
        created.map(Some)
    }

    /// Brings `present` back, if nobody else wrote it since it was read. `None`: look again.
    pub(crate) async fn update(&self, api: &Api<Secret>, present: &Secret) -> Result<Option<Secret>, CallError> {
        let mut data: BTreeMap<&str, Value> = BTreeMap::new();
        for key in written_keys(present) {
            data.insert(key, Value::Null);
        }
        for (key, value) in &self.data {
            data.insert(key, json!(value));
        }
        let mut owners: Vec<OwnerReference> = present.owner_references().to_vec();
        owners.retain(|owner| owner.uid != self.owner.uid);
        owners.push(self.owner.clone());
        let patch = json!({
            "metadata": {
                "uid": present.metadata.uid,
                "resourceVersion": present.metadata.resource_version,
                "labels": self.labels,
                "annotations": self.annotations,
                "ownerReferences": owners,
            },
            "data": data,
        });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patched =
            call(KubeCall::UpdateOutput, || self.locate(), api.patch(&self.name, &params, &Patch::Merge(&patch))).await;
        if failed_with(&patched, 409) || failed_with(&patched, 404) {
            return Ok(None);
        }
        patched.map(Some)
    }

    fn locate(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// The keys that we wrote into `secret`, by its annotation.
fn written_keys(secret: &Secret) -> impl Iterator<Item = &str> {
    let keys = secret.annotations().get(ANNOTATION_KEYS).map(String::as_str).unwrap_or_default();
    keys.split(',').filter(|key| !key.is_empty())
}

/// Whose `secret` is, and whether it is as `wanted`. Without credentials in hand nothing can be
/// compared, and nothing has to be.
pub(crate) fn judge(secret: &Secret, object: &BunqOAuthClient, wanted: Option<&Wanted>) -> Output {
    if !is_ours(secret, object) {
        return Output::Foreign;
    }
    // What is immutable is the data: labels and annotations can still be brought back.
    if secret.immutable == Some(true) && wanted.is_some_and(|wanted| !wanted.has_data(secret)) {
        return Output::Frozen;
    }
    Output::Ours { current: wanted.is_some_and(|wanted| wanted.matches(secret)) }
}

/// The credentials that a Secret of ours holds, if they are those that were published. They serve
/// when the bank does not show the secret again: a read without it never overwrites a good one
/// (protocol §7), and an edited one is never taken for the bank's (`S4`).
pub(crate) fn published_pair(secret: &Secret, object: &BunqOAuthClient) -> Option<Pair> {
    if !is_ours(secret, object) {
        return None;
    }
    let names = object.spec.key_names();
    let text = |key: &str| {
        let bytes = &secret.data.as_ref()?.get(key)?.0;
        std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())
    };
    let (client_id, client_secret) = (text(&names.client_id)?, text(&names.client_secret)?);
    let is_as_published = secret.annotations().get(ANNOTATION_PAIR) == Some(&hash_of([client_id, client_secret]));
    is_as_published.then(|| Pair { client_id: client_id.to_owned(), secret: client_secret.into() })
}

/// Ours: its controller is this very object, by UID (`S5`, `F06`).
pub(crate) fn is_ours(secret: &Secret, object: &BunqOAuthClient) -> bool {
    let uid = object.uid().unwrap_or_default();
    !uid.is_empty() && secret.owner_references().iter().any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

/// Without `blockOwnerDeletion`: that needs a permission more and gains nothing (D12).
fn owner(object: &BunqOAuthClient) -> OwnerReference {
    OwnerReference {
        api_version: BunqOAuthClient::api_version(&()).into_owned(),
        kind: BunqOAuthClient::kind(&()).into_owned(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bunq::Environment;

    fn object(output: &Value) -> BunqOAuthClient {
        serde_json::from_value(json!({
            "apiVersion": "bunq-operator.io/v1alpha1", "kind": "BunqOAuthClient",
            "metadata": {"name": "app", "namespace": "shop", "uid": "u1"},
            "spec": {
                "displayName": "App", "redirectUrl": "https://a.example",
                "credentials": {"apiKeySecretRef": {"name": "key"}},
                "secret": output,
            },
        }))
        .unwrap()
    }

    fn wanted(object: &BunqOAuthClient) -> Wanted {
        let pair = Pair { client_id: "id".to_owned(), secret: "secret".into() };
        Wanted::new(object, &Endpoints::of(Environment::Sandbox), &pair)
    }

    fn published(wanted: &Wanted) -> Secret {
        Secret {
            metadata: ObjectMeta {
                labels: Some(wanted.labels.clone()),
                annotations: Some(wanted.annotations.clone()),
                owner_references: Some(vec![wanted.owner.clone()]),
                ..ObjectMeta::default()
            },
            data: Some(wanted.data.clone()),
            ..Secret::default()
        }
    }

    #[test]
    fn the_seven_keys_are_published_and_the_service_binding_format_has_its_own_names() {
        let keys = |object| wanted(&object).data.into_keys().collect::<Vec<_>>().join(" ");
        assert_eq!(
            keys(object(&json!({}))),
            "authorization_uri client_id client_secret provider redirect_uri token_uri type"
        );
        assert_eq!(
            keys(object(&json!({"format": "ServiceBinding"}))),
            "authorization-grant-type authorization-uri client-id client-secret provider redirect-uri token-uri type"
        );
    }

    #[test]
    fn what_others_add_does_not_matter_and_what_they_change_does() {
        let object = object(&json!({}));
        let wanted = wanted(&object);
        let mut secret = published(&wanted);
        secret.data.as_mut().unwrap().insert("theirs".to_owned(), ByteString(b"x".to_vec()));
        secret.metadata.labels.as_mut().unwrap().insert("theirs".to_owned(), "x".to_owned());
        assert_eq!(judge(&secret, &object, Some(&wanted)), Output::Ours { current: true });
        secret.data.as_mut().unwrap().insert("client_secret".to_owned(), ByteString(b"x".to_vec()));
        assert_eq!(judge(&secret, &object, Some(&wanted)), Output::Ours { current: false });
        secret.immutable = Some(true);
        assert_eq!(judge(&secret, &object, Some(&wanted)), Output::Frozen);
    }

    #[test]
    fn a_secret_of_a_namesake_that_is_gone_is_foreign() {
        let object = object(&json!({}));
        let wanted = wanted(&object);
        let mut secret = published(&wanted);
        secret.metadata.owner_references.as_mut().unwrap()[0].uid = "u0".to_owned();
        assert_eq!(judge(&secret, &object, Some(&wanted)), Output::Foreign);
        secret.metadata.owner_references = None;
        assert_eq!(judge(&secret, &object, None), Output::Foreign);
        assert!(published_pair(&secret, &object).is_none());
    }

    #[test]
    fn only_the_pair_that_was_published_is_taken_from_a_secret() {
        let object = object(&json!({}));
        let mut secret = published(&wanted(&object));
        assert!(published_pair(&secret, &object).is_some());
        secret.data.as_mut().unwrap().insert("redirect_uri".to_owned(), ByteString(b"edited".to_vec()));
        assert!(published_pair(&secret, &object).is_some());
        secret.data.as_mut().unwrap().insert("client_secret".to_owned(), ByteString(b"edited".to_vec()));
        assert!(published_pair(&secret, &object).is_none());
    }

    #[test]
    fn the_hash_changes_if_and_only_if_the_data_does() {
        let hash = |output: Value| wanted(&object(&output)).hash();
        assert_eq!(hash(json!({})), hash(json!({"labels": {"a": "b"}})));
        assert_ne!(hash(json!({})), hash(json!({"keys": {"clientId": "id"}})));
    }
}
