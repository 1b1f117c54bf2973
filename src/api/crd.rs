//! The definition that a cluster installs.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use super::spec::BunqOAuthClient;

/// The definition of the resource, as `crds/` holds it.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    BunqOAuthClient::crd()
}
