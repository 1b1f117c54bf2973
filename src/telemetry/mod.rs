//! What the operator tells about itself: logs, traces, metrics, readiness and liveness.
//!
//! Nothing here knows a custom resource or a bank. Labels and check names are `&'static str` or
//! enums, so that no identifier, URL or secret can become one (`H16`).

pub mod http;
pub mod log;
pub mod metrics;
pub mod ready;
pub mod rest_client;
pub mod trace;

use std::{sync::Arc, time::Duration};

pub use self::{
    log::{LogError, LogFormat},
    metrics::{BankCall, ClientCensus, Metrics, ReconcileResult, ReconcileTimer},
    ready::{FailedCheck, Heartbeat, Liveness, Readiness, ReadyHandle, TaskGuard, Work, Working},
    rest_client::CountRequests,
    trace::Traces,
};

/// The version of this package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The git revision this binary was built from: twelve hexadecimal digits, followed by `-dirty`
/// when tracked files differed from it; `unknown` outside a repository.
pub const REVISION: &str = env!("BUNQ_OAUTH_OPERATOR_REVISION");

/// Version and revision, as `--version` prints them.
pub const LONG_VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUNQ_OAUTH_OPERATOR_REVISION"), ")");

/// Everything the HTTP endpoint serves, shared by cloning.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Counters and histograms.
    pub metrics: Arc<Metrics>,
    /// Whether the operator has caught up with the cluster.
    pub readiness: Readiness,
    /// Whether the operator's tasks are alive.
    pub liveness: Liveness,
}

impl Telemetry {
    /// Telemetry at zero, not ready. `monotonic` is time since a fixed point; heartbeats are
    /// judged by it.
    #[must_use]
    pub fn new(monotonic: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { metrics: Arc::new(Metrics::new()), readiness: Readiness::new(), liveness: Liveness::new(monotonic) }
    }
}

/// The error and its causes on one line, for a log line or a message. No text is repeated: some
/// libraries print their causes themselves.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text.replace('\n', " ")
}
