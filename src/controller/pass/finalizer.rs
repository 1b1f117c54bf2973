//! Our finalizer: set only with `deletionPolicy: Cancel`, taken off when the client's fate is
//! settled (D6).

use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    api::{BunqOAuthClient, FIELD_MANAGER, FINALIZER},
    controller::api_server::{CallError, KubeCall, absent, call},
};

/// Whether the object carries it.
pub(crate) fn is_set(object: &BunqOAuthClient) -> bool {
    object.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

/// Puts it on or takes it off, if nobody else wrote the object since it was read. `None`: the
/// object is gone.
pub(crate) async fn set(
    api: &Api<BunqOAuthClient>,
    object: &BunqOAuthClient,
    on: bool,
) -> Result<Option<BunqOAuthClient>, CallError> {
    let mut finalizers: Vec<&str> = object.finalizers().iter().map(String::as_str).collect();
    finalizers.retain(|finalizer| *finalizer != FINALIZER);
    if on {
        finalizers.push(FINALIZER);
    }
    let patch = json!({"metadata": {"resourceVersion": object.resource_version(), "finalizers": finalizers}});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let name = object.name_any();
    let located = || format!("{}/{name}", object.namespace().unwrap_or_default());
    absent(call(KubeCall::SetFinalizer, located, api.patch(&name, &params, &Patch::Merge(&patch))).await)
}
