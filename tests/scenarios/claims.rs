//! One bunq user, one manifest: who comes second waits and touches nothing.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{
    Outcome, World,
    api_proxy::{Asked, Trouble},
    deployment, ensure, ensure_eq,
    world::condition,
};

use crate::stage::{Stage, scenarios};

/// Lists are read in pages of 50.
const PAGE_AND_MORE: usize = 60;

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "claims":
        the_second_manifest_of_a_user_waits_and_takes_over_when_the_first_goes,
        who_waits_takes_over_although_the_list_of_claims_breaks_off,
        a_loser_that_goes_cancels_nothing,
        a_lost_claim_never_replaces_a_client_that_somebody_cancelled,
    )
}

async fn the_second_manifest_of_a_user_waits_and_takes_over_when_the_first_goes(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("first", &json!({}))).await?;
    let before = world.secret("first").await?;
    world.sandbox.clear_calls();

    let other = json!({"redirectUrl": "https://second.example/callback", "displayName": "Second"});
    let object = world.apply_reason(&world.manifest("second", &other), "UserAlreadyClaimed").await?;
    let message = condition(&object, "Ready")["message"].as_str().unwrap_or_default();
    let claim = format!("{}/bunq-user-sandbox-{}", world.operator_namespace, user.id);
    ensure(message.contains(&claim), || format!("the message does not name {claim}: {message}"))?;
    ensure(!message.contains("first"), || format!("the message names another manifest: {message}"))?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure_eq(world.secret_if_any("second").await?.is_some(), false, "a Secret")?;

    world.delete("first").await?;
    world.ready("second").await?;

    let after = world.secret("second").await?;
    ensure_eq(after.get("client_id"), before.get("client_id"), "the client_id")?;
    ensure_eq(world.sandbox.count("POST", "user/{u}/oauth-client"), 0, "clients created")
}

/// L3: what a sweep frees before its list breaks off is free, and whoever waits for it is told.
async fn who_waits_takes_over_although_the_list_of_claims_breaks_off(world: Arc<World>) -> Outcome {
    world.user().await?;
    let proxy = world.proxy().await?;
    let is_further_page = |asked: &Asked| asked.is_further_page && asked.path.ends_with("/configmaps");
    proxy.trouble(Trouble::Refusal { status: 503, retry_after: 1 }, is_further_page);
    // They come after every claim: there is a second page.
    for number in 0..PAGE_AND_MORE {
        let other = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": format!("other-{number}"), "namespace": world.operator_namespace,
                "labels": {"bunq-operator.io/part": "claim"},
            },
        });
        deployment::apply(&world.admin(), &other).await?;
    }
    world.start_operator_through(&proxy).await?;
    world.apply_ready(&world.manifest("first", &json!({}))).await?;
    world.apply_reason(&world.manifest("second", &json!({})), "UserAlreadyClaimed").await?;

    let before = proxy.count(is_further_page);
    world.delete("first").await?;
    world.ready("second").await?;

    ensure(proxy.count(is_further_page) > before, || "no list broke off".to_owned())?;
    ensure_eq(world.sandbox.count("POST", "user/{u}/oauth-client"), 1, "clients created")
}

async fn a_loser_that_goes_cancels_nothing(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("first", &json!({}))).await?;
    let second = world.manifest("second", &json!({"deletionPolicy": "Cancel"}));
    world.apply_reason(&second, "UserAlreadyClaimed").await?;
    world.sandbox.clear_calls();

    world.delete("second").await?;
    world.gone("second").await?;

    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;
    ensure_eq(world.sandbox.with(|bank| bank.active_clients(user.id).len()), 1, "ACTIVE clients")
}

async fn a_lost_claim_never_replaces_a_client_that_somebody_cancelled(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let id = object["status"]["oauthClientId"].as_u64().unwrap_or_default();
    let claim = format!("bunq-user-sandbox-{}", user.id);
    world.kubectl(&["-n", &world.operator_namespace, "delete", "configmap", &claim]).await?;
    world.sandbox.with(|bank| bank.cancel_by_hand(id));

    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", "1").await?;
    world.reason("my-app", "CancelledAtBank").await?;
    world.event("my-app", "ClientRecovered").await?;
    ensure_eq(world.sandbox.count("POST", "user/{u}/oauth-client"), 1, "clients created")
}
