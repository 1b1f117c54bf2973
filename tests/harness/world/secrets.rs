//! Secrets: keys that go in, credentials that come out.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use serde_json::json;

use super::{KEY_SECRET, World};
use crate::{
    harness::{deployment, outcome::Outcome},
    sandbox::User,
};

const LOOK_EVERY: Duration = Duration::from_millis(10);

impl World {
    /// The Secrets of the tenant's namespace.
    #[must_use]
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.admin(), &self.namespace)
    }

    /// A new bunq user, whose API key is in the Secret that manifests name.
    pub async fn user(&self) -> Outcome<User> {
        let user = self.sandbox.new_user();
        self.put_key(KEY_SECRET, &user.api_key).await?;
        Ok(user)
    }

    /// Puts an API key into a Secret, under the key `api-key`.
    pub async fn put_key(&self, secret: &str, api_key: &str) -> Outcome {
        self.put_secret(secret, &[("api-key", api_key)]).await
    }

    /// Writes a Secret.
    pub async fn put_secret(&self, name: &str, data: &[(&str, &str)]) -> Outcome {
        let data: BTreeMap<_, _> = data.iter().copied().collect();
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": self.namespace},
            "stringData": data,
        });
        deployment::apply(&self.admin(), &secret).await.map(drop)
    }

    /// Deletes a Secret.
    pub async fn delete_secret(&self, name: &str) -> Outcome {
        Ok(self.secrets().delete(name, &DeleteParams::default()).await.map(drop)?)
    }

    /// The data of a Secret, as text.
    pub async fn secret(&self, name: &str) -> Outcome<BTreeMap<String, String>> {
        Ok(text(&self.secrets().get(name).await?))
    }

    /// The data of a Secret; `None` if there is no such Secret.
    pub async fn secret_if_any(&self, name: &str) -> Outcome<Option<BTreeMap<String, String>>> {
        Ok(self.secrets().get_opt(name).await?.as_ref().map(text))
    }

    /// Waits until a Secret `fits`, and tells how long that took.
    pub async fn secret_until(
        &self,
        name: &str,
        within: Duration,
        fits: impl Fn(&BTreeMap<String, String>) -> bool,
    ) -> Outcome<Duration> {
        let since = Instant::now();
        loop {
            let found = self.secret_if_any(name).await?;
            if found.as_ref().is_some_and(&fits) {
                return Ok(since.elapsed());
            }
            if since.elapsed() > within {
                let keys = found.map(|data| data.into_keys().collect::<Vec<_>>());
                return Err(format!("Secret {name} was not as it should within {within:?}; it has {keys:?}").into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The Secrets with keys and sessions in the operator's namespace.
    pub async fn contexts(&self) -> Outcome<Vec<Secret>> {
        let api: Api<Secret> = Api::namespaced(self.admin(), &self.operator_namespace);
        Ok(api.list(&ListParams::default()).await?.items)
    }
}

fn text(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.iter().flatten();
    data.map(|(key, value)| (key.clone(), String::from_utf8_lossy(&value.0).into_owned())).collect()
}
