//! What an app that mounts the published Secret saw: at every moment nothing, or a whole and
//! genuine pair of the bank (S4).

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    World,
    history::{History, Version},
    outcome::{Outcome, ensure},
    world::KEY_SECRET,
};

/// The names under which scenarios publish a pair: plain, for service bindings, renamed.
const NAMES: [(&str, &str); 3] = [("client_id", "client_secret"), ("client-id", "client-secret"), ("ID", "SECRET")];

/// Watches the Secrets of a world's tenant.
pub struct PairWatch<'a> {
    world: &'a World,
    history: History,
    /// Versions that the scenario wrote: they are as bad as it wanted.
    own: Mutex<BTreeSet<String>>,
}

impl<'a> PairWatch<'a> {
    /// From now on.
    pub async fn start(world: &'a World) -> Outcome<Self> {
        let history = History::of(world.admin(), "Secret", &world.namespace).await?;
        Ok(Self { world, history, own: Mutex::default() })
    }

    /// Edits a published Secret by hand.
    pub async fn edit(&self, name: &str, patch: &Value) -> Outcome<Secret> {
        let edited = self.world.secrets().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        self.excuse(&edited);
        Ok(edited)
    }

    /// Makes somebody else's Secret.
    pub async fn foreign(&self, name: &str, type_: &str, data: &Value) -> Outcome<Secret> {
        let secret = json!({"metadata": {"name": name}, "type": type_, "stringData": data});
        let made = self.world.secrets().create(&PostParams::default(), &serde_json::from_value(secret)?).await?;
        self.excuse(&made);
        Ok(made)
    }

    fn excuse(&self, secret: &Secret) {
        let version = secret.resource_version().unwrap_or_default();
        self.own.lock().unwrap_or_else(PoisonError::into_inner).insert(version);
    }

    /// Every version of every Secret but the credentials, in order.
    pub async fn versions(&self) -> Outcome<Vec<Version>> {
        let mut versions = self.history.versions().await?;
        versions.retain(|version| version.name != KEY_SECRET);
        Ok(versions)
    }

    /// The last version of the Secret that the scenario did not write itself is this one.
    pub async fn ensure_untouched(&self, secret: &Secret) -> Outcome {
        let (name, version) = (secret.name_any(), secret.resource_version().unwrap_or_default());
        let versions = self.versions().await?;
        let later = versions.iter().rev().take_while(|seen| seen.resource_version != version);
        let touched = later.filter(|seen| seen.name == name).count();
        ensure(touched == 0, || format!("Secret {name} was written or deleted {touched} times"))
    }

    /// Fails unless every version that the operator wrote holds one whole pair that the bank made
    /// for a client of this user; returns how many there were.
    pub async fn verdict(&self, user: u64) -> Outcome<usize> {
        let genuine: BTreeSet<(String, String)> = self.world.sandbox.with(|bank| {
            bank.clients_of(user).iter().map(|client| (client.client_id.clone(), client.secret.clone())).collect()
        });
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut judged = 0;
        for version in self.versions().await? {
            if version.is_gone || own.contains(&version.resource_version) {
                continue;
            }
            judge(&version, &genuine)?;
            judged += 1;
        }
        ensure(judged > 0, || "no Secret was published".to_owned())?;
        Ok(judged)
    }
}

fn judge(version: &Version, genuine: &BTreeSet<(String, String)>) -> Outcome {
    let keys: Vec<&str> =
        version.object["data"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    let told = |what: &str| format!("Secret {} at {} {what}: it has {keys:?}", version.name, version.resource_version);
    let mut whole = 0;
    for (id, secret) in NAMES {
        match (text(version, id), text(version, secret)) {
            (None, None) => {}
            (Some(id), Some(secret)) if genuine.contains(&(id.clone(), secret.clone())) => whole += 1,
            (Some(_), Some(_)) => return Err(told("holds a pair that the bank never made").into()),
            (Some(_), None) | (None, Some(_)) => return Err(told("holds half a pair").into()),
        }
    }
    ensure(whole == 1, || told(&format!("holds {whole} pairs")))
}

/// A value; `None` without it.
fn text(version: &Version, key: &str) -> Option<String> {
    let bytes = STANDARD.decode(version.object["data"][key].as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(data: &[(&str, &str)]) -> Version {
        let data: serde_json::Map<_, _> =
            data.iter().map(|(key, value)| ((*key).to_owned(), Value::from(STANDARD.encode(value)))).collect();
        Version {
            name: "app".to_owned(),
            resource_version: "1".to_owned(),
            is_gone: false,
            object: json!({"data": data}),
        }
    }

    #[test]
    fn only_one_whole_pair_of_the_bank_is_accepted() {
        let genuine = BTreeSet::from([("a".to_owned(), "b".to_owned()), ("c".to_owned(), "d".to_owned())]);
        let judged = |data| judge(&version(data), &genuine).is_ok();
        assert!(judged(&[("client_id", "a"), ("client_secret", "b"), ("type", "oauth2")]));
        assert!(judged(&[("ID", "c"), ("SECRET", "d")]));
        assert!(!judged(&[]));
        assert!(!judged(&[("client_id", "a")]));
        assert!(!judged(&[("client_id", "a"), ("client_secret", "")]));
        assert!(!judged(&[("client_id", "a"), ("client_secret", "d")]));
        assert!(!judged(&[("client_id", "a"), ("client_secret", "b"), ("ID", "c")]));
        assert!(!judged(&[("client_id", "a"), ("client_secret", "b"), ("ID", "c"), ("SECRET", "d")]));
    }
}
