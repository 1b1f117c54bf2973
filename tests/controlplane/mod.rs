//! A real Kubernetes control plane for tests and the demo: etcd, kube-apiserver, kube-controller-manager and kubectl.
//!
//! Where it comes from, in this order, said aloud each time:
//! 1. a cluster that `TESTBED_KUBECONFIG` (and `TESTBED_CONTEXT`) names; never the default kubeconfig;
//! 2. the programs in the folder `KUBEBUILDER_ASSETS`;
//! 3. one built from Go modules, once, under the target folder.
//!
//! There is no kubelet: pods do not run.

pub mod audit;
mod binary;
mod error;
mod files;
mod folder;
pub(crate) mod go_program;
mod kubectl;
mod named;
mod plane;
mod process;
mod resolve;
mod servers;
mod store;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

pub use error::Error;
pub use kubectl::Kubectl;
pub use plane::ControlPlane;
pub use process::Component;

/// How a control plane is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Folder for data, logs and kubeconfigs; absent: a new one in the system's temporary folder.
    pub dir: Option<PathBuf>,
    /// Leave the folder in place afterwards.
    pub keep: bool,
    /// Write an audit log: who asked for what, and which binding allowed it.
    pub audit: bool,
    /// Where sentences about the progress go.
    pub progress: Progress,
}

/// Where sentences about the progress go; standard error by default.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(&str) + Send + Sync>);

impl Progress {
    /// Sends every sentence to `tell`.
    pub fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Says nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    pub(crate) fn say(&self, sentence: impl AsRef<str>) {
        (self.0)(sentence.as_ref());
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new(|sentence| {
            // A closed standard error is no reason to stop.
            let _ = writeln!(std::io::stderr(), "control plane: {sentence}");
        })
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
