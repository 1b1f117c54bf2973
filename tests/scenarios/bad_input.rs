//! What is wrong around the key: a namespace without rights, answers that cannot be believed.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::{Api, api::DeleteParams};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{Outcome, World, deployment::TENANT_ROLE, ensure, ensure_eq, world::condition},
    sandbox::{Fault, FaultKind},
};

use crate::stage::{Stage, scenarios};

const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
/// "Granting heals in at most 10 s".
const GRANTED: Duration = Duration::from_secs(10);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "bad_input":
        a_namespace_without_rights_is_healed_by_the_command_in_the_message,
        an_answer_without_a_signature_is_not_believed,
        an_answer_with_a_wrong_signature_is_not_believed,
        a_signature_of_other_bytes_is_not_believed,
        a_lost_answer_to_a_create_never_makes_a_second_client,
        a_refused_redirect_url_is_told_in_the_banks_words,
    )
}

async fn a_namespace_without_rights_is_healed_by_the_command_in_the_message(world: Arc<World>) -> Outcome {
    world.user().await?;
    let bindings: Api<RoleBinding> = Api::namespaced(world.admin(), &world.namespace);
    bindings.delete(TENANT_ROLE, &DeleteParams::default()).await?;
    world.start_operator().await?;

    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "NamespaceNotGranted").await?;
    ensure_eq(&condition(&object, "Stalled")["status"], &json!("True"), "Stalled")?;
    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;

    let message = condition(&object, "Ready")["message"].as_str().unwrap_or_default();
    let command = message.split_once("kubectl ").map(|(_, command)| command).ok_or("no command in the message")?;
    let args: Vec<&str> = command.split_whitespace().map(|word| word.trim_end_matches(['.', ','])).collect();
    world.bench.control_plane().kubectl().run(&args).await?;
    world.ready_within("my-app", GRANTED).await.map(drop)
}

/// Nothing of an answer that is not signed by the bank is believed or written, and it is tried
/// again; the condition says so.
async fn is_not_believed(world: Arc<World>, kind: FaultKind) -> Outcome {
    let user = world.user().await?;
    // Clients that an unsigned listing shows must not be adopted; none must be made for want of it.
    world.sandbox.with(|bank| bank.create_by_hand(user.id, Some("By hand"), &[]));
    world.sandbox.inject(Fault::new("GET", "user/{u}/oauth-client", kind).forever());
    world.start_operator().await?;

    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "BankAnswerUnverified").await?;
    ensure(condition(&object, "Stalled").is_null(), || "it is Stalled".to_owned())?;
    ensure(condition(&object, "RemoteInSync")["status"] != "True", || "RemoteInSync is True".to_owned())?;
    ensure(object["status"]["nextAttemptTime"].is_string(), || "nobody is told when it is tried again".to_owned())?;
    ensure_eq(&object["status"]["clientId"], &Value::Null, "status.clientId")?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure_eq(world.secret_if_any("my-app").await?.is_some(), false, "a Secret")?;

    world.sandbox.clear_faults();
    world.annotate("my-app", REQUESTED_AT, "1").await?;
    world.ready("my-app").await.map(drop)
}

async fn an_answer_without_a_signature_is_not_believed(world: Arc<World>) -> Outcome {
    is_not_believed(world, FaultKind::MissingSignature).await
}

async fn an_answer_with_a_wrong_signature_is_not_believed(world: Arc<World>) -> Outcome {
    is_not_believed(world, FaultKind::WrongSignature).await
}

async fn a_signature_of_other_bytes_is_not_believed(world: Arc<World>) -> Outcome {
    is_not_believed(world, FaultKind::SignatureOfOtherBody).await
}

async fn a_lost_answer_to_a_create_never_makes_a_second_client(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.sandbox.inject(Fault::new("POST", "user/{u}/oauth-client$", FaultKind::DropAfterCommit));
    world.start_operator().await?;

    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients of the user")
}

async fn a_refused_redirect_url_is_told_in_the_banks_words(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secret("my-app").await?;
    world.sandbox.behave(|bank| bank.refused_urls = vec!["refused.example".to_owned()]);

    let refused = json!({"redirectUrl": "https://refused.example/callback"});
    let object = world.apply_reason(&world.manifest("my-app", &refused), "RedirectUrlRefused").await?;

    let message = condition(&object, "Ready")["message"].as_str().unwrap_or_default();
    ensure(message.contains("https://refused.example/callback"), || format!("which URL? {message}"))?;
    ensure(world.secret("my-app").await? == before, || "the Secret changed".to_owned())?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await.map(drop)
}
