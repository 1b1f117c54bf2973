//! The custom resource: what a person writes, what the operator answers and the definition that a cluster installs.
//!
//! This layer knows Kubernetes' conventions and nothing of the bank's protocol.
//!
//! | module | holds |
//! |---|---|
//! | `environment` | [`Environment`]: real money, or play money |
//! | `interval` | [`ResyncInterval`], as a person writes it |
//! | `condition` | [`Condition`], in the shape that every Kubernetes tool reads |
//! | `format` | the text formats, each as one regular expression |
//! | `rules` | what a server checks, in CEL, and the sentences for broken rules |
//! | `status` | [`BunqOAuthClientStatus`]: what the operator answers |
//! | `spec` | [`BunqOAuthClientSpec`]: what a person writes |
//! | `validate` | the same rules as `rules`, in Rust |
//! | `crd` | the definition as a cluster installs it |
//! | `fuzz` | what holds for every redirect URL |

pub mod condition;
pub mod crd;
pub mod environment;
pub mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod interval;
pub mod rules;
#[expect(clippy::doc_markdown, reason = "the comments are what `kubectl explain` shows, without markup")]
pub mod spec;
#[expect(clippy::doc_markdown, reason = "the comments are what `kubectl explain` shows, without markup")]
pub mod status;
pub mod validate;

#[cfg(test)]
mod tests;

pub use condition::{Condition, ConditionStatus};
pub use crd::{RenderError, crd, crd_yaml};
pub use environment::Environment;
pub use interval::{InvalidInterval, ResyncInterval};
pub use spec::{
    AdoptionPolicy, ApiKeySecretRef, BunqOAuthClient, BunqOAuthClientSpec, Credentials, DeletionPolicy, DesiredStatus,
    KeyNames, OutputSecret, SecretFormat, SecretKeys,
};
pub use status::{Binding, BunqOAuthClientStatus, RedirectUrlStatus};
pub use validate::{Violation, validate};

/// The API group.
pub const GROUP: &str = "bunq-operator.io";
/// The one served and stored version.
pub const VERSION: &str = "v1alpha1";
/// The kind.
pub const KIND: &str = "BunqOAuthClient";
/// The resource's plural, as it stands in URLs and in RBAC rules.
pub const PLURAL: &str = "bunqoauthclients";

/// Set by a person (or by `flux reconcile`) to ask for a pass now; any new
/// value counts. Answered by `status.lastHandledReconcileAt` (C29).
pub const ANNOTATION_REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
/// Its value names the client id that may be given up for a new client
/// (protocol §6).
pub const ANNOTATION_ALLOW_NEW_CLIENT: &str = "bunq-operator.io/allow-new-client";
/// Its value names the adopted client id that a deletion may cancel
/// (protocol §10).
pub const ANNOTATION_CONFIRM_CANCEL: &str = "bunq-operator.io/confirm-cancel";
/// On the output Secret: the data keys the operator wrote, so that a renamed
/// key does not leave its old value behind (design D12).
pub const ANNOTATION_KEYS: &str = "bunq-operator.io/keys";
/// On the output Secret: the hash of the pair that was published, so that an
/// edited one is never taken for the bank's (S4).
pub const ANNOTATION_PAIR: &str = "bunq-operator.io/pair-hash";
/// The finalizer of `deletionPolicy: Cancel` (design D6).
pub const FINALIZER: &str = "bunq-operator.io/cancel-client";
/// The name under which every write of this operator stands in
/// `managedFields`.
pub const FIELD_MANAGER: &str = "bunq-oauth-operator";
