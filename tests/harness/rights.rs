//! A world's own copy of the operator's roles: verbs are taken away while it runs, and given back.

use std::time::{Duration, Instant};

use k8s_openapi::api::{
    authorization::v1::SubjectAccessReview,
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    deployment::{self, SERVICE_ACCOUNT, TENANT_ROLE},
    outcome::{Outcome, ensure},
    world::World,
};

const SEEN_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where a right holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In every namespace.
    Everywhere,
    /// In the operator's namespace.
    Home,
    /// In the tenant's namespace.
    Tenant,
}

/// A verb on a resource. A resource of a group is named as in RBAC, without the group.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// Where.
    pub place: Place,
    /// Which verb.
    pub verb: &'static str,
    /// On what; `bunqoauthclients/status` is another resource than `bunqoauthclients`.
    pub resource: &'static str,
}

/// The roles of one world.
pub struct Rights {
    admin: Client,
    user: String,
    home: String,
    tenant: String,
    cluster_role: String,
    everywhere: Value,
    at_home: Value,
    at_tenant: Value,
    deployed: Vec<Value>,
}

impl World {
    /// Gives this world's operator roles of its own, with the rules that are deployed.
    pub async fn own_roles(&self) -> Outcome<Rights> {
        let shared = |name: &str| {
            let found = self
                .bench
                .deployment()
                .shared()
                .find(|it| it["kind"] == "ClusterRole" && it["metadata"]["name"] == name);
            found.map(|role| role["rules"].clone()).ok_or("there is no such role")
        };
        let own = self.bench.deployment().own(&self.operator_namespace, &self.name);
        let role = own.iter().find(|object| object["kind"] == "Role").ok_or("there is no Role")?;
        let tenant_binding = deployment::tenant_binding(&self.namespace, &self.operator_namespace);
        let deployed = own.iter().filter(|object| object["kind"] != "Namespace").cloned().chain([tenant_binding]);
        let rights = Rights {
            admin: self.admin(),
            user: self.operator_user(),
            home: self.operator_namespace.clone(),
            tenant: self.namespace.clone(),
            cluster_role: format!("{SERVICE_ACCOUNT}-{}", self.name),
            everywhere: shared(SERVICE_ACCOUNT)?,
            at_home: role["rules"].clone(),
            at_tenant: shared(TENANT_ROLE)?,
            deployed: deployed.collect(),
        };
        rights.install().await?;
        Ok(rights)
    }
}

impl Rights {
    /// Everything is as deployed again: whoever judges rights that nobody used finds the roles that all share.
    pub async fn put_back(&self) -> Outcome {
        self.unbind().await?;
        let at_once = DeleteParams::default();
        Api::<ClusterRole>::all(self.admin.clone()).delete(&self.cluster_role, &at_once).await?;
        Api::<Role>::namespaced(self.admin.clone(), &self.tenant).delete(TENANT_ROLE, &at_once).await?;
        for object in &self.deployed {
            deployment::apply(&self.admin, object).await?;
        }
        Ok(())
    }

    /// What a binding refers to cannot be edited, so it goes first.
    async fn unbind(&self) -> Outcome {
        let at_once = DeleteParams::default();
        Api::<ClusterRoleBinding>::all(self.admin.clone()).delete(&self.cluster_role, &at_once).await?;
        Api::<RoleBinding>::namespaced(self.admin.clone(), &self.tenant).delete(TENANT_ROLE, &at_once).await?;
        Ok(())
    }

