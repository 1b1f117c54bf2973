//! Why a pass stops before the planner is done, and when to try again. Data only: the sentences are `tell`'s.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::{api_server::CallError, format};
use crate::{
    api::Violation,
    bunq::{self, Class, Distrust, Environment},
    plan::Reason,
};

/// Everything that stops a pass.
#[derive(Debug, Error)]
pub(crate) enum Stop {
    /// The object is gone; there is nothing to report on.
    #[error("the object is gone")]
    Gone,
    /// The process was told to end; the next one goes on.
    #[error("go on: this process ends")]
    Ending,
    /// The lease may be lost before a change at the bank would end; nothing was sent.
    #[error("change anything at the bank: this process may not lead for long enough")]
    Withheld,
    /// Nothing changed since the last attempt and its back-off is not over.
    #[error("backing off until {until}")]
    BackingOff {
        /// When it is.
        until: Timestamp,
    },
    /// `spec.suspend`.
    #[error("suspended")]
    Suspended,
    /// The manifest breaks a rule.
    #[error("refuse the manifest: {}", list(violations))]
    InvalidSpec {
        /// Each broken rule.
        violations: Vec<Violation>,
    },
    /// The operator may not use Secrets in the namespace.
    #[error("use Secrets in namespace {namespace}: forbidden")]
    NamespaceNotGranted {
        /// The tenant's namespace.
        namespace: String,
    },
    /// The Secret with the API key does not exist.
    #[error("find Secret {secret}: it does not exist")]
    CredentialsSecretNotFound {
        /// Namespace and name.
        secret: String,
    },
    /// The Secret lacks the key.
    #[error("find key {key} in Secret {secret}: it has none")]
    CredentialsKeyNotFound {
        /// Namespace and name.
        secret: String,
        /// `apiKeySecretRef.key`.
        key: String,
    },
    /// The key is empty.
    #[error("read key {key} of Secret {secret}: it is empty")]
    CredentialsKeyEmpty {
        /// Namespace and name.
        secret: String,
        /// `apiKeySecretRef.key`.
        key: String,
    },
    /// The API key belongs to another environment than the manifest, or than the claim.
    #[error("use the API key for {wanted}: it belongs to {found}")]
    EnvironmentMismatch {
        /// What the manifest or the claim says.
        wanted: &'static str,
        /// What the key says.
        found: &'static str,
        /// Whether it is the claim that says so.
        pinned: bool,
        /// Namespace and name of the credentials.
        secret: String,
    },
    /// The bank refused the API key.
    #[error("log in with the API key in Secret {}: refused", .0.credentials)]
    CredentialsRejected(Box<Rejection>),
    /// The key opens the session of an app's user.
    #[error("use the key: it is an OAuth access token")]
    NotAnApiKey {
        /// Namespace and name of the credentials.
        secret: String,
    },
    /// The key belongs to another user than the claim.
    #[error("use the API key: it belongs to another bunq user")]
    UserChanged {
        /// The user of the claim.
        claimed: u64,
        /// The user of the key.
        found: u64,
        /// What the annotation must name to go on with the new user.
        client_id: Option<String>,
    },
    /// Another object holds the claim.
    #[error("claim the bunq user: another object holds {claim}")]
    UserAlreadyClaimed {
        /// Namespace and name of the ConfigMap.
        claim: String,
    },
    /// The bank's windows.
    #[error("wait for the bank's limit until {until}")]
    Limit {
        /// Whose turn comes then.
        until: Timestamp,
        /// Which call waits.
        call: String,
    },
    /// The bank wanted a new installation so often that no more are made for a while (protocol §8).
    #[error("install the key again: not before {until}")]
    InstalledTooOften {
        /// When the next one may be made.
        until: Timestamp,
    },
    /// The bank is away; somebody else asks now and then whether it is back.
    #[error("call the bank: it cannot be reached")]
    Outage,
    /// The bank answered otherwise than with success.
    #[error("call the bank")]
    Bank {
        /// The answer.
        #[source]
        source: bunq::Error,
    },
    /// Signatures have been invalid for over an hour.
    #[error("verify the bank's answers: invalid for over an hour")]
    ServerSignatureInvalid {
        /// Namespace and name of the context Secret.
        context: String,
    },
    /// The key pair could not be made, stored or read.
    #[error("use the key pair of {context}")]
    KeyPair {
        /// Namespace and name of the context Secret.
        context: String,
        /// What is wrong with it.
        #[source]
        source: bunq::KeyError,
    },
    /// A stored object of our own cannot be understood.
    #[error("read {what}: {reason}")]
    Corrupt {
        /// Kind, namespace and name.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version of the operator wrote an object of ours, in a form that this one does not know.
    #[error("read {what}: it is of format {found}, and this version of the operator knows format {}", format::KNOWN)]
    UnknownFormat {
        /// Kind, namespace and name.
        what: String,
        /// Its format.
        found: String,
    },
    /// A call to the API server failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// The bank refused an API key, and everything that a person needs to know of it.
#[derive(Debug)]
pub(crate) struct Rejection {
    /// What was refused.
    pub(crate) of: Refused,
    /// Which bank was asked.
    pub(crate) environment: Environment,
    /// Namespace and name of the manifest.
    pub(crate) object: String,
    /// Namespace and name of the credentials.
    pub(crate) credentials: String,
    /// How old the credentials Secret is.
    pub(crate) credentials_age: Option<SignedDuration>,
    /// The address that the bank bound the key to.
    pub(crate) bound_ip: Option<String>,
    /// When it may be tried again.
    pub(crate) until: Timestamp,
}

/// What of an API key the bank refused.
#[derive(Debug)]
pub(crate) enum Refused {
    /// To log in with it.
    Key,
    /// A session that it had opened just before.
    Session(bunq::Error),
}

/// When a stopped pass is tried again. Whatever it says, a change of its inputs comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Only a change can help; a look every resync is a safety net.
    OnChange,
    /// A fixed moment.
    At(Timestamp),
    /// A short fixed delay.
    After(Duration),
    /// With growing delays.
    Backoff,
    /// With delays of seconds: nobody tells when the API server is back (`L3`).
    Soon,
}

impl Stop {
    /// The reason in the conditions; `None` when there is nobody to tell, or nothing new.
    #[must_use]
    pub(crate) fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::Gone | Self::Ending | Self::Withheld | Self::BackingOff { .. } => return None,
            Self::Suspended => Reason::Suspended,
            Self::InvalidSpec { .. } => Reason::InvalidSpec,
            Self::NamespaceNotGranted { .. } => Reason::NamespaceNotGranted,
            Self::CredentialsSecretNotFound { .. } => Reason::CredentialsSecretNotFound,
            Self::CredentialsKeyNotFound { .. } => Reason::CredentialsKeyNotFound,
            Self::CredentialsKeyEmpty { .. } => Reason::CredentialsKeyEmpty,
            Self::EnvironmentMismatch { .. } => Reason::EnvironmentMismatch,
            Self::CredentialsRejected(_) => Reason::CredentialsRejected,
            Self::NotAnApiKey { .. } => Reason::NotAnApiKey,
            Self::UserChanged { .. } => Reason::UserChanged,
            Self::UserAlreadyClaimed { .. } => Reason::UserAlreadyClaimed,
            Self::Limit { .. } | Self::InstalledTooOften { .. } => Reason::WaitingForBankLimit,
            Self::Outage => Reason::BankUnavailable,
            Self::Bank { source } => bank_reason(source),
            Self::ServerSignatureInvalid { .. } => Reason::ServerSignatureInvalid,
            Self::KeyPair { .. } | Self::Corrupt { .. } | Self::UnknownFormat { .. } => Reason::OperatorStateUnreadable,
            Self::Call(error) => match error.status() {
                Some(403 | 422) => Reason::Forbidden,
                Some(_) | None => Reason::KubernetesUnavailable,
            },
        })
    }

    /// When to try again.
    #[must_use]
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Gone | Self::Suspended | Self::InvalidSpec { .. } => Retry::OnChange,
            Self::CredentialsRejected(rejection) => Retry::At(rejection.until),
            Self::BackingOff { until } | Self::Limit { until, .. } | Self::InstalledTooOften { until } => {
                Retry::At(*until)
            }
            Self::Ending | Self::Withheld => Retry::After(Duration::from_secs(1)),
            // An opt-in is a RoleBinding: nothing we watch tells of it (D14).
            Self::NamespaceNotGranted { .. } => Retry::After(Duration::from_secs(8)),
            Self::CredentialsSecretNotFound { .. }
            | Self::CredentialsKeyNotFound { .. }
            | Self::CredentialsKeyEmpty { .. }
            | Self::EnvironmentMismatch { .. }
            | Self::NotAnApiKey { .. }
            | Self::UserChanged { .. }
            | Self::UserAlreadyClaimed { .. } => Retry::After(Duration::from_mins(5)),
            Self::Outage
            | Self::Bank { .. }
            | Self::ServerSignatureInvalid { .. }
            | Self::KeyPair { .. }
            | Self::Corrupt { .. }
            | Self::UnknownFormat { .. } => Retry::Backoff,
            Self::Call(error) => match error.status() {
                // Somebody else wrote in between: look again at once.
                Some(409) => Retry::After(Duration::from_millis(200)),
                Some(403) => Retry::After(Duration::from_secs(8)),
                Some(_) | None => Retry::Soon,
            },
        }
    }
}

fn bank_reason(error: &bunq::Error) -> Reason {
    if matches!(error, bunq::Error::Reach { source, .. } if source.fault == bunq::Fault::Tls) {
        return Reason::BankNotTrusted;
    }
    match error.class() {
        Class::Unverified => Reason::BankAnswerUnverified,
        Class::Credentials | Class::Session => Reason::CredentialsRejected,
        Class::NotFound
        | Class::MethodNotAllowed
        | Class::Refused
        | Class::DeviceExists
        | Class::UserSessionExists
        | Class::Throttled { .. }
        | Class::Unavailable
        | Class::Unexpected
        | Class::Malformed
        | Class::Network { .. }
        | Class::Local => Reason::BankUnavailable,
    }
}

/// Whether the bank's signature is what was wrong.
#[must_use]
pub(crate) fn is_signature_trouble(error: &bunq::Error) -> bool {
    matches!(error, bunq::Error::Distrust { reason: Distrust::SignatureMissing | Distrust::SignatureWrong, .. })
}

fn list(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(|violation| format!("{}: {}", violation.field, violation.message))
        .collect::<Vec<_>>()
        .join("; ")
}
