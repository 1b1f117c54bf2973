//! The claim: one ConfigMap per bunq user, created atomically; it says who may change that user's
//! client, and holds the journal (D8, protocol §1).

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{DeleteParams, ObjectMeta, PostParams, Preconditions},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    api_server::{KubeCall, Pages, absent, call, failed_with},
    format, labels,
    stop::Stop,
};
use crate::{api::BunqOAuthClient, bunq::Environment, plan::Journal};

const LABEL_OWNER: &str = "bunq-operator.io/owner-uid";

/// Keys of a claim whose values are JSON.
const OWNER: &str = "owner";
const JOURNAL: &str = "journal";
/// The key of the name of its context.
const CONTEXT: &str = "context";

/// The manifest that holds a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) uid: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Owner {
    /// The owner that this object would be.
    pub(crate) fn of(object: &BunqOAuthClient) -> Self {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let meta = &object.metadata;
        Self { uid: text(&meta.uid), namespace: text(&meta.namespace), name: text(&meta.name) }
    }
}

/// One claim as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) name: String,
    pub(crate) owner: Owner,
    pub(crate) environment: Environment,
    pub(crate) user_id: u64,
    /// The name of the context Secret that was used last.
    pub(crate) context: String,
    pub(crate) journal: Journal,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    /// As it was read: what this version does not know of it is carried along.
    pub(crate) read: ConfigMap,
}

/// All claims.
#[derive(Clone)]
pub(crate) struct Claims {
    api: Api<ConfigMap>,
    objects: Client,
    namespace: String,
}

