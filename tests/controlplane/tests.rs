//! What tests of an operator rely on, checked on the control plane itself. All but one share one.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::OnceCell;

use super::audit::unused_grants;
use super::{Component, ControlPlane, Error, Options, Progress};

mod deploy;
mod rendered;

const WIDGETS: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.testbed.example}
spec:
  group: testbed.example
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {size: {type: integer}}
            x-kubernetes-validations:
            - {rule: self.size < 10, message: size must be less than 10}
";

/// Ends with the test process: its servers see their standard input close, its folder is swept by the next start.
async fn shared() -> &'static ControlPlane {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    let start = || ControlPlane::start(Options { audit: true, ..Options::default() });
    SHARED.get_or_try_init(start).await.unwrap()
}

async fn make_namespace(plane: &ControlPlane, name: &str) {
    plane.kubectl().run(&["create", "namespace", name]).await.unwrap();
}

/// Waits for what a controller brings about.
async fn eventually<F: Future<Output = bool>>(what: &str, check: impl Fn() -> F) {
    let done = async {
        while !check().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), done).await.unwrap_or_else(|_| panic!("never: {what}"));
}

fn refusal(answer: Result<String, Error>) -> String {
    match answer {
        Err(Error::Kubectl { stderr, .. }) => stderr,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_rule_in_a_schema_refuses_with_its_own_sentence() {
    let plane = shared().await;
    plane.kubectl().apply_stdin(WIDGETS).await.unwrap();
    let established = ["wait", "--for=condition=Established", "crd/widgets.testbed.example", "--timeout=60s"];
    plane.kubectl().run(&established).await.unwrap();
    let widget = |size: u32| {
        format!(
            "{{apiVersion: testbed.example/v1, kind: Widget, metadata: {{name: w, namespace: default}}, spec: {{size: {size}}}}}"
        )
    };

    plane.kubectl().apply_stdin(&widget(9)).await.unwrap();
    let answer = refusal(plane.kubectl().apply_stdin(&widget(10)).await);

    assert!(answer.contains("size must be less than 10"), "{answer}");
}

#[tokio::test]
async fn a_service_account_may_do_what_its_binding_grants_and_the_audit_log_names_the_binding() {
    let plane = shared().await;
    make_namespace(plane, "rights").await;
    let admin = plane.kubectl();
    admin.run(&["-n", "rights", "create", "serviceaccount", "reader"]).await.unwrap();
    let kubeconfig = plane.service_account_kubeconfig("rights", "reader").await.unwrap();
    let reader = admin.with_kubeconfig(&kubeconfig);
    assert!(refusal(reader.run(&["get", "configmaps"]).await).contains("forbidden"));

    admin.run(&["-n", "rights", "create", "role", "read", "--verb=list,watch", "--resource=configmaps"]).await.unwrap();
    let bind =
        ["-n", "rights", "create", "rolebinding", "reader-reads", "--role=read", "--serviceaccount=rights:reader"];
    admin.run(&bind).await.unwrap();

    eventually("the binding is seen", async || reader.run(&["get", "configmaps"]).await.is_ok()).await;
    assert!(refusal(reader.run(&["get", "secrets"]).await).contains("forbidden"));
    let log = plane.audit_log().unwrap();
    let is_reader = |user: &str| user == "system:serviceaccount:rights:reader";
    let client = plane.admin_client().await.unwrap();
    let unused = unused_grants(client, log, is_reader).await.unwrap();
    let unused: Vec<String> = unused.iter().map(ToString::to_string).collect();
    assert_eq!(unused, ["Role rights/read: watch on configmaps never used"]);
}

#[tokio::test]
async fn an_object_goes_with_its_owner() {
    let plane = shared().await;
    make_namespace(plane, "garbage").await;
    let client = plane.admin_client().await.unwrap();
    let configs: Api<ConfigMap> = Api::namespaced(client.clone(), "garbage");
    let named = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let owner = ConfigMap { metadata: named("owner"), ..ConfigMap::default() };
    let owner = configs.create(&PostParams::default(), &owner).await.unwrap();
    let reference = kube::Resource::owner_ref(&owner, &()).unwrap();
    let mut secret = Secret { metadata: named("owned"), ..Secret::default() };
    secret.metadata.owner_references = Some(vec![reference]);
    let secrets: Api<Secret> = Api::namespaced(client, "garbage");
    secrets.create(&PostParams::default(), &secret).await.unwrap();

    configs.delete("owner", &kube::api::DeleteParams::default()).await.unwrap();

    eventually("the owned Secret is gone", async || secrets.get_opt("owned").await.unwrap().is_none()).await;
}

#[tokio::test]
async fn a_namespace_can_be_deleted() {
    let plane = shared().await;
    make_namespace(plane, "passing").await;
    plane.kubectl().run(&["-n", "passing", "create", "configmap", "inside"]).await.unwrap();

    plane.kubectl().run(&["delete", "namespace", "passing", "--timeout=60s"]).await.unwrap();

    let namespaces: Api<Namespace> = Api::all(plane.admin_client().await.unwrap());
    assert!(namespaces.get_opt("passing").await.unwrap().is_none());
}

#[tokio::test]
async fn a_cluster_role_with_the_label_is_added_to_view() {
    let plane = shared().await;
    let role = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: widgets-view, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}
rules: [{apiGroups: [aggregated.example], resources: [widgets], verbs: [get]}]
"#;
    plane.kubectl().apply_stdin(role).await.unwrap();

    let kubectl = plane.kubectl();
    eventually("view holds the rule", async || {
        kubectl.run(&["get", "clusterrole", "view", "-o", "yaml"]).await.unwrap().contains("aggregated.example")
    })
    .await;
}

#[tokio::test]
async fn kubectl_and_server_know_their_version() {
    let version = shared().await.kubectl().run(&["version", "-o", "json"]).await.unwrap();
    let version: serde_json::Value = serde_json::from_str(&version).unwrap();
    for side in ["clientVersion", "serverVersion"] {
        assert_eq!(version[side]["major"], "1", "{version}");
        assert_ne!(version[side]["gitVersion"], "v0.0.0-master+$Format:%H$");
    }
}

#[tokio::test]
async fn a_restarted_api_server_has_its_objects_and_a_stopped_control_plane_leaves_nothing() {
    let plane = ControlPlane::start(Options { progress: Progress::silent(), ..Options::default() }).await.unwrap();
    let folder: PathBuf = plane.dir().to_owned();
    make_namespace(&plane, "lasting").await;
    let before = plane.process_ids();

    plane.compact().await.unwrap();
    plane.restart_apiserver().await.unwrap();

    plane.kubectl().run(&["get", "namespace", "lasting"]).await.unwrap();
    let after = plane.process_ids();
    assert!(before.iter().zip(&after).filter(|(old, new)| old != new).count() == 1);
    assert!(after.iter().all(|&id| is_running(id)));
    assert!(folder.join("kube-apiserver.log").is_file() && !plane.logs(Component::ApiServer).is_empty());

    plane.stop().await.unwrap();

    assert!(before.iter().chain(&after).all(|&id| !is_running(id)));
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_control_plane_that_is_left_running_runs_on_until_its_processes_are_ended() {
    let options = Options { progress: Progress::silent(), ..Options::default() };
    let plane = ControlPlane::start(options).await.unwrap();
    let (folder, kubectl) = (plane.dir().to_owned(), plane.kubectl());

    let left = plane.leave_running().unwrap();

    kubectl.run(&["get", "namespaces"]).await.unwrap();
    for id in left {
        // Not asked in order, an API server waits for the etcd that is gone already.
        let ended = std::process::Command::new("kill").args(["-KILL", &id.to_string()]).status().unwrap();
        assert!(ended.success());
    }
    std::fs::remove_dir_all(folder).unwrap();
}

fn is_running(id: u32) -> bool {
    let kill = std::process::Command::new("kill").args(["-0", &id.to_string()]).stderr(Stdio::null()).status();
    kill.unwrap().success()
}

#[tokio::test]
async fn a_cluster_that_is_named_is_used_and_left_as_it_is() {
    let plane = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let options = Options { dir: Some(folder.path().join("named")), ..Options::default() };

    let named = ControlPlane::existing(plane.admin_kubeconfig(), None, plane.kubectl().program(), &options).unwrap();

    assert_eq!(named.server_url(), plane.server_url());
    assert_eq!(std::fs::read(named.ca_file()).unwrap(), std::fs::read(plane.ca_file()).unwrap());
    assert!(named.audit_log().is_none() && named.process_ids().is_empty());
    named.kubectl().run(&["get", "namespaces"]).await.unwrap();
    assert!(matches!(named.restart_apiserver().await, Err(Error::NotOurs { .. })));
    named.stop().await.unwrap();
    plane.kubectl().run(&["get", "namespaces"]).await.unwrap();
}
