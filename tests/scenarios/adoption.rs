//! A user who has a client already.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::json;
use testbed::{
    harness::{Outcome, World, ensure, ensure_eq, world::ready_reason},
    sandbox::{Fault, FaultKind},
};

use crate::stage::{Stage, scenarios};

const FOREIGN: &str = "https://portal.example/callback";
const LISTING: &str = "user/{u}/oauth-client";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "adoption":
        the_client_of_the_portal_is_adopted_with_its_credentials_and_its_urls,
        a_client_id_that_no_status_can_hold_is_published_all_the_same,
        a_listing_that_fails_is_no_empty_one,
        the_policy_never_leaves_an_existing_client_alone,
        of_several_clients_none_is_guessed,
        nothing_is_cancelled_in_the_pass_that_adopts,
    )
}

async fn the_client_of_the_portal_is_adopted_with_its_credentials_and_its_urls(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    let (id, client_id, secret) = world
        .sandbox
        .with(|bank| {
            let id = bank.create_by_hand(user.id, Some("Portal App"), &[FOREIGN]);
            let client = bank.client(id).map(|it| (it.client_id.clone(), it.secret.clone()));
            client.map(|(client_id, secret)| (id, client_id, secret))
        })
        .ok_or("the bank made no client")?;
    world.start_operator().await?;

    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    ensure_eq(world.sandbox.count("POST", "user/{u}/oauth-client"), 0, "clients created")?;
    let urls = world.sandbox.with(|bank| bank.urls_of(id));
    ensure(urls.iter().any(|url| url == FOREIGN), || format!("the portal's URL is gone: {urls:?}"))?;
    let published = world.secret("my-app").await?;
    ensure_eq(published.get("client_id"), Some(&client_id), "client_id")?;
    ensure(published.get("client_secret") == Some(&secret), || "the client secret is another one".to_owned())?;
    let told = world.event("my-app", "ClientAdopted").await?;
    ensure(told.note.contains(&client_id), || format!("the Event does not name the client: {}", told.note))
}

/// What is too long for the definition is not shown: the API server would refuse the whole status.
async fn a_client_id_that_no_status_can_hold_is_published_all_the_same(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    let long = "c".repeat(600);
    let id = world.sandbox.with(|bank| {
        let id = bank.create_by_hand(user.id, Some("Portal App"), &[FOREIGN]);
        bank.clients.iter_mut().filter(|client| client.id == id).for_each(|client| client.client_id.clone_from(&long));
        id
    });
    world.start_operator().await?;

    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    ensure_eq(&object["status"]["clientId"], &json!(null), "what the status shows of it")?;
    ensure_eq(&object["status"]["oauthClientId"], &json!(id), "the client's number")?;
    ensure_eq(world.secret("my-app").await?.get("client_id"), Some(&long), "client_id")
}

/// However the listing fails, it does not say that there is no client (D4, S1, F22).
async fn a_listing_that_fails_is_no_empty_one(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    let id = world.sandbox.with(|bank| bank.create_by_hand(user.id, Some("Portal App"), &[FOREIGN]));
    let operator = world.start_in_process().await?;
    // One more, and the bank would count as away.
    for kind in [FaultKind::Html(503), FaultKind::MissingSignature] {
        world.sandbox.inject(Fault::new("GET", LISTING, kind));
    }

    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    ensure_eq(world.sandbox.count("GET", LISTING), 3, "listings, two of which failed")?;
    ensure_eq(world.sandbox.count("POST", LISTING), 0, "clients created")?;
    let clients: Vec<u64> = world.sandbox.with(|bank| bank.clients_of(user.id).iter().map(|it| it.id).collect());
    ensure_eq(clients, vec![id], "clients of the user")?;
    operator.stop().await
}

async fn the_policy_never_leaves_an_existing_client_alone(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.sandbox.with(|bank| bank.create_by_hand(user.id, Some("Portal App"), &[FOREIGN]));
    world.start_operator().await?;

    world.apply_reason(&world.manifest("my-app", &json!({"adoptionPolicy": "Never"})), "ClientExists").await?;

    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure_eq(world.secret_if_any("my-app").await?.is_some(), false, "a Secret")?;
    world.apply_ready(&world.manifest("my-app", &json!({"adoptionPolicy": "Adopt"}))).await.map(drop)
}

async fn of_several_clients_none_is_guessed(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    let second = world.sandbox.with(|bank| {
        bank.create_by_hand(user.id, Some("One"), &[FOREIGN]);
        bank.create_by_hand(user.id, Some("Two"), &[FOREIGN])
    });
    world.start_operator().await?;

    world.apply_reason(&world.manifest("my-app", &json!({})), "AmbiguousClients").await?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;

    world.sandbox.with(|bank| bank.cancel_by_hand(second));
    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", "1").await?;
    world.ready("my-app").await.map(drop)
}

async fn nothing_is_cancelled_in_the_pass_that_adopts(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.sandbox.with(|bank| bank.create_by_hand(user.id, Some("Portal App"), &[FOREIGN]));
    world.start_operator().await?;

    world.apply_reason(&world.manifest("my-app", &json!({"status": "CANCELLED"})), "AdoptionWouldCancel").await?;

    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    world.apply_ready(&world.manifest("my-app", &json!({"status": "ACTIVE"}))).await?;
    let cancelled = world.apply_ready(&world.manifest("my-app", &json!({"status": "CANCELLED"}))).await?;
    ensure_eq(ready_reason(&cancelled), "Cancelled", "the reason of Ready")?;
    ensure_eq(world.sandbox.with(|bank| bank.active_clients(user.id).len()), 0, "ACTIVE clients")
}