    async fn install(&self) -> Outcome {
        let api = "rbac.authorization.k8s.io/v1";
        let subjects = json!([{"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": self.home}]);
        let refer =
            |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
        let name = self.cluster_role.as_str();
        let objects = [
            json!({"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": name}, "rules": self.everywhere}),
            json!({"apiVersion": api, "kind": "Role", "metadata": {"name": TENANT_ROLE, "namespace": self.tenant}, "rules": self.at_tenant}),
            json!({"apiVersion": api, "kind": "ClusterRoleBinding", "metadata": {"name": name},
                "roleRef": refer("ClusterRole", name), "subjects": subjects}),
            json!({"apiVersion": api, "kind": "RoleBinding", "metadata": {"name": TENANT_ROLE, "namespace": self.tenant},
                "roleRef": refer("Role", TENANT_ROLE), "subjects": subjects}),
        ];
        self.unbind().await?;
        for object in &objects {
            deployment::apply(&self.admin, object).await?;
        }
        Ok(())
    }

    /// Takes one right away; returns when the API server refuses it.
    pub async fn take(&self, right: Right) -> Outcome {
        let mut rules = self.rules(right.place).clone();
        for rule in rules.as_array_mut().into_iter().flatten() {
            split(rule, right);
        }
        self.write(right.place, &rules).await?;
        self.until(right, false).await
    }

    /// Gives it back; returns when the API server grants it.
    pub async fn give_back(&self, right: Right) -> Outcome {
        self.write(right.place, self.rules(right.place)).await?;
        self.until(right, true).await
    }

    fn rules(&self, place: Place) -> &Value {
        match place {
            Place::Everywhere => &self.everywhere,
            Place::Home => &self.at_home,
            Place::Tenant => &self.at_tenant,
        }
    }

    async fn write(&self, place: Place, rules: &Value) -> Outcome {
        // One rule with several resources may have become several.
        let flat: Vec<Value> = rules.as_array().into_iter().flatten().flat_map(parts).collect();
        let (patch, how, admin) = (Patch::Merge(json!({"rules": flat})), PatchParams::default(), self.admin.clone());
        match place {
            Place::Everywhere => {
                Api::<ClusterRole>::all(admin).patch(&self.cluster_role, &how, &patch).await.map(drop)?;
            }
            Place::Home => {
                Api::<Role>::namespaced(admin, &self.home).patch(SERVICE_ACCOUNT, &how, &patch).await.map(drop)?;
            }
            Place::Tenant => {
                Api::<Role>::namespaced(admin, &self.tenant).patch(TENANT_ROLE, &how, &patch).await.map(drop)?;
            }
        }
        Ok(())
    }

    /// Waits until the API server says so.
    async fn until(&self, right: Right, wanted: bool) -> Outcome {
        let reviews: Api<SubjectAccessReview> = Api::all(self.admin.clone());
        let (resource, subresource) = right.resource.split_once('/').unwrap_or((right.resource, ""));
        let group = match resource {
            "bunqoauthclients" => "bunq-operator.io",
            "events" => "events.k8s.io",
            _ => "",
        };
        let namespace = if right.place == Place::Home { &self.home } else { &self.tenant };
        let review: SubjectAccessReview = serde_json::from_value(json!({"spec": {
            "user": self.user,
            "resourceAttributes": {
                "namespace": namespace, "verb": right.verb, "group": group, "resource": resource, "subresource": subresource,
            },
        }}))?;
        let since = Instant::now();
        loop {
            let answer = reviews.create(&PostParams::default(), &review).await?;
            if answer.status.is_some_and(|status| status.allowed) == wanted {
                return Ok(());
            }
            ensure(since.elapsed() < SEEN_WITHIN, || format!("{right:?} did not become {wanted}"))?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Marks in a rule what it no longer grants on one of its resources.
fn split(rule: &mut Value, right: Right) {
    let is_concerned = rule["resources"].as_array().is_some_and(|all| all.iter().any(|it| it == right.resource));
    if is_concerned {
        rule["without"] = json!({"resource": right.resource, "verb": right.verb});
    }
}

/// A rule for each of its resources, without what it no longer grants.
fn parts(rule: &Value) -> Vec<Value> {
    let resources = rule["resources"].as_array().into_iter().flatten();
    let part = |resource: &Value| {
        let lost = (&rule["without"]["resource"] == resource).then_some(&rule["without"]["verb"]);
        let verbs: Vec<&Value> =
            rule["verbs"].as_array().into_iter().flatten().filter(|verb| Some(*verb) != lost).collect();
        let mut part = rule.clone();
        (part["resources"], part["verbs"]) = (json!([resource]), json!(verbs));
        part.as_object_mut().map(|fields| fields.remove("without"));
        part
    };
    // A rule without verbs is none.
    resources.map(part).filter(|rule| rule["verbs"].as_array().is_some_and(|verbs| !verbs.is_empty())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_verb_is_taken_from_one_resource_and_everything_else_stays() {
        let mut rule = json!({"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get", "list"]});
        split(&mut rule, Right { place: Place::Home, verb: "get", resource: "secrets" });
        let wanted = [
            json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}),
            json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}),
        ];
        assert_eq!(parts(&rule), wanted);
    }
}
