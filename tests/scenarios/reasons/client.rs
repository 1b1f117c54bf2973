//! Reasons of the client itself: each is left by the very step that its message names.

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::json;
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq,
        world::{condition, ready_reason},
    },
    sandbox::{
        Fault, FaultKind,
        bank::ClientStatus,
        behaviour::{CreateBody, Reactivation, SecretShown},
    },
};

use super::{ALLOW_NEW_CLIENT, REQUESTED_AT, allow_new_client, client_id, ensure_says};
use crate::stage::{Stage, scenarios};

const CLIENTS: &str = "user/{u}/oauth-client";

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "reasons":
        with_nothing_to_cancel_nothing_is_made_until_the_manifest_says_active,
        a_client_that_vanished_is_replaced_when_the_annotation_names_it,
        a_refused_creation_rests_until_a_request_or_an_edit,
        a_conflict_that_is_no_throttle_refuses_a_creation,
        a_refused_cancellation_ends_in_the_app_or_with_a_request,
        a_refused_reactivation_ends_with_a_new_client_that_the_annotation_allows,
        a_secret_that_is_shown_later_is_published_on_request,
        a_secret_that_is_never_shown_ends_with_a_new_client,
    )
}

/// The step of the message: the annotation, with the old `client_id`.
async fn becomes_a_new_client(world: &World, old: &str) -> Outcome {
    allow_new_client(world, old).await?;
    let object = world.ready("my-app").await?;
    ensure(client_id(&object) != old, || "it has the old client_id".to_owned())?;
    let published = world.secret("my-app").await?;
    ensure_eq(published["client_id"].as_str(), client_id(&object), "the published client_id")?;
    ensure_eq(world.sandbox.count("POST", CLIENTS), 2, "creations sent")
}

async fn with_nothing_to_cancel_nothing_is_made_until_the_manifest_says_active(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;

    let object = world.apply_ready(&world.manifest("my-app", &json!({"status": "CANCELLED"}))).await?;
    ensure_eq(ready_reason(&object), "NothingToCancel", "the reason of Ready")?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure_eq(world.secret_if_any("my-app").await?.is_some(), false, "a Secret")?;

    let object = world.apply_ready(&world.manifest("my-app", &json!({"status": "ACTIVE"}))).await?;
    ensure_eq(ready_reason(&object), "Synced", "the reason of Ready")?;
    ensure_eq(world.sandbox.with(|bank| bank.active_clients(user.id).len()), 1, "ACTIVE clients")
}

async fn a_client_that_vanished_is_replaced_when_the_annotation_names_it(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let (id, old) = (object["status"]["oauthClientId"].as_u64().unwrap_or_default(), client_id(&object).to_owned());

    world.sandbox.with(|bank| bank.delete_client(id));
    world.annotate("my-app", REQUESTED_AT, "1").await?;
    let object = world.reason("my-app", "ClientVanished").await?;
    ensure_says(&object, &[&format!("{ALLOW_NEW_CLIENT}: \"{old}\"")])?;
    ensure_eq(world.sandbox.count("POST", CLIENTS), 1, "creations sent")?;

    becomes_a_new_client(&world, &old).await
}

async fn a_refused_creation_rests_until_a_request_or_an_edit(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process().await?;
    world.sandbox.behave(|bank| bank.create_body = CreateBody::RefusesAll);
    let (asked, edited) = (world.join(0).await?, world.join(1).await?);
    for member in [&asked, &edited] {
        let object = world.reason(&member.name, "CreateRefused").await?;
        ensure_says(&object, &["The OAuth client could not be created.", "Edit the spec", REQUESTED_AT])?;
    }
    ensure_eq(world.sandbox.count("POST", CLIENTS), 6, "creations sent: every form once for each")?;
    for _ in 0..3 {
        operator.let_pass(Duration::from_hours(1)).await?;
    }
    ensure_eq(world.sandbox.count("POST", CLIENTS), 6, "creations sent, hours later")?;

    world.sandbox.behave(|bank| bank.create_body = CreateBody::Stores);
    world.annotate(&asked.name, REQUESTED_AT, "1").await?;
    world.apply(&world.manifest_of(&edited, &json!({"displayName": "Another"}))).await?;
    for member in [&asked, &edited] {
        world.ready(&member.name).await?;
        world.ensure_one_client_with_its_pair(member).await?;
    }
    operator.stop().await
}

/// "One client at a time" is about the client and not about the pace (bunq-api §6).
async fn a_conflict_that_is_no_throttle_refuses_a_creation(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process().await?;
    let conflict = FaultKind::Status(409, "You can have one OAuth client at a time.".to_owned());
    world.sandbox.inject(Fault::new("POST", CLIENTS, conflict).forever());
    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "CreateRefused").await?;
    ensure_says(&object, &["one OAuth client at a time"])?;
    for _ in 0..6 {
        operator.let_pass(Duration::from_mins(10)).await?;
    }
    ensure_eq(world.sandbox.count("POST", CLIENTS), 3, "creations sent: every form once")?;
    let reads = world.sandbox.count("GET", CLIENTS);
    ensure(reads >= 4, || format!("{reads} listings: one before each form and one after the last"))?;

    world.sandbox.clear_faults();
    world.annotate("my-app", REQUESTED_AT, "1").await?;
    world.ready("my-app").await?;
    operator.stop().await
}

