//! Claims and contexts that a newer version of the operator wrote: what it added is carried along, and a format that
//! this version does not know is left alone (D7, D8, F39).

use std::sync::Arc;

use k8s_openapi::{
    ByteString, NamespaceResourceScope,
    api::core::v1::{ConfigMap, Secret},
};
use kube::{
    Api, Resource,
    api::{Patch, PatchParams},
};
use libtest_mimic::Trial;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testbed::{
    harness::{Outcome, World, ensure, ensure_eq, world::condition},
    sandbox::Bank,
};

use crate::stage::{Stage, scenarios};

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "newer_versions":
        what_a_newer_version_added_outlives_the_writes_of_this_one,
        a_format_that_this_version_does_not_know_is_told_and_nothing_is_written_over_it,
    )
}

async fn claim(world: &World) -> Outcome<ConfigMap> {
    Ok(world.claims().await?.into_iter().next().ok_or("there is no claim")?)
}

fn journal(claim: &ConfigMap) -> Outcome<Value> {
    let text = claim.data.as_ref().and_then(|data| data.get("journal")).ok_or("the claim has no journal")?;
    Ok(serde_json::from_str(text)?)
}

async fn context(world: &World) -> Outcome<Secret> {
    let claim = claim(world).await?;
    let name = claim.data.as_ref().and_then(|data| data.get("context")).ok_or("the claim names no context")?;
    Ok(Api::namespaced(world.admin(), &world.operator_namespace).get(name).await?)
}

/// Patches the claim or the context.
async fn patch<K>(world: &World, object: &K, change: &Value) -> Outcome
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(world.admin(), &world.operator_namespace);
    let name = object.meta().name.as_deref().ok_or("an object without a name")?;
    Ok(api.patch(name, &PatchParams::default(), &Patch::Merge(change)).await.map(drop)?)
}

/// The entry of the only URL at first.
fn entry(journal: &Value) -> Outcome<&Value> {
    let entries = journal["writes"].as_array().ok_or("no writes")?;
    let found = entries.iter().find(|write| write["target"]["url"] == "https://myapp.com/oauth/callback");
    Ok(found.ok_or_else(|| format!("no entry of the URL in {journal}"))?)
}

async fn what_a_newer_version_added_outlives_the_writes_of_this_one(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let stored = claim(&world).await?;
    let mut newer = journal(&stored)?;
    entry(&newer)?;
    newer["addedLater"] = json!({"at": 1});
    for write in newer["writes"].as_array_mut().into_iter().flatten() {
        write["addedLater"] = json!(2);
    }
    let note = json!({"annotations": {"noted": "yes"}});
    let change = json!({"metadata": note, "data": {"journal": newer.to_string(), "addedLater": "3"}});
    patch(&world, &stored, &change).await?;
    let opened = context(&world).await?;
    patch(&world, &opened, &json!({"metadata": note, "stringData": {"added-later": "4"}})).await?;

    world.sandbox.with(Bank::end_sessions);
    let more = json!({"additionalRedirectUrls": ["https://myapp.com/second"]});
    world.apply(&world.manifest("my-app", &more)).await?;
    let has_both = |object: &Value| object["status"]["redirectUrls"].as_array().is_some_and(|urls| urls.len() == 2);
    world.until("my-app", "two URLs", has_both).await?;
    world.ready("my-app").await?;

    let written = claim(&world).await?;
    let (data, meta) = (written.data.clone().unwrap_or_default(), &written.metadata);
    ensure(meta.resource_version != stored.metadata.resource_version, || "nothing was written".to_owned())?;
    ensure_eq(data.get("addedLater").map(String::as_str), Some("3"), "the claim's new key")?;
    ensure_eq(&journal(&written)?["addedLater"], &json!({"at": 1}), "the journal's new part")?;
    ensure_eq(&entry(&journal(&written)?)?["addedLater"], &json!(2), "the new part of an entry")?;
    let noted = |annotations: &Option<std::collections::BTreeMap<String, String>>| {
        annotations.as_ref().is_some_and(|annotations| annotations.contains_key("noted"))
    };
    ensure(noted(&meta.annotations), || "the claim's annotation is gone".to_owned())?;
    let now = context(&world).await?;
    let part = |secret: &Secret, key: &str| secret.data.as_ref().and_then(|data| data.get(key)).cloned();
    let was_opened_again = part(&now, "session-token") != part(&opened, "session-token");
    ensure(was_opened_again, || "the context was not written".to_owned())?;
    ensure_eq(part(&now, "added-later"), Some(ByteString(b"4".to_vec())), "the context's new key")?;
    ensure(noted(&now.metadata.annotations), || "the context's annotation is gone".to_owned())
}

/// The operator that runs now is the older one: it tells both numbers, and does nothing.
async fn is_left_alone<K>(world: &World, object: &K, stamp: &str) -> Outcome
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let format = |number: &str| json!({"data": {"format": number}});
    // A Secret's data are written in base64.
    let (newer, ours) = if K::kind(&()) == "Secret" { ("Mg==", "MQ==") } else { ("2", "1") };
    world.kill_operator().await?;
    patch(world, object, &format(newer)).await?;
    let api: Api<K> = Api::namespaced(world.admin(), &world.operator_namespace);
    let name = object.meta().name.as_deref().ok_or("an object without a name")?;
    let version = api.get(name).await?.meta().resource_version.clone();
    world.sandbox.clear_calls();
    world.start_operator().await?;
    world
        .apply(&world.manifest("my-app", &json!({"additionalRedirectUrls": [format!("https://{stamp}.example/")]})))
        .await?;
    let told = world.reason("my-app", "OperatorStateUnreadable").await?;
    let message = condition(&told, "Ready")["message"].as_str().unwrap_or_default();
    for part in [name, "format 2", "format 1"] {
        ensure(message.contains(part), || format!("the message does not say {part}: {message}"))?;
    }
    ensure_eq(&api.get(name).await?.meta().resource_version, &version, "the version of what is left alone")?;
    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;
    patch(world, object, &format(ours)).await?;
    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", stamp).await?;
    world.ready("my-app").await.map(drop)
}

async fn a_format_that_this_version_does_not_know_is_told_and_nothing_is_written_over_it(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let claim = claim(&world).await?;
    ensure_eq(claim.data.as_ref().and_then(|data| data.get("format")).map(String::as_str), Some("1"), "its format")?;
    is_left_alone(&world, &claim, "claim").await?;
    is_left_alone(&world, &context(&world).await?, "context").await
}