impl Claims {
    pub(crate) fn new(client: Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client.clone(), namespace), objects: client, namespace: namespace.to_owned() }
    }

    /// The claim that `owner` holds. `hint` is what its status says; where it says nothing (a
    /// restore drops it), all claims are looked through.
    pub(crate) async fn of(&self, owner: &Owner, hint: Option<(Environment, u64)>) -> Result<Option<Claim>, Stop> {
        if let Some((environment, user_id)) = hint {
            let claim = self.get(&name(environment, user_id)).await?;
            if let Some(claim) = claim.filter(|claim| claim.owner.uid == owner.uid) {
                return Ok(Some(claim));
            }
        }
        let selector = format!("{LABEL_OWNER}={}", owner.uid);
        let mut pages = self.pages(&selector);
        while let Some(page) = pages.next().await? {
            if let Some(claim) = readable(&page).find(|claim| claim.owner.uid == owner.uid) {
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    /// Every claim there is.
    pub(crate) fn all(&self) -> Pages<ConfigMap> {
        self.pages(&labels::selector(labels::CLAIM))
    }

    /// The claim on this user, for `owner`: made, found, or taken over from an owner that is gone.
    pub(crate) async fn hold(
        &self,
        owner: &Owner,
        environment: Environment,
        user_id: u64,
        context: &str,
    ) -> Result<Claim, Stop> {
        let name = name(environment, user_id);
        let fresh = Claim {
            name: name.clone(),
            owner: owner.clone(),
            environment,
            user_id,
            context: context.to_owned(),
            journal: Journal::default(),
            uid: None,
            resource_version: None,
            read: ConfigMap::default(),
        };
        let map = fresh.to_config_map()?;
        let created =
            call(KubeCall::CreateClaim, || self.locate(&name), self.api.create(&PostParams::default(), &map)).await;
        if !failed_with(&created, 409) {
            return Claim::read(&created?);
        }
        let Some(held) = self.get(&name).await? else {
            // Freed in between: the conflict is told, and the next pass comes at once.
            return Claim::read(&created?);
        };
        if held.owner.uid == owner.uid {
            let is_same = held.context == context;
            return if is_same { Ok(held) } else { self.store(&Claim { context: context.to_owned(), ..held }).await };
        }
        if !self.is_gone(&held.owner).await? {
            return Err(Stop::UserAlreadyClaimed { claim: format!("ConfigMap {}", self.locate(&name)) });
        }
        self.store(&Claim {
            resource_version: held.resource_version,
            uid: held.uid,
            journal: inherit(&held.journal),
            read: without_owner(held.read),
            ..fresh
        })
        .await
    }

    /// Writes the claim, if nobody else did since it was read.
    pub(crate) async fn store(&self, claim: &Claim) -> Result<Claim, Stop> {
        let map = claim.to_config_map()?;
        let params = PostParams::default();
        let replaced = self.api.replace(&claim.name, &params, &map);
        Claim::read(&call(KubeCall::UpdateClaim, || self.locate(&claim.name), replaced).await?)
    }

    /// Deletes the claim, if nobody else wrote it since it was read.
    pub(crate) async fn free(&self, claim: &Claim) -> Result<(), Stop> {
        let preconditions = Preconditions { uid: claim.uid.clone(), resource_version: claim.resource_version.clone() };
        let params = DeleteParams::default().preconditions(preconditions);
        let deleted =
            call(KubeCall::DeleteClaim, || self.locate(&claim.name), self.api.delete(&claim.name, &params)).await;
        if failed_with(&deleted, 409) {
            return Ok(());
        }
        absent(deleted)?;
        Ok(())
    }

    /// Whether a live read shows that the owner is gone or was made again. Whoever does not know for
    /// certain keeps the claim.
    pub(crate) async fn is_gone(&self, owner: &Owner) -> Result<bool, Stop> {
        let api: Api<BunqOAuthClient> = Api::namespaced(self.objects.clone(), &owner.namespace);
        let located = || format!("{}/{}", owner.namespace, owner.name);
        let found = absent(call(KubeCall::ReadOwner, located, api.get_metadata(&owner.name)).await)?;
        Ok(found.is_none_or(|object| object.metadata.uid.as_deref() != Some(owner.uid.as_str())))
    }

    async fn get(&self, name: &str) -> Result<Option<Claim>, Stop> {
        let found = absent(call(KubeCall::ReadClaim, || self.locate(name), self.api.get(name)).await)?;
        found.as_ref().map(Claim::read).transpose()
    }

    fn pages(&self, selector: &str) -> Pages<ConfigMap> {
        Pages::of(KubeCall::ListClaims, &self.api, &self.namespace, selector)
    }

    fn locate(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }
}

/// The claims of a page. One that cannot be read keeps nobody else from theirs; its owner is told by `get`.
pub(crate) fn readable(page: &[ConfigMap]) -> impl Iterator<Item = Claim> {
    page.iter().filter_map(|map| Claim::read(map).ok())
}

/// Of a journal whose owner is gone only the doubt is kept: a client may have been made whose
/// answer was lost. Its URLs and its origin are not the new owner's.
fn inherit(journal: &Journal) -> Journal {
    Journal { create_sent: journal.create_sent.clone(), ..Journal::default() }
}

/// What else stands in the claim of an owner that is gone, beside what was his.
fn without_owner(mut map: ConfigMap) -> ConfigMap {
    if let Some(data) = &mut map.data {
        data.retain(|key, _| key != OWNER && key != JOURNAL);
    }
    map
}

/// The name of the context that a claim names, however little else of it can be read.
pub(crate) fn context_of(map: &ConfigMap) -> Option<&str> {
    map.data.as_ref()?.get(CONTEXT).map(String::as_str)
}

/// `bunq-user-<environment>-<userId>`.
pub(crate) fn name(environment: Environment, user_id: u64) -> String {
    format!("bunq-user-{}-{user_id}", environment.as_str().to_lowercase())
}

impl Claim {
    fn to_config_map(&self) -> Result<ConfigMap, Stop> {
        let mut map = self.read.clone();
        map.metadata = ObjectMeta {
            name: Some(self.name.clone()),
            uid: self.uid.clone(),
            resource_version: self.resource_version.clone(),
            managed_fields: None,
            ..map.metadata
        };
        let own = labels::of(labels::CLAIM).into_iter().chain([(LABEL_OWNER.to_owned(), self.owner.uid.clone())]);
        map.metadata.labels.get_or_insert_default().extend(own);
        map.data.get_or_insert_default().extend([
            (format::KEY.to_owned(), format::KNOWN.to_string()),
            (OWNER.to_owned(), self.encode(OWNER, &self.owner)?),
            ("environment".to_owned(), self.environment.as_str().to_owned()),
            ("userId".to_owned(), self.user_id.to_string()),
            (CONTEXT.to_owned(), self.context.clone()),
            (JOURNAL.to_owned(), self.encode(JOURNAL, &self.journal)?),
        ]);
        Ok(map)
    }

    /// As JSON, with what stands there and this version does not know.
    fn encode<T: Serialize + DeserializeOwned>(&self, key: &str, value: &T) -> Result<String, Stop> {
        let text = self.read.data.as_ref().and_then(|data| data.get(key));
        let encode = || {
            let mut new = serde_json::to_value(value)?;
            if let Some(text) = text {
                let known = serde_json::to_value(serde_json::from_str::<T>(text)?)?;
                new = format::carried(&serde_json::from_str(text)?, &known, new);
            }
            serde_json::to_string_pretty(&new)
        };
        encode()
            .map_err(|error: serde_json::Error| Stop::Corrupt { what: self.name.clone(), reason: error.to_string() })
    }

    /// A claim that cannot be read is never taken for an empty one.
    pub(crate) fn read(map: &ConfigMap) -> Result<Self, Stop> {
        let name = map.metadata.name.clone().unwrap_or_default();
        let corrupt = |reason: String| Stop::Corrupt { what: format!("ConfigMap {name}"), reason };
        let text = |key: &str| {
            let value = map.data.as_ref().and_then(|data| data.get(key));
            value.map(String::as_str).ok_or_else(|| corrupt(format!("it has no {key}")))
        };
        if let Some(found) = format::unknown(text(format::KEY).ok()) {
            return Err(Stop::UnknownFormat { what: format!("ConfigMap {name}"), found });
        }
        let written = text("environment")?;
        let environment =
            Environment::parse(written).ok_or_else(|| corrupt(format!("unknown environment {written:?}")))?;
        Ok(Self {
            owner: serde_json::from_str(text(OWNER)?).map_err(|error| corrupt(error.to_string()))?,
            environment,
            user_id: text("userId")?.parse().map_err(|_| corrupt("userId is no number".to_owned()))?,
            context: text(CONTEXT)?.to_owned(),
            journal: serde_json::from_str(text(JOURNAL)?).map_err(|error| corrupt(error.to_string()))?,
            uid: map.metadata.uid.clone(),
            resource_version: map.metadata.resource_version.clone(),
            name: name.clone(),
            read: map.clone(),
        })
    }
}
