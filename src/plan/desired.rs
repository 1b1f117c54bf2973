//! What is wanted: the first input of the planner.

use super::journal::Cause;

/// The status a manifest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DesiredStatus {
    /// Users can log in.
    Active,
    /// Nobody can log in any more.
    Cancelled,
}

/// One generation of a manifest, as far as the bank and the output Secret are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the manifest, not a state of a machine")]
pub struct Desired {
    /// What asks for this pass: every write is sent once per cause.
    pub cause: Cause,
    /// The name users see when they are asked for consent.
    pub display_name: String,
    /// ACTIVE or CANCELLED.
    pub status: DesiredStatus,
    /// The redirect URLs, the main one first; never empty, no duplicates.
    pub urls: Vec<String>,
    /// Whether a client that already exists may be taken over.
    pub adopt: bool,
    /// Whether redirect URLs that no generation of the manifest declared are removed.
    pub prune: bool,
    /// Whether deletion of the manifest cancels the client (`deletionPolicy: Cancel`).
    pub cancel_on_delete: bool,
    /// Whether the manifest is being deleted.
    pub deleting: bool,
    /// Whether the manifest is suspended.
    pub suspended: bool,
    /// The annotation `bunq-operator.io/confirm-cancel`.
    pub confirm_cancel: Option<String>,
    /// The annotation `bunq-operator.io/allow-new-client`.
    pub allow_new_client: Option<String>,
}

#[cfg(test)]
impl Desired {
    /// The smallest manifest, without a URL.
    pub(super) fn plain() -> Self {
        Self {
            cause: Cause::default(),
            display_name: String::new(),
            status: DesiredStatus::Active,
            urls: Vec::new(),
            adopt: true,
            prune: false,
            cancel_on_delete: false,
            deleting: false,
            suspended: false,
            confirm_cancel: None,
            allow_new_client: None,
        }
    }
}
