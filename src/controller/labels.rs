//! Labels of what the operator keeps in its own namespace, and how it is found by them.

use std::collections::BTreeMap;

/// Tells contexts and claims apart, for the sweeper's lists.
const PART: &str = "bunq-operator.io/part";

/// Of a context Secret.
pub(crate) const CONTEXT: &str = "context";
/// Of a claim.
pub(crate) const CLAIM: &str = "claim";

/// The labels of this part.
pub(crate) fn of(part: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("app.kubernetes.io/managed-by".to_owned(), crate::api::FIELD_MANAGER.to_owned()),
        (PART.to_owned(), part.to_owned()),
    ])
}

/// What selects everything of this part.
pub(crate) fn selector(part: &str) -> String {
    format!("{PART}={part}")
}
