//! The published Secret: its formats, its names, and who else may own one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{Outcome, World, ensure, ensure_eq};

use crate::stage::{Stage, scenarios};

const SOON: Duration = Duration::from_secs(10);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "output":
        the_format_service_binding_has_the_names_that_spring_reads,
        every_key_can_be_renamed_and_dropped_names_go,
        labels_and_annotations_are_published_and_those_of_others_stay,
        a_new_name_moves_the_secret_and_the_old_one_goes,
        a_foreign_secret_stays_untouched_and_its_removal_heals,
        a_rotated_secret_is_published_as_a_pair,
        the_secret_of_an_earlier_name_goes_after_the_new_one_stands,
    )
}

fn keys(data: &BTreeMap<String, String>) -> Vec<&str> {
    data.keys().map(String::as_str).collect()
}

async fn the_format_service_binding_has_the_names_that_spring_reads(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    let secret = json!({"name": "spring-app-bunq", "format": "ServiceBinding"});

    let object = world.apply_ready(&world.manifest("spring-app", &json!({"secret": secret}))).await?;

    ensure_eq(&object["status"]["binding"]["name"], &json!("spring-app-bunq"), "status.binding.name")?;
    let data = world.secret("spring-app-bunq").await?;
    let wanted = [
        "authorization-grant-type",
        "authorization-uri",
        "client-id",
        "client-secret",
        "provider",
        "redirect-uri",
        "token-uri",
        "type",
    ];
    ensure_eq(keys(&data), wanted, "the keys")?;
    ensure_eq(data["authorization-grant-type"].as_str(), "authorization_code", "authorization-grant-type")
}

async fn every_key_can_be_renamed_and_dropped_names_go(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    let plain = ["authorization_uri", "client_id", "client_secret", "provider", "redirect_uri", "token_uri", "type"];
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secret("my-app").await?;
    ensure_eq(keys(&before), plain, "the keys")?;

    let names = json!({"clientId": "ID", "clientSecret": "SECRET", "type": "kind", "provider": "bank",
        "redirectUri": "REDIRECT", "authorizationUri": "AUTH", "tokenUri": "TOKEN"});
    world.apply_ready(&world.manifest("my-app", &json!({"secret": {"keys": names}}))).await?;
    let renamed = world.secret("my-app").await?;
    ensure_eq(keys(&renamed), ["AUTH", "ID", "REDIRECT", "SECRET", "TOKEN", "bank", "kind"], "the renamed keys")?;
    ensure(renamed["SECRET"] == before["client_secret"], || "the credentials changed".to_owned())?;

    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    ensure_eq(keys(&world.secret("my-app").await?), plain, "the keys under their old names")
}

async fn a_new_name_moves_the_secret_and_the_old_one_goes(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secret("my-app").await?;
    world.sandbox.clear_calls();

    let object = world.apply_ready(&world.manifest("my-app", &json!({"secret": {"name": "elsewhere"}}))).await?;

    ensure_eq(&object["status"]["binding"]["name"], &json!("elsewhere"), "status.binding.name")?;
    ensure(world.secret("elsewhere").await? == before, || "the credentials changed on the way".to_owned())?;
    ensure_eq(world.secret_if_any("my-app").await?.is_some(), false, "the Secret of the old name")?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")
}

async fn labels_and_annotations_are_published_and_those_of_others_stay(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    let secret = json!({"labels": {"team": "checkout"}, "annotations": {"example.com/reload": "true"}});
    world.apply_ready(&world.manifest("my-app", &json!({"secret": secret}))).await?;
    let theirs = Patch::Merge(json!({"metadata": {"labels": {"theirs": "kept"}}, "stringData": {"extra": "kept"}}));
    world.secrets().patch("my-app", &PatchParams::default(), &theirs).await?;

    let more = json!({"labels": {"team": "checkout", "tier": "web"}});
    world.apply_ready(&world.manifest("my-app", &json!({"secret": more}))).await?;

    let published: Secret = world.secrets().get("my-app").await?;
    let labels = published.metadata.labels.clone().unwrap_or_default();
    for (name, wanted) in [("team", "checkout"), ("tier", "web"), ("theirs", "kept")] {
        ensure_eq(labels.get(name).map(String::as_str), Some(wanted), name)?;
    }
    ensure(world.secret("my-app").await?.contains_key("extra"), || "a key of somebody else is gone".to_owned())
}

async fn a_foreign_secret_stays_untouched_and_its_removal_heals(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.put_secret("my-app", &[("mine", "since 2019")]).await?;
    let before = world.secrets().get("my-app").await?.metadata.resource_version;
    world.start_operator().await?;

    world.apply_reason(&world.manifest("my-app", &json!({})), "SecretNotOwned").await?;
    let after = world.secrets().get("my-app").await?.metadata.resource_version;
    ensure_eq(after, before, "the version of the foreign Secret")?;

    world.delete_secret("my-app").await?;
    world.ready_within("my-app", SOON).await?;
    world.secret_until("my-app", SOON, |data| data.contains_key("client_secret")).await.map(drop)
}

async fn a_rotated_secret_is_published_as_a_pair(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let id = object["status"]["oauthClientId"].as_u64().unwrap_or_default();
    world.bench.plant(world.secret("my-app").await?["client_secret"].clone());

    let rotated = "5e7".repeat(21);
    world.sandbox.with(|bank| {
        if let Some(client) = bank.client_mut(id) {
            client.secret.clone_from(&rotated);
        }
    });
    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", "1").await?;

    let wanted = |data: &BTreeMap<String, String>| data.get("client_secret") == Some(&rotated);
    world.secret_until("my-app", SOON, wanted).await.map(drop)
}

async fn the_secret_of_an_earlier_name_goes_after_the_new_one_stands(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secret("my-app").await?;

    let object = world.apply_ready(&world.manifest("my-app", &json!({"secret": {"name": "renamed"}}))).await?;

    ensure_eq(&object["status"]["binding"]["name"], &json!("renamed"), "status.binding.name")?;
    ensure(world.secret("renamed").await? == before, || "the credentials changed".to_owned())?;
    ensure(world.secrets().get_opt("my-app").await?.is_none(), || "the old Secret is still there".to_owned())
}
