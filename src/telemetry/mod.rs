//! What the operator tells about itself: logs, traces, metrics, readiness and liveness.
//!
//! Nothing here knows a custom resource or a bank. Labels and check names are `&'static str` or
//! enums, so that no identifier, URL or secret can become one (`H16`).
//!
//! | module | holds |
//! |---|---|
//! | `version` | which program this is |
//! | `chain` | an error and its causes on one line |
//! | `metrics` | [`Metrics`]: counters for dashboards |
//! | `ready` | [`Readiness`] and [`Liveness`] |
//! | `http` | the endpoint that serves all three |
//! | `rest_client` | counts the requests to the API server |
//! | `trace` | [`Traces`] by OpenTelemetry |
//! | `log` | log lines on stderr |

mod chain;
pub mod http;
pub mod log;
pub mod metrics;
pub mod ready;
pub mod rest_client;
pub mod trace;
mod version;

use std::{sync::Arc, time::Duration};

pub use self::{
    chain::chain,
    log::{LogError, LogFormat},
    metrics::{BankCall, ClientCensus, Metrics, ReconcileResult, ReconcileTimer},
    ready::{FailedCheck, Heartbeat, Liveness, Readiness, ReadyHandle, TaskGuard, Work, Working},
    rest_client::CountRequests,
    trace::Traces,
    version::{LONG_VERSION, REVISION, VERSION},
};

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
