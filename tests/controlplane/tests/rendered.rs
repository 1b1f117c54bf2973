//! What `kubectl kustomize deploy/` renders: how the pod is let in, and whom it may talk to.

use serde::Deserialize as _;
use serde_json::{Value, json};

use super::shared;

async fn rendered(folder: &str) -> Vec<Value> {
    let folder = format!("{}/../{folder}", env!("CARGO_MANIFEST_DIR"));
    let yaml = shared().await.kubectl().run(&["kustomize", &folder]).await.unwrap();
    serde_yaml_ng::Deserializer::from_str(&yaml).map(|document| Value::deserialize(document).unwrap()).collect()
}

fn only<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    let (Some(object), None) = (found.next(), found.next()) else {
        panic!("not exactly one {kind} {name}");
    };
    object
}

/// `H13`: one token for one container, and it lives an hour.
#[tokio::test]
async fn the_pod_has_one_short_lived_token_and_no_other_way_in() {
    let objects = rendered("deploy").await;
    let account = only(&objects, "ServiceAccount", "bunq-oauth-operator");
    assert_eq!(account["automountServiceAccountToken"], false);
    let deployment = only(&objects, "Deployment", "bunq-oauth-operator");
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["volumes"].as_array().map(Vec::len), Some(1));
    let sources = &pod["volumes"][0]["projected"]["sources"];
    assert_eq!(sources[0], json!({"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}));
    assert_eq!(sources.as_array().map(Vec::len), Some(3));
    let containers = pod["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    let place = "/var/run/secrets/kubernetes.io/serviceaccount";
    let mounts = json!([{"name": "kube-api-access", "mountPath": place, "readOnly": true}]);
    assert_eq!(containers[0]["volumeMounts"], mounts);
    // A numeric user stands in the image; OpenShift gives another one.
    for level in [&pod["securityContext"], &containers[0]["securityContext"]] {
        assert!(level["runAsUser"].is_null());
    }
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(containers[0]["securityContext"]["readOnlyRootFilesystem"], true);
}

/// `H15`: nothing in, but metrics for those who are let; out only to DNS, 443 and 6443.
#[tokio::test]
async fn the_network_is_closed_but_for_dns_the_bank_and_the_api_server() {
    let objects = rendered("deploy").await;
    let closed = &only(&objects, "NetworkPolicy", "default-deny")["spec"];
    assert_eq!(*closed, json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}));

    let open = &only(&objects, "NetworkPolicy", "bunq-oauth-operator")["spec"];
    assert_eq!(open["policyTypes"], json!(["Ingress", "Egress"]));
    let pod = &only(&objects, "Deployment", "bunq-oauth-operator")["spec"]["template"];
    let selected = open["podSelector"]["matchLabels"].as_object().unwrap();
    assert!(!selected.is_empty());
    assert!(selected.iter().all(|(label, value)| pod["metadata"]["labels"][label] == *value));
    let ports = |rules: &Value| -> Vec<String> {
        let ports = rules.as_array().unwrap().iter().flat_map(|rule| rule["ports"].as_array().unwrap());
        ports.map(|port| format!("{} {}", port["protocol"].as_str().unwrap(), port["port"])).collect()
    };
    assert_eq!(ports(&open["egress"]), ["UDP 53", "TCP 53", "UDP 5353", "TCP 5353", "TCP 443", "TCP 6443"]);
    assert_eq!(ports(&open["ingress"]), ["TCP 8080"]);
    let from = json!([{"namespaceSelector": {"matchLabels": {"bunq-operator.io/metrics": "true"}}}]);
    assert_eq!(open["ingress"][0]["from"], from);
    assert_eq!(pod["spec"]["containers"][0]["ports"][0]["containerPort"], 8080);
}

#[tokio::test]
async fn the_image_is_named_by_whoever_installs_it() {
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../target");
    // Where another folder is named for what is built, nobody has made it.
    std::fs::create_dir_all(target).unwrap();
    let folder = tempfile::tempdir_in(target).unwrap();
    let kustomization = "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../deploy]
images:
- name: bunq-oauth-operator
  newName: registry.example.com/bunq-oauth-operator
  newTag: 0.1.0
";
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization).unwrap();
    let name = folder.path().file_name().unwrap().to_string_lossy().into_owned();
    let objects = rendered(&format!("target/{name}")).await;
    let deployment = only(&objects, "Deployment", "bunq-oauth-operator");
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(image, "registry.example.com/bunq-oauth-operator:0.1.0");
}
