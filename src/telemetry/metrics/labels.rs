//! The label sets: closed sets of words, never an identifier.

use std::{fmt::Error, sync::Arc};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// How a reconcile ended, in controller-runtime's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReconcileResult {
    /// Nothing is left to do.
    Success,
    /// It failed and is retried with back-off.
    Error,
    /// It failed, and only a person can mend why.
    Terminal,
    /// It goes on at once.
    Requeue,
    /// It goes on at a later time.
    RequeueAfter,
}

impl ReconcileResult {
    pub(super) const ALL: [Self; 5] = [Self::Success, Self::Error, Self::Terminal, Self::Requeue, Self::RequeueAfter];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error | Self::Terminal => "error",
            Self::Requeue => "requeue",
            Self::RequeueAfter => "requeue_after",
        }
    }
}

/// One call to the bank; every label comes from a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BankCall {
    /// `Production` or `Sandbox`.
    pub environment: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// The path below `/v1/` with its identifiers left open, such as `user/{user}/oauth-client`.
    pub endpoint: &'static str,
    /// What came of it: `success` or the class of the error.
    pub outcome: &'static str,
}

/// How many custom resources hold a condition in this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ClientCensus {
    /// The condition's type.
    pub condition: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// The condition's reason.
    pub reason: &'static str,
}

/// One request to the API server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RestCall {
    /// What it answered.
    pub code: RestCode,
    /// The HTTP method.
    pub method: &'static str,
    /// Host and port of the API server: one value as long as the process lives.
    pub host: Arc<str>,
}

/// What the API server answered, in client-go's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RestCode {
    /// An HTTP status.
    Status(u16),
    /// There was no answer.
    NoAnswer,
}

impl EncodeLabelValue for RestCode {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), Error> {
        match self {
            Self::Status(status) => status.encode(encoder),
            Self::NoAnswer => "<error>".encode(encoder),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ControllerLabels {
    pub(super) controller: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReconcileLabels {
    pub(super) controller: &'static str,
    pub(super) result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RouteLabels {
    pub(super) method: &'static str,
    pub(super) endpoint: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct EnvironmentLabels {
    pub(super) environment: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LeaseLabels {
    pub(super) name: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BuildLabels {
    pub(super) version: &'static str,
    pub(super) revision: &'static str,
}
