//! Rights are there, and something else refuses the Secret: a quota, or a policy (F38).

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::{ResourceQuota, Secret},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{Outcome, World, deployment, ensure, ensure_eq, world::condition};

use crate::stage::{Stage, scenarios};

const HEALED_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "rights":
        a_full_quota_is_named_and_room_in_it_heals,
        a_policy_that_refuses_the_secret_is_named_and_its_end_heals,
    )
}

/// Whether a Secret can be made in the tenant's namespace.
async fn may_create(world: &World) -> bool {
    let probe = serde_json::from_value(json!({"metadata": {"name": "probe"}})).unwrap_or_default();
    let secrets: Api<Secret> = world.secrets();
    secrets.create(&PostParams { dry_run: true, ..PostParams::default() }, &probe).await.is_ok()
}

async fn until_refused(world: &World) {
    while may_create(world).await {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// It is Stalled, says who refuses and what to do, and the client that waits for its Secret is one.
async fn is_told(world: &World, words: &[&str]) -> Outcome {
    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "Forbidden").await?;
    let message = condition(&object, "Ready")["message"].as_str().unwrap_or_default();
    let missing: Vec<_> = words.iter().filter(|word| !message.contains(**word)).collect();
    ensure(missing.is_empty(), || format!("the message lacks {missing:?}: {message}"))?;
    ensure_eq(&condition(&object, "Stalled")["status"], &json!("True"), "Stalled")
}

async fn heals(world: &World) -> Outcome {
    world.ready_within("my-app", HEALED_WITHIN).await?;
    ensure_eq(world.sandbox.count("POST", super::CLIENTS), 1, "creations")?;
    ensure_eq(world.sandbox.count("POST", "installation"), 1, "installations")
}

/// F38: `count/secrets` is used up.
async fn a_full_quota_is_named_and_room_in_it_heals(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    let full = json!({"count/secrets": "1"});
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "full", "namespace": world.namespace}, "spec": {"hard": full},
    });
    deployment::apply(&world.admin(), &quota).await?;
    let quotas: Api<ResourceQuota> = Api::namespaced(world.admin(), &world.namespace);
    // The controller that counts is not there.
    let used = Patch::Merge(json!({"status": {"hard": full, "used": full}}));
    quotas.patch_status("full", &PatchParams::default(), &used).await?;
    until_refused(&world).await;

    is_told(&world, &["create Secret", "exceeded quota: full", "Raise the quota"]).await?;

    quotas.delete("full", &DeleteParams::default()).await?;
    heals(&world).await
}

/// F38: a `ValidatingAdmissionPolicy` of the cluster's admins.
async fn a_policy_that_refuses_the_secret_is_named_and_its_end_heals(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    let name = format!("no-secrets-{}", world.name);
    let api = "admissionregistration.k8s.io/v1";
    let policy = json!({
        "apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]},
            ]},
            "validations": [{"expression": "false", "message": "no Secrets on Sundays"}],
        },
    });
    let binding = json!({
        "apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}},
        },
    });
    deployment::apply(&world.admin(), &policy).await?;
    deployment::apply(&world.admin(), &binding).await?;
    until_refused(&world).await;

    is_told(&world, &["create Secret", &name, "no Secrets on Sundays", "Change the policy"]).await?;

    let at_once = DeleteParams::default();
    Api::<ValidatingAdmissionPolicyBinding>::all(world.admin()).delete(&name, &at_once).await?;
    Api::<ValidatingAdmissionPolicy>::all(world.admin()).delete(&name, &at_once).await?;
    heals(&world).await
}
