//! Many users at once, each with a key, a Secret for it and a manifest.

use kube::api::ListParams;
use serde_json::{Value, json};

use super::World;
use crate::{
    harness::outcome::{Outcome, ensure, ensure_eq},
    sandbox::User,
};

/// One user and the manifest that names the user's key.
#[derive(Clone, Debug)]
pub struct Member {
    /// The name of the manifest and of the published Secret.
    pub name: String,
    /// The name of the Secret with the key.
    pub secret: String,
    /// The user at the bank.
    pub user: User,
}

impl World {
    /// Applies a manifest for a new user.
    pub async fn join(&self, number: usize) -> Outcome<Member> {
        self.join_with(number, &json!({})).await
    }

    /// The same, with these fields of `spec` on top.
    pub async fn join_with(&self, number: usize, spec: &Value) -> Outcome<Member> {
        let (name, secret, user) = (format!("app-{number}"), format!("key-{number}"), self.sandbox.new_user());
        self.put_key(&secret, &user.api_key).await?;
        let member = Member { name, secret, user };
        self.apply(&self.manifest_of(&member, spec)).await?;
        Ok(member)
    }

    /// The manifest of a user, with these fields of `spec` on top.
    #[must_use]
    pub fn manifest_of(&self, member: &Member, spec: &Value) -> Value {
        let mut manifest = self.manifest(&member.name, spec);
        manifest["spec"]["credentials"]["apiKeySecretRef"]["name"] = member.secret.clone().into();
        manifest
    }

    /// Applies so many manifests, each for a new user.
    pub async fn crowd(&self, members: usize) -> Outcome<Vec<Member>> {
        let mut crowd = Vec::with_capacity(members);
        for number in 0..members {
            crowd.push(self.join(number).await?);
        }
        Ok(crowd)
    }

    /// Every manifest of this world as the API server has it now, by name.
    pub async fn all_objects(&self) -> Outcome<Vec<Value>> {
        let objects = self.objects().list(&ListParams::default()).await?.items;
        Ok(objects.into_iter().map(serde_json::to_value).collect::<Result<_, _>>()?)
    }

    /// Fails unless the user has one client and the Secret holds this client's pair.
    pub async fn ensure_one_client_with_its_pair(&self, member: &Member) -> Outcome {
        self.ensure_one_client_with_its_pair_in(member, &member.name).await
    }

    /// The same, where the Secret has another name than the manifest.
    pub async fn ensure_one_client_with_its_pair_in(&self, member: &Member, secret: &str) -> Outcome {
        let pair = self.secret(secret).await?;
        let clients =
            self.sandbox.with(|bank| bank.clients_of(member.user.id).into_iter().cloned().collect::<Vec<_>>());
        ensure_eq(clients.len(), 1, &format!("clients at the bank of {}", member.name))?;
        let is_its = clients.iter().all(|it| pair["client_id"] == it.client_id && pair["client_secret"] == it.secret);
        ensure(is_its, || format!("Secret {} holds another client's pair", member.name))
    }
}