async fn a_refused_cancellation_ends_in_the_app_or_with_a_request(world: Arc<World>) -> Outcome {
    world.start_operator().await?;
    let members = [world.join(0).await?, world.join(1).await?];
    let mut ids = Vec::new();
    for member in &members {
        let object = world.ready(&member.name).await?;
        ids.push(object["status"]["oauthClientId"].as_u64().unwrap_or_default());
    }
    let refusal = FaultKind::Status(400, "This client cannot be cancelled.".to_owned());
    world.sandbox.inject(Fault::new("PUT", CLIENTS, refusal).forever());
    for member in &members {
        let cancelled = world.manifest_of(member, &json!({"status": "CANCELLED"}));
        let object = world.apply_reason(&cancelled, "CancelRefused").await?;
        ensure_says(&object, &["This client cannot be cancelled.", "Cancel it in the bunq app", REQUESTED_AT])?;
    }
    ensure_eq(world.sandbox.count("PUT", "user/{u}/oauth-client/{c}"), 2, "cancellations sent")?;

    // One is cancelled in the app; for the other the bank has changed its mind.
    world.sandbox.with(|bank| bank.cancel_by_hand(ids[0]));
    world.annotate(&members[0].name, REQUESTED_AT, "1").await?;
    ensure_eq(ready_reason(&world.ready(&members[0].name).await?), "Cancelled", "the reason of Ready")?;
    world.sandbox.clear_faults();
    world.annotate(&members[1].name, REQUESTED_AT, "1").await?;
    ensure_eq(ready_reason(&world.ready(&members[1].name).await?), "Cancelled", "the reason of Ready")?;
    ensure_eq(world.sandbox.count("PUT", "user/{u}/oauth-client/{c}"), 3, "cancellations sent")?;
    let status = world.sandbox.with(|bank| bank.client(ids[1]).map(|client| client.status));
    ensure_eq(status, Some(ClientStatus::Cancelled), "the client at the bank")
}

/// It never comes back as another client behind anybody's back (F26).
async fn a_refused_reactivation_ends_with_a_new_client_that_the_annotation_allows(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.sandbox.behave(|bank| bank.reactivation = Reactivation::Refused(400));
    world.start_operator().await?;
    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let old = client_id(&object).to_owned();
    world.apply_ready(&world.manifest("my-app", &json!({"status": "CANCELLED"}))).await?;

    let active = world.manifest("my-app", &json!({"status": "ACTIVE"}));
    let object = world.apply_reason(&active, "ReactivationRefused").await?;
    let annotation = format!("{ALLOW_NEW_CLIENT}: \"{old}\"");
    ensure_says(&object, &["A cancelled OAuth client cannot be activated.", &annotation])?;
    ensure_eq(&condition(&object, "Stalled")["status"], &json!("True"), "Stalled")?;

    becomes_a_new_client(&world, &old).await
}

/// Nothing is published while there is only half of a pair (F23).
async fn a_secret_that_is_shown_later_is_published_on_request(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.sandbox.behave(|bank| bank.secret_shown = SecretShown::Never);
    world.start_operator().await?;

    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "ClientSecretNotShown").await?;
    ensure_says(&object, &[client_id(&object), REQUESTED_AT])?;
    ensure_eq(world.secret_if_any("my-app").await?.is_some(), false, "a Secret")?;

    world.sandbox.behave(|bank| bank.secret_shown = SecretShown::Always);
    world.annotate("my-app", REQUESTED_AT, "1").await?;
    let object = world.ready("my-app").await?;
    ensure_eq(world.secret("my-app").await?["client_id"].as_str(), client_id(&object), "the published client_id")
}

/// A secret that only the first read shows was lost with that read (F23).
async fn a_secret_that_is_never_shown_ends_with_a_new_client(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.sandbox.behave(|bank| bank.secret_shown = SecretShown::Never);
    world.start_operator().await?;
    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "ClientSecretNotShown").await?;
    let old = client_id(&object).to_owned();
    ensure_says(&object, &["spec.status: CANCELLED", "then ACTIVE", &format!("{ALLOW_NEW_CLIENT}: \"{old}\"")])?;

    // Whoever looked away at the first read will never see the secret of this client.
    world.sandbox.behave(|bank| bank.secret_shown = SecretShown::FirstReadOnly);
    world.apply_ready(&world.manifest("my-app", &json!({"status": "CANCELLED"}))).await?;
    let mut active = world.manifest("my-app", &json!({"status": "ACTIVE"}));
    active["metadata"]["annotations"] = json!({ALLOW_NEW_CLIENT: old});
    world.apply(&active).await?;
    becomes_a_new_client(&world, &old).await
}
