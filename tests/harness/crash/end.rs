//! How a run ended, without what differs from run to run.

use std::collections::BTreeMap;

use bunq_oauth_operator::api::ANNOTATION_PAIR;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use crate::{
    harness::{Outcome, World},
    sandbox::bank::Client,
};

/// The end of a run about the manifest `name` and the client of `user`.
pub(super) async fn state(world: &World, name: &str, user: u64) -> Outcome<Value> {
    let clients: Vec<Client> = world.sandbox.with(|bank| bank.clients_of(user).into_iter().cloned().collect());
    let objects = world.objects().get_opt(name).await?;
    let object = objects.map(serde_json::to_value).transpose()?.unwrap_or_default();
    let mut secrets = BTreeMap::new();
    for secret in world.secrets().list(&kube::api::ListParams::default()).await?.items {
        let secret_name = secret.metadata.name.clone().unwrap_or_default();
        // Those of a manifest that is gone are the garbage collector's, sooner or later.
        let owners = secret.metadata.owner_references.iter().flatten();
        let is_of_it = owners.into_iter().any(|owner| object["metadata"]["uid"] == owner.uid.as_str());
        if secret_name.starts_with(name) && is_of_it {
            secrets.insert(secret_name.replace(name, "{name}"), shown_secret(&secret, &clients));
        }
    }
    let claim = world
        .claims()
        .await?
        .into_iter()
        .find(|claim| claim.metadata.name.as_deref().is_some_and(|claimed| claimed.ends_with(&format!("-{user}"))));
    let claim = claim.and_then(|claim| claim.data).unwrap_or_default();
    let part = |key: &str| claim.get(key).and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or_default();
    Ok(json!({
        "clients": clients.iter().map(shown_client).collect::<Vec<_>>(),
        "secrets": secrets,
        "manifest": shown_manifest(&object),
        "owner": part("owner")["name"].as_str().map(|owner| owner == name),
        "journal": shown_journal(&part("journal")),
        "contexts": world.contexts().await?.len(),
    }))
}

fn shown_client(client: &Client) -> Value {
    let mut urls: Vec<&str> = client.urls.iter().map(|entry| entry.url.as_str()).collect();
    urls.sort_unstable();
    json!({"status": format!("{:?}", client.status), "urls": urls, "name": client.display_name})
}

/// A pair of the bank's is told as such; anything else is shown.
fn shown_secret(secret: &Secret, clients: &[Client]) -> Value {
    let text = |value: &k8s_openapi::ByteString| {
        let text = String::from_utf8_lossy(&value.0).into_owned();
        let known = clients.iter().enumerate().find_map(|(number, client)| {
            (client.client_id == text)
                .then(|| format!("client_id of client {number}"))
                .or_else(|| (client.secret == text).then(|| format!("secret of client {number}")))
        });
        known.unwrap_or(text)
    };
    let data = secret.data.iter().flatten();
    let mut annotations = secret.metadata.annotations.clone().unwrap_or_default();
    // Another pair has another hash.
    let has_hash = annotations.remove(ANNOTATION_PAIR).is_some();
    json!({
        "data": data.map(|(key, value)| (key.clone(), text(value))).collect::<BTreeMap<_, _>>(),
        "labels": secret.metadata.labels,
        "annotations": annotations,
        "hasPairHash": has_hash,
        "type": secret.type_,
        "owners": secret.metadata.owner_references.as_ref().map(Vec::len),
    })
}

fn shown_manifest(object: &Value) -> Value {
    let status = &object["status"];
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let told = conditions.map(|it| format!("{}={} {}", it["type"], it["status"], it["reason"])).collect::<Vec<_>>();
    let urls = status["redirectUrls"].as_array().into_iter().flatten();
    json!({
        "exists": object.is_object(),
        "finalizers": object["metadata"]["finalizers"],
        "deleting": object["metadata"]["deletionTimestamp"].is_string(),
        "isObserved": status["observedGeneration"] == object["metadata"]["generation"],
        "conditions": told,
        "clientStatus": status["clientStatus"],
        "redirectUrls": urls.map(|it| json!([it["url"], it["managed"]])).collect::<Vec<_>>(),
        "nextAttemptTime": status["nextAttemptTime"].is_string(),
        "hasClientId": status["clientId"].is_string(),
        "hasAuthorizationUrl": status["authorizationUrl"].is_string(),
    })
}

/// What the journal must know in the end. How often something was tried is counted elsewhere.
fn shown_journal(journal: &Value) -> Value {
    json!({
        "knowsClient": journal["oauthClientId"].is_u64() && journal["clientId"].is_string(),
        "origin": journal["origin"],
        "managedUrls": journal["managedUrls"],
        "isInDoubt": !journal["createSent"].is_null(),
        "cancelledByUs": journal["cancelledByUs"],
    })
}
