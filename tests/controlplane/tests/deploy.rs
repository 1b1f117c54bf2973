//! `deploy/` on a real API server: it applies, its pod is restricted, its rights are what they say.

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{ControlPlane, eventually, make_namespace, refusal, shared};

const OPERATOR: &str = "system:serviceaccount:bunq-operator:bunq-oauth-operator";

fn path(name: &str) -> String {
    format!("{}/../deploy/{name}", env!("CARGO_MANIFEST_DIR"))
}

async fn deployed() -> &'static ControlPlane {
    static DEPLOYED: OnceCell<()> = OnceCell::const_new();
    let plane = shared().await;
    let deploy = async || {
        plane.kubectl().run(&["apply", "--server-side", "-k", &path("")]).await.unwrap();
        let crd = "crd/bunqoauthclients.bunq-operator.io";
        plane.kubectl().run(&["wait", "--for=condition=Established", crd, "--timeout=60s"]).await.unwrap();
        plane.kubectl().run(&["apply", "--server-side", "-f", &path("samples/namespace.yaml")]).await.unwrap();
    };
    DEPLOYED.get_or_init(deploy).await;
    plane
}

/// Whether the operator's service account may, in the API server's own words: yes or no.
async fn may(plane: &ControlPlane, namespace: &str, verb: &str, resource: &str) -> bool {
    let args = ["auth", "can-i", verb, resource, "--namespace", namespace, "--as", OPERATOR];
    match plane.kubectl().run(&args).await {
        Ok(answer) => answer.trim() == "yes",
        Err(_) => false,
    }
}

#[tokio::test]
async fn the_operators_pod_keeps_to_the_restricted_profile() {
    let plane = deployed().await;
    let get = ["-n", "bunq-operator", "get", "deployment", "bunq-oauth-operator", "-o", "json"];
    let deployment: Value = serde_json::from_str(&plane.kubectl().run(&get).await.unwrap()).unwrap();
    let template = &deployment["spec"]["template"];
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "tried", "namespace": "bunq-operator", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    });
    // A Deployment that breaks the profile is only warned of; its pods are refused.
    let create = ["create", "--dry-run=server", "--warnings-as-errors", "-f", "-"];
    plane.kubectl().run_with_stdin(&create, &pod.to_string()).await.unwrap();
    let mut workload = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "tried", "namespace": "bunq-operator"},
        "spec": {"selector": deployment["spec"]["selector"], "template": template},
    });
    plane.kubectl().run_with_stdin(&create, &workload.to_string()).await.unwrap();

    let container = "/spec/containers/0/securityContext";
    for (place, field, value) in [
        (container, "allowPrivilegeEscalation", json!(true)),
        (container, "capabilities", json!({})),
        (container, "privileged", json!(true)),
        (container, "runAsUser", json!(0)),
        ("/spec/securityContext", "runAsNonRoot", json!(false)),
        ("/spec/securityContext", "seccompProfile", json!({"type": "Unconfined"})),
        ("/spec", "hostNetwork", json!(true)),
        ("/spec", "volumes", json!([{"name": "kube-api-access", "hostPath": {"path": "/"}}])),
    ] {
        let mut weaker = pod.clone();
        weaker.pointer_mut(place).unwrap()[field] = value;
        let answer = refusal(plane.kubectl().run_with_stdin(&create, &weaker.to_string()).await);
        let is_refused = answer.contains("violates PodSecurity") || answer.contains("is invalid");
        assert!(is_refused, "{field}: {answer}");
    }
    workload["spec"]["template"]["spec"]["hostPID"] = json!(true);
    let answer = refusal(plane.kubectl().run_with_stdin(&create, &workload.to_string()).await);
    assert!(answer.contains("would violate PodSecurity"), "{answer}");
}

