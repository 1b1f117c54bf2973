//! Reasons of the API key, and of the bank's own.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use libtest_mimic::Trial;
use rsa::{
    RsaPrivateKey,
    pkcs8::{EncodePublicKey, LineEnding},
};
use serde_json::json;
use testbed::harness::{
    Outcome, World, ensure, ensure_eq,
    world::{condition, ready_reason},
};

use super::{ALLOW_NEW_CLIENT, REQUESTED_AT, allow_new_client, client_id, ensure_says};
use crate::stage::{Stage, scenarios};

/// The longest back-off, and a little more.
const LONGEST_BACK_OFF: Duration = Duration::from_mins(11);

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "reasons":
        the_key_of_another_user_moves_the_manifest_when_the_annotation_allows_it,
        a_bank_whose_key_changed_is_believed_again_after_its_context_was_deleted,
    )
}

/// Both clients live on: the old one belongs to a user who is no longer spoken of (F33).
async fn the_key_of_another_user_moves_the_manifest_when_the_annotation_allows_it(world: Arc<World>) -> Outcome {
    let first = world.user().await?;
    world.start_operator().await?;
    let old = client_id(&world.apply_ready(&world.manifest("my-app", &json!({}))).await?).to_owned();
    let second = world.user().await?;
    let object = world.reason("my-app", "UserChanged").await?;
    ensure_says(&object, &[&format!("{ALLOW_NEW_CLIENT}: \"{old}\""), &format!("user {}", second.id)])?;

    allow_new_client(&world, &old).await?;
    let object = world.ready("my-app").await?;

    ensure_eq(&object["status"]["userId"], &json!(second.id), "status.userId")?;
    let active = |user: u64| world.sandbox.with(|bank| bank.active_clients(user).len());
    ensure_eq((active(first.id), active(second.id)), (1, 1), "ACTIVE clients of both users")?;
    ensure_eq(world.secret("my-app").await?["client_id"].as_str(), client_id(&object), "the published client_id")?;
    let claims: Vec<_> = world.claims().await?.iter().map(ResourceExt::name_any).collect();
    ensure_eq(claims, [format!("bunq-user-sandbox-{}", second.id)], "the claims")
}

/// The key that an installation was given verifies nothing any more. That is waited out for an
/// hour; then the message names the step that fetches the bank's key anew (F21, protocol §8).
async fn a_bank_whose_key_changed_is_believed_again_after_its_context_was_deleted(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    operator.stop().await?;
    let contexts: Api<Secret> = Api::namespaced(world.admin(), &world.operator_namespace);
    let context = world.contexts().await?.first().map(ResourceExt::name_any).ok_or("there is no context")?;
    let key = RsaPrivateKey::new(&mut rand::thread_rng(), 2048)?.to_public_key().to_public_key_pem(LineEnding::LF)?;
    let other = Patch::Merge(json!({"stringData": {"server-public-key": key}}));
    contexts.patch(&context, &PatchParams::default(), &other).await?;
    let published = world.secret("my-app").await?;
    world.sandbox.clear_calls();

    let operator = world.start_in_process().await?;
    let unverified = |object: &serde_json::Value| condition(object, "RemoteInSync")["reason"] == "BankAnswerUnverified";
    let object = world.until("my-app", "told of it", unverified).await?;
    ensure_eq(ready_reason(&object), "Synced", "the reason of Ready, which stays")?;
    for _ in 0..7 {
        operator.let_pass(LONGEST_BACK_OFF).await?;
    }
    let object = world.reason("my-app", "ServerSignatureInvalid").await?;
    let named = format!("delete Secret {}/{context}", world.operator_namespace);
    ensure_says(&object, &["over an hour", &named])?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;

    contexts.delete(&context, &DeleteParams::default()).await?;
    operator.let_pass(LONGEST_BACK_OFF).await?;
    world.ready("my-app").await?;
    ensure_eq(world.sandbox.count("POST", "installation"), 1, "installations")?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure(world.secret("my-app").await? == published, || "the Secret changed".to_owned())?;
    world.annotate("my-app", REQUESTED_AT, "1").await?;
    world.until("my-app", "asked", |object| object["status"]["lastHandledReconcileAt"] == "1").await?;
    operator.stop().await
}
