//! What is granted, from the cluster's bindings and roles.

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role as NamespacedRole, RoleBinding, RoleRef, Subject,
};
use kube::api::{Api, ListParams};

use super::log::Use;
use super::resource_name;

/// A role in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A `ClusterRole`, by whatever binding.
    Cluster {
        /// Its name.
        name: String,
    },
    /// A `Role`.
    Namespaced {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster { name } => write!(f, "ClusterRole {name}"),
            Self::Namespaced { namespace, name } => write!(f, "Role {namespace}/{name}"),
        }
    }
}

/// One verb on one resource in one rule of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) role: Role,
    pub(super) verb: String,
    pub(super) resource: String,
    pub(super) names: Vec<String>,
}

impl Grant {
    pub(super) fn covers(&self, request: &Use) -> bool {
        self.role == request.role
            && self.verb == request.verb
            && self.resource == request.resource
            && (self.names.is_empty() || self.names.contains(&request.name))
    }
}

/// Everything the roles bound to `users` grant.
pub(super) async fn read(client: &kube::Client, users: &impl Fn(&str) -> bool) -> Result<Vec<Grant>, kube::Error> {
    let mut bound = BTreeSet::new();
    let everything = ListParams::default();
    for binding in Api::<ClusterRoleBinding>::all(client.clone()).list(&everything).await? {
        if is_bound(binding.subjects.as_deref(), None, users) {
            bound.insert(Role::Cluster { name: binding.role_ref.name });
        }
    }
    for binding in Api::<RoleBinding>::all(client.clone()).list(&everything).await? {
        let namespace = binding.metadata.namespace.unwrap_or_default();
        if is_bound(binding.subjects.as_deref(), Some(&namespace), users) {
            bound.insert(role_of(binding.role_ref, namespace));
        }
    }
    let mut granted = Vec::new();
    for role in bound {
        let rules = match &role {
            Role::Cluster { name } => {
                Api::<ClusterRole>::all(client.clone()).get_opt(name).await?.and_then(|found| found.rules)
            }
            Role::Namespaced { namespace, name } => {
                let api = Api::<NamespacedRole>::namespaced(client.clone(), namespace);
                api.get_opt(name).await?.and_then(|found| found.rules)
            }
        };
        // A binding to a role that is not there grants nothing.
        for rule in rules.unwrap_or_default() {
            granted.extend(grants_of(&role, &rule));
        }
    }
    Ok(granted)
}

fn role_of(reference: RoleRef, namespace: String) -> Role {
    if reference.kind == "ClusterRole" {
        Role::Cluster { name: reference.name }
    } else {
        Role::Namespaced { namespace, name: reference.name }
    }
}

fn is_bound(subjects: Option<&[Subject]>, namespace: Option<&str>, users: &impl Fn(&str) -> bool) -> bool {
    subjects.unwrap_or_default().iter().any(|subject| match subject.kind.as_str() {
        "User" => users(&subject.name),
        "ServiceAccount" => {
            let namespace = subject.namespace.as_deref().or(namespace).unwrap_or_default();
            users(&format!("system:serviceaccount:{namespace}:{}", subject.name))
        }
        _ => false,
    })
}

/// A rule, taken apart: each verb on each resource.
pub(super) fn grants_of(holder: &Role, rule: &PolicyRule) -> Vec<Grant> {
    let mut resources = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            resources.push(resource_name(group, resource, subresource));
        }
    }
    resources.extend(rule.non_resource_urls.iter().flatten().cloned());
    let names = rule.resource_names.clone().unwrap_or_default();
    let mut grants = Vec::new();
    for resource in resources {
        for verb in &rule.verbs {
            grants.push(Grant {
                role: holder.clone(),
                verb: verb.clone(),
                resource: resource.clone(),
                names: names.clone(),
            });
        }
    }
    grants
}
