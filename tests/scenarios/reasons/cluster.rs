//! Reasons whose cause is in the cluster: rights, an admission that fails, objects that somebody
//! edited.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::{
    admissionregistration::v1::ValidatingWebhookConfiguration,
    authorization::v1::SubjectAccessReview,
    core::v1::{ConfigMap, Secret},
    rbac::v1::RoleBinding,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{
    Outcome, World,
    deployment::{self, SERVICE_ACCOUNT},
    ensure, ensure_eq,
    world::{condition, ready_reason},
};

use super::{REQUESTED_AT, client_id, ensure_says};
use crate::stage::{Stage, scenarios};

/// "Heals within seconds."
const SECONDS: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "reasons":
        rights_taken_away_while_it_runs_are_named_and_their_return_heals_within_seconds,
        a_failing_admission_webhook_is_waited_out,
        a_claim_that_cannot_be_read_is_left_alone_until_it_is_mended,
        a_claim_that_cannot_be_read_is_made_anew_after_its_deletion,
        a_context_that_cannot_be_read_is_made_anew_after_its_deletion,
        an_immutable_secret_that_must_change_is_written_anew_after_its_deletion,
    )
}

/// Verb and resource are told; whoever installs the RBAC again needs no restart (F38, L3).
async fn rights_taken_away_while_it_runs_are_named_and_their_return_heals_within_seconds(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    let bindings: Api<RoleBinding> = Api::namespaced(world.admin(), &world.operator_namespace);
    bindings.delete(SERVICE_ACCOUNT, &DeleteParams::default()).await?;
    while may_list_claims(&world).await? {
        tokio::time::sleep(LOOK_EVERY).await;
    }

    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "Forbidden").await?;
    ensure_says(&object, &["cannot ", "secrets", &world.operator_namespace, "Install the RBAC of this version"])?;
    ensure_eq(&condition(&object, "Stalled")["status"], &json!("True"), "Stalled")?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;

    for installed in world.bench.deployment().own(&world.operator_namespace, &world.name) {
        deployment::apply(&world.admin(), &installed).await?;
    }
    world.ready_within("my-app", SECONDS).await.map(drop)
}

async fn may_list_claims(world: &World) -> Outcome<bool> {
    let reviews: Api<SubjectAccessReview> = Api::all(world.admin());
    let review = serde_json::from_value(json!({"spec": {
        "user": world.operator_user(),
        "resourceAttributes": {"namespace": world.operator_namespace, "verb": "list", "resource": "configmaps"},
    }}))?;
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

async fn a_failing_admission_webhook_is_waited_out(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(world.admin());
    let name = format!("down-{}", world.name);
    let webhook = serde_json::from_value(json!({
        "metadata": {"name": name},
        "webhooks": [{
            "name": "down.testbed.example",
            // Nobody listens there.
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.operator_namespace}},
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }],
    }))?;
    webhooks.create(&PostParams::default(), &webhook).await?;
    while may_create_claims(&world).await {
        tokio::time::sleep(LOOK_EVERY).await;
    }

    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "KubernetesUnavailable").await?;
    ensure_says(&object, &["create ConfigMap", &world.operator_namespace, "by itself"])?;
    ensure(condition(&object, "Stalled").is_null(), || "it is Stalled".to_owned())?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;

    webhooks.delete(&name, &DeleteParams::default()).await?;
    world.ready("my-app").await.map(drop)
}

async fn may_create_claims(world: &World) -> bool {
    let claims: Api<ConfigMap> = Api::namespaced(world.admin(), &world.operator_namespace);
    let probe = serde_json::from_value(json!({"metadata": {"name": "probe"}})).unwrap_or_default();
    claims.create(&PostParams { dry_run: true, ..PostParams::default() }, &probe).await.is_ok()
}