#[tokio::test]
async fn the_operator_reaches_secrets_only_where_a_namespace_opted_in() {
    let plane = deployed().await;
    make_namespace(plane, "closed").await;
    for verb in ["get", "list", "watch", "create", "update", "patch", "delete"] {
        assert!(!may(plane, "closed", verb, "secrets").await, "{verb}");
    }
    assert!(may(plane, "closed", "watch", "bunqoauthclients").await);
    assert!(may(plane, "bunq-operator", "update", "secrets").await);
    assert!(!may(plane, "bunq-operator", "watch", "secrets").await);

    make_namespace(plane, "open").await;
    bind(plane, "open", "bunq-oauth-operator-tenant").await.unwrap();

    eventually("the binding is seen", async || may(plane, "open", "watch", "secrets").await).await;
    assert!(!may(plane, "open", "update", "secrets").await);
    assert!(!may(plane, "open", "deletecollection", "secrets").await);
    assert!(!may(plane, "closed", "get", "secrets").await);
}

async fn bind(plane: &ControlPlane, namespace: &str, role: &str) -> Result<String, super::Error> {
    let role = format!("--clusterrole={role}");
    let subject = "--serviceaccount=bunq-operator:bunq-oauth-operator";
    plane.kubectl().run(&["-n", namespace, "create", "rolebinding", "tenant", &role, subject]).await
}

#[tokio::test]
async fn a_namespaces_admin_can_let_the_operator_in_and_use_its_resource() {
    let plane = deployed().await;
    make_namespace(plane, "team").await;
    let admin = plane.kubectl();
    admin.run(&["-n", "team", "create", "serviceaccount", "lead"]).await.unwrap();
    let lead = ["-n", "team", "create", "rolebinding", "lead", "--clusterrole=admin", "--serviceaccount=team:lead"];
    admin.run(&lead).await.unwrap();
    let lead = admin.with_kubeconfig(&plane.service_account_kubeconfig("team", "lead").await.unwrap());
    eventually("admin is aggregated", async || {
        lead.run(&["auth", "can-i", "create", "bunqoauthclients"]).await.is_ok()
    })
    .await;

    let manifest = std::fs::read_to_string(path("samples/role-binding.yaml")).unwrap();
    lead.apply_stdin(&manifest.replace("namespace: shop", "namespace: team")).await.unwrap();

    assert!(may(plane, "team", "get", "secrets").await);
    let wider = manifest.replace("name: bunq-oauth-operator-tenant", "name: bunq-oauth-operator");
    let answer = refusal(lead.apply_stdin(&wider.replace("namespace: shop", "namespace: team")).await);
    assert!(answer.contains("forbidden"), "{answer}");
}

#[tokio::test]
async fn an_owner_without_a_block_needs_no_right_on_finalizers() {
    let plane = deployed().await;
    make_namespace(plane, "owned").await;
    bind(plane, "owned", "bunq-oauth-operator-tenant").await.unwrap();
    eventually("the binding is seen", async || may(plane, "owned", "create", "secrets").await).await;
    let operator = plane.service_account_kubeconfig("bunq-operator", "bunq-oauth-operator").await.unwrap();
    let operator = plane.kubectl().with_kubeconfig(&operator);
    let secret = |block: bool| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "out", "namespace": "owned", "ownerReferences": [{
                "apiVersion": "bunq-operator.io/v1alpha1", "kind": "BunqOAuthClient", "name": "my-app",
                "uid": "00000000-0000-0000-0000-000000000001", "controller": true, "blockOwnerDeletion": block,
            }]},
        })
        .to_string()
    };
    let create = ["create", "--dry-run=server", "--validate=false", "-f", "-"];

    operator.run_with_stdin(&create, &secret(false)).await.unwrap();

    let answer = refusal(operator.run_with_stdin(&create, &secret(true)).await);
    assert!(answer.contains("blockOwnerDeletion"), "{answer}");
}

#[tokio::test]
async fn every_sample_is_accepted_and_then_differs_in_nothing() {
    let plane = deployed().await;
    let mut seen = 0;
    for entry in std::fs::read_dir(path("samples")).unwrap() {
        let sample = entry.unwrap().path().display().to_string();
        let text = std::fs::read_to_string(&sample).unwrap();
        assert!(text.starts_with("# Shows: "), "{sample} does not say what it shows");

        plane.kubectl().run(&["apply", "--server-side", "-f", &sample]).await.unwrap();

        let difference = plane.kubectl().run(&["diff", "--server-side", "-f", &sample]).await;
        assert!(matches!(&difference, Ok(text) if text.is_empty()), "{sample}: {difference:?}");
        seen += 1;
    }
    assert!(seen >= 6);
}
