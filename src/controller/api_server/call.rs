//! Every call to the API server has a name and a deadline, and says what it was about (`M1`).

use std::{future::Future, time::Duration};

use thiserror::Error;

/// For one call, its connection included.
const DEADLINE: Duration = Duration::from_secs(15);
/// A lease lasts 15 s, and must be renewed meanwhile.
const LEASE_DEADLINE: Duration = Duration::from_secs(4);
/// Nobody waits long for an Event.
const EVENT_DEADLINE: Duration = Duration::from_secs(5);

macro_rules! kube_calls {
    ($($name:ident $verb:literal $kind:literal $meaning:literal;)+) => {
        /// A request to the API server by name, as [`Call`](crate::bunq::Call) is for the bank. Both together
        /// are everything that the operator can do to the world; its watches only listen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum KubeCall {
            $(#[doc = $meaning] $name,)+
        }

        impl KubeCall {
            /// Every call there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The verb, as RBAC names it.
            #[must_use]
            pub fn verb(self) -> &'static str {
                match self { $(Self::$name => $verb,)+ }
            }

            /// What is read or written, before its name.
            #[must_use]
            pub fn kind(self) -> &'static str {
                match self { $(Self::$name => $kind,)+ }
            }
        }
    };
}

kube_calls! {
    ReadManifest "get" "BunqOAuthClient" "The live read that begins a pass.";
    ReadOwner "get" "BunqOAuthClient" "Whether the owner of a claim is still there; metadata only.";
    SetFinalizer "patch" "BunqOAuthClient" "Our finalizer comes or goes.";
    WriteStatus "update" "status of BunqOAuthClient" "What people read.";
    ReadSecret "get" "Secret" "A Secret of the tenant: the API key, or the published credentials.";
    CreateOutput "create" "Secret" "The credentials are published.";
    UpdateOutput "patch" "Secret" "The published credentials are brought back.";
    DeleteLeftover "delete" "Secret" "The output Secret of an earlier name goes.";
    ReadContext "get" "Secret" "Keys and session of an API key.";
    ListContexts "list" "Secrets" "Every context, for what concerns all of them.";
    CreateContext "create" "Secret" "A handshake begins.";
    UpdateContext "update" "Secret" "What the bank answered in a handshake is written down.";
    DeleteContext "delete" "Secret" "A context that nobody uses goes.";
    ReadClaim "get" "ConfigMap" "The claim on a user.";
    ListClaims "list" "ConfigMaps" "Claims by owner, or all of them.";
    CreateClaim "create" "ConfigMap" "A user is claimed.";
    UpdateClaim "update" "ConfigMap" "The journal is written, or a claim is taken over.";
    DeleteClaim "delete" "ConfigMap" "A claim whose owner is gone is freed.";
    ReadLease "get" "Lease" "Who leads, where a write met another one.";
    CreateLease "create" "Lease" "The first election of all.";
    UpdateLease "update" "Lease" "The lease is taken, renewed or given back.";
    PublishEvent "create" "Event" "What happened is told, or told again.";
}

impl KubeCall {
    /// Whether it changes anything.
    #[must_use]
    pub fn is_write(self) -> bool {
        !matches!(self.verb(), "get" | "list")
    }

    fn deadline(self) -> Duration {
        match self {
            Self::PublishEvent => EVENT_DEADLINE,
            Self::ReadLease | Self::CreateLease | Self::UpdateLease => LEASE_DEADLINE,
            _ => DEADLINE,
        }
    }
}

/// A call that did not succeed.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    /// The API server answered otherwise, or could not be reached.
    #[error("{} {} {name}", call.verb(), call.kind())]
    Answered {
        /// Which call.
        call: KubeCall,
        /// Namespace and name.
        name: String,
        /// The answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// It did not come back.
    #[error("{} {} {name}: no answer in {} s", call.verb(), call.kind(), after.as_secs())]
    Silent {
        /// Which call.
        call: KubeCall,
        /// Namespace and name.
        name: String,
        /// The deadline.
        after: Duration,
    },
}

impl CallError {
    /// The API server's status, if it answered.
    #[must_use]
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Answered { source, .. } => status_code(source),
            Self::Silent { .. } => None,
        }
    }
}

/// Runs one call. `name` says which object, with its namespace.
pub(crate) async fn call<T>(
    call: KubeCall,
    name: impl FnOnce() -> String,
    answer: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(call.deadline(), answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(CallError::Answered { call, name: name(), source: Box::new(source) }),
        Err(_) => Err(CallError::Silent { call, name: name(), after: call.deadline() }),
    }
}

/// 404 is an answer, not a failure.
pub(crate) fn absent<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the API server answered with this status.
pub(crate) fn failed_with<T>(result: &Result<T, CallError>, code: u16) -> bool {
    result.as_ref().is_err_and(|error| error.status() == Some(code))
}

/// The API server's status, if it answered.
#[must_use]
pub(crate) fn status_code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}
