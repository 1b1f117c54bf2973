//! What was done, from the audit log.

use serde::Deserialize;

use super::{Role, resource_name};
use crate::controlplane::Error;

/// A request that a role allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) role: Role,
    pub(super) verb: String,
    pub(super) resource: String,
    pub(super) name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: User,
    object_ref: Option<ObjectRef>,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "authorization.k8s.io/decision")]
    decision: String,
    #[serde(rename = "authorization.k8s.io/reason")]
    reason: String,
}

/// All requests of `users` that a role allowed. The last line may be unfinished: the server may be writing it.
pub(super) fn read(text: &str, users: &impl Fn(&str) -> bool) -> Result<Vec<Use>, Error> {
    let mut used = Vec::new();
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let event: Event = serde_json::from_str(line).map_err(Error::make("sense of the audit log"))?;
        if !users(&event.user.username) || event.annotations.decision != "allow" {
            continue;
        }
        // Not RBAC, such as the right to ask what one may do: no binding to account for.
        let Some(role) = role_in(&event.annotations.reason) else {
            continue;
        };
        let (resource, name) = match event.object_ref {
            Some(object) => (resource_name(&object.api_group, &object.resource, &object.subresource), object.name),
            None => (path_of(&event.request_uri), String::new()),
        };
        let request = Use { role, verb: event.verb, resource, name };
        // A run asks the same thing a thousand times.
        if !used.contains(&request) {
            used.push(request);
        }
    }
    Ok(used)
}

fn path_of(uri: &str) -> String {
    uri.split('?').next().unwrap_or_default().to_owned()
}

/// The role in `RBAC: allowed by RoleBinding "b/shop" of ClusterRole "tenant" to ServiceAccount "operator/ops"`.
fn role_in(reason: &str) -> Option<Role> {
    let mut quoted = reason.strip_prefix("RBAC: allowed by ")?.split('"');
    let _kind_of_binding = quoted.next()?;
    let binding = quoted.next()?;
    let kind = quoted.next()?;
    let name = quoted.next()?.to_owned();
    match kind {
        " of ClusterRole " => Some(Role::Cluster { name }),
        " of Role " => {
            let (_, namespace) = binding.rsplit_once('/')?;
            Some(Role::Namespaced { namespace: namespace.to_owned(), name })
        }
        _ => None,
    }
}
