//! What can go wrong with a control plane, and what a person can do about it.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use super::Component;

/// Why a control plane could not be built, started or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no Go that can build a program.
    #[error("{what} needs Go {needed} or newer to be built, {found}: install it (https://go.dev/dl){instead}")]
    NoGo {
        /// The program.
        what: &'static str,
        /// The oldest release that will do.
        needed: &'static str,
        /// What is there instead.
        found: String,
        /// What else a person can do.
        instead: &'static str,
    },
    /// `go build` failed.
    #[error("building {what} failed ({status}), see {}:\n{tail}", log.display())]
    Build {
        /// The program.
        what: &'static str,
        /// How the Go command ended.
        status: ExitStatus,
        /// The whole output.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// `KUBEBUILDER_ASSETS` names a folder without a program that is needed.
    #[error("KUBEBUILDER_ASSETS is {}, which has no {program}: correct it or unset it", folder.display())]
    IncompleteAssets {
        /// The folder named.
        folder: PathBuf,
        /// The program that it lacks.
        program: &'static str,
    },
    /// A file or process of this machine could not be used.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A server ended by itself.
    #[error("{component} ended by itself ({status}):\n{tail}")]
    Ended {
        /// Which one.
        component: Component,
        /// How.
        status: ExitStatus,
        /// The last lines of its log.
        tail: String,
    },
    /// A server did not become ready in time.
    #[error("{component} was not ready after {seconds} s:\n{tail}")]
    NotReady {
        /// Which one.
        component: Component,
        /// How long it was given.
        seconds: u64,
        /// The last lines of its log.
        tail: String,
    },
    /// Kubectl ended with an error.
    #[error("kubectl {} failed ({status}): {}", args.join(" "), stderr.trim_end())]
    Kubectl {
        /// What it was called with, the kubeconfig apart.
        args: Vec<String>,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to standard error.
        stderr: String,
    },
    /// A kubeconfig could not be read or used.
    #[error("cannot use kubeconfig {}", path.display())]
    Kubeconfig {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    /// A kubeconfig names no usable cluster.
    #[error("kubeconfig {} has no current context with a cluster and a server", path.display())]
    NoCluster {
        /// Where it is.
        path: PathBuf,
    },
    /// A kubeconfig, token or key could not be made.
    #[error("cannot make {what}")]
    Make {
        /// What was to be made.
        what: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A client for the API server could not be made.
    #[error("cannot make a client for {server}")]
    Client {
        /// The API server's URL.
        server: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// Something was asked of a cluster that this program did not start.
    #[error("cannot {action}: TESTBED_KUBECONFIG names this cluster, it is not ours")]
    NotOurs {
        /// What was asked.
        action: &'static str,
    },
}

impl Error {
    /// Puts what was tried in front of the system's answer.
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    /// Puts what was to be made in front of the reason.
    pub(super) fn make<E>(what: &'static str) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| Self::Make { what, source: Box::new(source) }
    }
}
