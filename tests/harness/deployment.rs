//! What `deploy/` installs, fitted to a world: the same rules, other names.

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde::Deserialize as _;
use serde_json::Value;

use super::outcome::Outcome;

/// The service account of the operator.
pub const SERVICE_ACCOUNT: &str = "bunq-oauth-operator";
/// The role that a tenant's namespace grants.
pub const TENANT_ROLE: &str = "bunq-oauth-operator-tenant";

const MANAGER: &str = "testbed";

/// The objects of `deploy/`, as kustomize renders them.
#[derive(Clone, Debug)]
pub struct Deployment {
    objects: Vec<Value>,
}

impl Deployment {
    /// Reads rendered YAML.
    pub fn parse(yaml: &str) -> Outcome<Self> {
        let documents = serde_yaml_ng::Deserializer::from_str(yaml);
        let objects = documents.map(Value::deserialize).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { objects })
    }

    /// What all worlds share: the resource's definition and the cluster roles.
    pub fn shared(&self) -> impl Iterator<Item = &Value> {
        self.of_kinds(&["CustomResourceDefinition", "ClusterRole"])
    }

    /// What each world has of its own, in the namespace `namespace` instead of the deployed one.
    /// Cluster-wide bindings get the suffix `-world`.
    #[must_use]
    pub fn own(&self, namespace: &str, world: &str) -> Vec<Value> {
        let own = self.of_kinds(&["Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRoleBinding"]);
        own.cloned().map(|object| moved(object, namespace, world)).collect()
    }

    fn of_kinds(&self, kinds: &'static [&'static str]) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(move |object| kinds.iter().any(|kind| object["kind"] == *kind))
    }
}

fn moved(mut object: Value, namespace: &str, world: &str) -> Value {
    if object["kind"] == "Namespace" {
        object["metadata"]["name"] = namespace.into();
    }
    if object["kind"] == "ClusterRoleBinding" {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        object["metadata"]["name"] = format!("{name}-{world}").into();
    }
    if !object["metadata"]["namespace"].is_null() {
        object["metadata"]["namespace"] = namespace.into();
    }
    let subjects = object.get_mut("subjects").and_then(Value::as_array_mut);
    for subject in subjects.into_iter().flatten() {
        subject["namespace"] = namespace.into();
    }
    object
}

/// The binding of D14: `namespace` lets the operator in `operator_namespace` use its Secrets.
#[must_use]
pub fn tenant_binding(namespace: &str, operator_namespace: &str) -> Value {
    serde_json::json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": TENANT_ROLE, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": TENANT_ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": operator_namespace}],
    })
}

/// A namespace without anything.
#[must_use]
pub fn namespace(name: &str) -> Value {
    serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// Applies one object on the server's side.
pub async fn apply(client: &Client, object: &Value) -> Outcome<DynamicObject> {
    let object: DynamicObject = serde_json::from_value(object.clone())?;
    let types = object.types.clone().unwrap_or_default();
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types)?);
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let name = object.metadata.name.clone().unwrap_or_default();
    let params = PatchParams::apply(MANAGER).force();
    let applied = api.patch(&name, &params, &Patch::Apply(&object)).await;
    applied.map_err(|error| format!("apply {} {name}: {error}", types.kind).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_has_its_own_account_and_bindings_and_shares_the_roles() {
        let deployed = "\
kind: Namespace
metadata: {name: bunq-operator}
---
kind: ClusterRole
metadata: {name: r}
---
kind: ClusterRoleBinding
metadata: {name: b}
roleRef: {name: r}
subjects: [{kind: ServiceAccount, name: s, namespace: bunq-operator}]
---
kind: RoleBinding
metadata: {name: b, namespace: bunq-operator}
subjects: [{kind: ServiceAccount, name: s, namespace: bunq-operator}]
---
kind: Deployment
metadata: {name: d, namespace: bunq-operator}
";
        let deployment = Deployment::parse(deployed).unwrap();

        let own = deployment.own("op-1", "1");

        assert_eq!(deployment.shared().count(), 1);
        assert_eq!(own.len(), 3);
        assert_eq!(own[0], serde_json::json!({"kind": "Namespace", "metadata": {"name": "op-1"}}));
        assert_eq!(own[1]["metadata"]["name"], "b-1");
        assert_eq!(own[1]["subjects"][0]["namespace"], "op-1");
        assert_eq!(own[1]["roleRef"]["name"], "r");
        assert_eq!(own[2]["metadata"]["namespace"], "op-1");
        assert!(!own.iter().any(|object| object.to_string().contains("bunq-operator")));
    }
}
