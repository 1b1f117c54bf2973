//! The control plane's program: four in one.

use std::path::PathBuf;

use super::go_program::GoProgram;
use super::{Error, Progress};

/// The programs inside the one that is built, each reached by a link of its name.
pub(super) const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

const KUBE: GoProgram = GoProgram {
    what: "a control plane of Kubernetes v1.36.3",
    module: "controlplane",
    sources: &["go.mod", "go.sum", "main.go", "manager.go"],
    // Without these the server calls itself v0.0.0-master and clients complain.
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
    -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
    file: "kube",
    links: &PROGRAMS,
    packages: 2400,
    takes: "4–8 minutes",
    instead: ", or set KUBEBUILDER_ASSETS to a folder that holds etcd, kube-apiserver, kube-controller-manager and \
              kubectl, or set TESTBED_KUBECONFIG to the kubeconfig of a cluster to test in",
};

/// The folder that holds the built programs; builds them when they are not there yet.
pub(super) fn folder(progress: &Progress) -> Result<PathBuf, Error> {
    KUBE.folder(progress)
}
