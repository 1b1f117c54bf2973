//! Why a step failed, and whose log says more.

use std::io;
use std::process::ExitStatus;

use testbed::controlplane::{self, Component};
use testbed::harness::oauth_client;

/// A part of what runs here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A server of the control plane.
    ControlPlane(Component),
    /// The operator.
    Operator,
    /// The bank emulator.
    Emulator,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ControlPlane(component) => component.fmt(f),
            Self::Operator => f.write_str("the operator"),
            Self::Emulator => f.write_str("the bank emulator"),
        }
    }
}

/// Why the tour ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The environment does not say what is needed.
    #[error("{0}")]
    Settings(String),
    /// The control plane or kubectl.
    #[error(transparent)]
    ControlPlane(#[from] controlplane::Error),
    /// The API server refused us.
    #[error("cannot {action}")]
    Kubernetes {
        /// What was tried.
        action: &'static str,
        /// The answer.
        #[source]
        source: Box<kube::Error>,
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
    /// The emulator's door for new users did not open.
    #[error("cannot get an API key from the bank emulator: {0}")]
    ApiKey(String),
    /// A process ended by itself.
    #[error("{part} ended by itself ({status})")]
    Ended {
        /// Which.
        part: Part,
        /// How.
        status: ExitStatus,
    },
    /// Something did not happen in time.
    #[error("{part}: {what} did not happen within {seconds} s")]
    TooLate {
        /// Who should have done it.
        part: Part,
        /// What.
        what: &'static str,
        /// How long it was given.
        seconds: u64,
    },
    /// Something else happened than what this tour shows.
    #[error("{part}: {what}")]
    Unexpected {
        /// Who did it.
        part: Part,
        /// What was seen and what was expected.
        what: String,
    },
    /// The login failed.
    #[error("the login failed")]
    LogIn(#[from] oauth_client::Error),
}

impl Error {
    /// Puts what was tried in front of the system's answer.
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    /// Puts what was tried in front of the API server's answer.
    pub(crate) fn kubernetes(action: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Kubernetes { action, source: Box::new(source) }
    }

    /// Something else than expected was seen.
    pub(crate) fn unexpected(part: Part, what: impl Into<String>) -> Self {
        Self::Unexpected { part, what: what.into() }
    }

    /// Whose log says more; absent when the message is all there is.
    pub(crate) fn part(&self) -> Option<Part> {
        match self {
            Self::Settings(_) | Self::Io { .. } => None,
            // A refusal by the API server stands in the message; what it waited for is the operator's work.
            Self::ControlPlane(controlplane::Error::Kubectl { args, .. }) if args.iter().any(|arg| arg == "wait") => {
                Some(Part::Operator)
            }
            Self::ControlPlane(controlplane::Error::Ended { component, .. }) => Some(Part::ControlPlane(*component)),
            Self::ControlPlane(_) | Self::Kubernetes { .. } => Some(Part::ControlPlane(Component::ApiServer)),
            Self::ApiKey(_) | Self::LogIn(_) => Some(Part::Emulator),
            Self::Ended { part, .. } | Self::TooLate { part, .. } | Self::Unexpected { part, .. } => Some(*part),
        }
    }

    /// The whole chain in one sentence.
    pub(crate) fn sentence(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let more = error.to_string();
            // Transparent errors would be told twice.
            if !text.ends_with(&more) {
                text = format!("{text}: {more}");
            }
            cause = error.source();
        }
        text
    }
}