/// Spoils the claim of `my-app`, which is Ready, and waits until that is told. Returns its name and
/// the journal as it was.
async fn spoil_the_claim(world: &World) -> Outcome<(Api<ConfigMap>, String, String)> {
    let user = world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let claims: Api<ConfigMap> = Api::namespaced(world.admin(), &world.operator_namespace);
    let name = format!("bunq-user-sandbox-{}", user.id);
    let journal = claims.get(&name).await?.data.and_then(|mut data| data.remove("journal")).unwrap_or_default();
    world.sandbox.clear_calls();

    write_journal(&claims, &name, "{").await?;
    world.annotate("my-app", REQUESTED_AT, "1").await?;
    let object = world.reason("my-app", "OperatorStateUnreadable").await?;
    let step = format!("mend or delete this object in namespace {}", world.operator_namespace);
    ensure_says(&object, &[&name, "Nothing is done on a guess", &step])?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    Ok((claims, name, journal))
}

async fn write_journal(claims: &Api<ConfigMap>, name: &str, journal: &str) -> Outcome {
    let patch = Patch::Merge(json!({"data": {"journal": journal}}));
    Ok(claims.patch(name, &PatchParams::default(), &patch).await.map(drop)?)
}

async fn a_claim_that_cannot_be_read_is_left_alone_until_it_is_mended(world: Arc<World>) -> Outcome {
    let (claims, name, journal) = spoil_the_claim(&world).await?;

    write_journal(&claims, &name, &journal).await?;
    world.ready("my-app").await?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")
}

async fn a_claim_that_cannot_be_read_is_made_anew_after_its_deletion(world: Arc<World>) -> Outcome {
    let (claims, name, _) = spoil_the_claim(&world).await?;
    let before = world.secret("my-app").await?;

    claims.delete(&name, &DeleteParams::default()).await?;
    world.ready("my-app").await?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure(world.secret("my-app").await? == before, || "the Secret changed".to_owned())
}

async fn a_context_that_cannot_be_read_is_made_anew_after_its_deletion(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secret("my-app").await?;
    // What a running process knows of it, it does not read again.
    world.kill_operator().await?;
    let contexts: Api<Secret> = Api::namespaced(world.admin(), &world.operator_namespace);
    let context = world.contexts().await?.first().map(ResourceExt::name_any).ok_or("there is no context")?;
    let spoilt = Patch::Merge(json!({"stringData": {"private-key": "no key"}}));
    contexts.patch(&context, &PatchParams::default(), &spoilt).await?;
    world.sandbox.clear_calls();

    world.start_operator().await?;
    let object = world.reason("my-app", "OperatorStateUnreadable").await?;
    let step = format!("mend or delete this object in namespace {}", world.operator_namespace);
    ensure_says(&object, &[&context, "Nothing is done on a guess", &step])?;
    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;

    contexts.delete(&context, &DeleteParams::default()).await?;
    world.ready("my-app").await?;
    ensure_eq(world.sandbox.count("POST", "installation"), 1, "installations")?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure(world.secret("my-app").await? == before, || "the Secret changed".to_owned())
}

/// What nobody can edit any more is not worth a fight (F27).
async fn an_immutable_secret_that_must_change_is_written_anew_after_its_deletion(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let secrets: Api<Secret> = world.secrets();
    let freeze = Patch::Merge(json!({"immutable": true}));
    secrets.patch("my-app", &PatchParams::default(), &freeze).await?;

    let moved = world.manifest("my-app", &json!({"redirectUrl": "https://myapp.com/elsewhere"}));
    let object = world.apply_reason(&moved, "SecretImmutable").await?;
    ensure_says(&object, &[&format!("{}/my-app", world.namespace), "Delete it"])?;

    world.delete_secret("my-app").await?;
    let object = world.ready_within("my-app", SECONDS).await?;
    ensure_eq(ready_reason(&object), "Synced", "the reason of Ready")?;
    let published = world.secret("my-app").await?;
    ensure_eq(published["redirect_uri"].as_str(), "https://myapp.com/elsewhere", "redirect_uri")?;
    ensure_eq(published["client_id"].as_str(), client_id(&object), "client_id")
}
