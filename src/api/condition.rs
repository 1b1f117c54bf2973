//! A condition, in the shape that every Kubernetes tool reads.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest message a condition may carry, in characters.
pub const MAX_MESSAGE: usize = 32_768;

/// Every type of condition. Ready first; the order never changes.
pub const TYPES: [&str; 7] =
    ["Ready", "Reconciling", "Stalled", "CredentialsValid", "RemoteInSync", "SecretInSync", "DisplayNameSynced"];

/// Reasons that only the parts of Ready have.
pub const PART_REASONS: [&str; 6] =
    ["Accepted", "Verified", "Published", "DisplayNameDiffers", "DisplayNameNotShown", "NotVerified"];

/// One observation about the object, with the reason for it.
// The shape is `metav1.Condition`; it is our own type because k8s-openapi's
// schema carries no bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is observed, in CamelCase: `Ready`, `CredentialsValid` and others.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316), regex(pattern = r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$"))]
    pub type_: String,
    /// Whether it holds: True, False or Unknown.
    pub status: ConditionStatus,
    /// The metadata.generation this condition was observed for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// When the status of this condition last changed.
    #[schemars(extend("maxLength" = 64))]
    pub last_transition_time: Time,
    /// Why, as one CamelCase word that programs may compare.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"))]
    pub reason: String,
    /// What happened and what to do next, for a person.
    #[schemars(length(max = 32_768))]
    pub message: String,
}

/// The three values of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It could not be observed.
    Unknown,
}
