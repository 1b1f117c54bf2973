//! The difference on a small log, then on a real one (`controlplane::tests`).

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::json;

use super::grants::grants_of;
use super::{Role, difference, log};

const OPERATOR: &str = "system:serviceaccount:ops:operator";

fn line(user: &str, verb: &str, object: &serde_json::Value, decision: &str, reason: &str) -> String {
    let event = json!({
        "kind": "Event", "verb": verb, "requestURI": "/metrics?x=1", "user": {"username": user}, "objectRef": object,
        "annotations": {"authorization.k8s.io/decision": decision, "authorization.k8s.io/reason": reason},
    });
    format!("{event}\n")
}

const BY_TENANT: &str =
    r#"RBAC: allowed by RoleBinding "opt-in/shop" of ClusterRole "tenant" to ServiceAccount "operator/ops""#;

fn tenant() -> Role {
    Role::Cluster { name: "tenant".to_owned() }
}

fn rule(group: &str, resource: &str, verbs: &[&str], names: &[&str]) -> PolicyRule {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
    PolicyRule {
        api_groups: Some(owned(&[group])),
        resources: Some(owned(&[resource])),
        verbs: owned(verbs),
        resource_names: (!names.is_empty()).then(|| owned(names)),
        ..PolicyRule::default()
    }
}

fn unused(rule: &PolicyRule, log: &str) -> Vec<String> {
    let used = log::read(log, &|user: &str| user == OPERATOR).unwrap();
    difference(&grants_of(&tenant(), rule), &used).iter().map(ToString::to_string).collect()
}

#[test]
fn a_verb_that_was_used_through_the_role_is_not_reported_and_every_other_is() {
    let secret = json!({"resource": "secrets", "namespace": "shop", "name": "a"});
    let log = line(OPERATOR, "get", &secret, "allow", BY_TENANT);
    let granted = rule("", "secrets", &["get", "watch"], &[]);
    assert_eq!(unused(&granted, &log), ["ClusterRole tenant: watch on secrets never used"]);
}

#[test]
fn other_users_other_roles_and_refusals_do_not_count() {
    let secret = json!({"resource": "secrets", "namespace": "shop", "name": "a"});
    let by_other = BY_TENANT.replace("\"tenant\"", "\"other\"");
    let log = [
        line("admin", "get", &secret, "allow", BY_TENANT),
        line(OPERATOR, "get", &secret, "allow", &by_other),
        line(OPERATOR, "get", &secret, "forbid", ""),
        line(OPERATOR, "get", &secret, "allow", "not by RBAC"),
    ]
    .concat();
    let granted = rule("", "secrets", &["get"], &[]);
    assert_eq!(unused(&granted, &log), ["ClusterRole tenant: get on secrets never used"]);
}

#[test]
fn groups_and_subresources_are_told_apart() {
    let status = json!({"resource": "things", "apiGroup": "example.com", "subresource": "status", "name": "a"});
    let log = line(OPERATOR, "update", &status, "allow", BY_TENANT);
    assert!(unused(&rule("example.com", "things/status", &["update"], &[]), &log).is_empty());
    assert_eq!(
        unused(&rule("example.com", "things", &["update"], &[]), &log),
        ["ClusterRole tenant: update on things.example.com never used"]
    );
    assert_eq!(unused(&rule("", "things/status", &["update"], &[]), &log).len(), 1);
}

#[test]
fn a_rule_for_one_name_is_used_by_this_name_only() {
    let lease = json!({"resource": "leases", "apiGroup": "coordination.k8s.io", "name": "mine"});
    let log = line(OPERATOR, "update", &lease, "allow", BY_TENANT);
    assert!(unused(&rule("coordination.k8s.io", "leases", &["update"], &["mine"]), &log).is_empty());
    assert_eq!(
        unused(&rule("coordination.k8s.io", "leases", &["update"], &["yours"]), &log),
        ["ClusterRole tenant: update on leases.coordination.k8s.io named yours never used"]
    );
}

#[test]
fn a_role_in_a_namespace_is_known_by_both_and_paths_without_an_object_count() {
    let by_role = r#"RBAC: allowed by RoleBinding "b/ops" of Role "own" to ServiceAccount "operator/ops""#;
    let log = line(OPERATOR, "get", &serde_json::Value::Null, "allow", by_role);
    let used = log::read(&log, &|user: &str| user == OPERATOR).unwrap();
    let role = Role::Namespaced { namespace: "ops".to_owned(), name: "own".to_owned() };
    assert_eq!((&used[0].role, used[0].resource.as_str()), (&role, "/metrics"));
    assert_eq!(role.to_string(), "Role ops/own");
}

#[test]
fn an_unfinished_last_line_is_left_for_later_and_a_broken_one_is_an_error() {
    let everybody = |_: &str| true;
    assert!(log::read("{\"kind\":", &everybody).unwrap().is_empty());
    assert!(log::read("{\"kind\":\n", &everybody).is_err());
}
