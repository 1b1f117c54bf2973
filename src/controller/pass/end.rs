//! How a pass ends.

use jiff::Timestamp;

use crate::{
    controller::stop::{Retry, Stop},
    plan::{Verdict, Waiting, Weight},
    telemetry::ReconcileResult,
};

/// How a pass ends.
#[derive(Debug)]
pub(super) enum End {
    /// The planner is done.
    Verdict(Verdict),
    /// The planner waits.
    Waiting(Timestamp, Waiting),
    /// Something else stopped it.
    Stop(Stop),
}

impl End {
    /// How it is counted.
    pub(super) fn result(&self) -> ReconcileResult {
        match self {
            Self::Verdict(Verdict::Stalled(_)) => ReconcileResult::Terminal,
            Self::Stop(stop) if stop.reason().is_some_and(|reason| reason.weight() == Weight::Stalled) => {
                ReconcileResult::Terminal
            }
            Self::Stop(stop) if matches!(stop.retry(), Retry::Backoff | Retry::Soon) => ReconcileResult::Error,
            Self::Stop(_) | Self::Waiting(..) | Self::Verdict(_) => ReconcileResult::RequeueAfter,
        }
    }
}
