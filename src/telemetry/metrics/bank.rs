//! What was asked of the bank, and how it went.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::labels::{BankCall, EnvironmentLabels, RouteLabels};

/// From an answer of a server nearby to the longest that the operator waits, in seconds. Few,
/// because every endpoint has them all.
const BUCKETS: [f64; 8] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Debug)]
pub(super) struct Bank {
    calls: Family<BankCall, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    unverified: Family<EnvironmentLabels, Counter>,
    sessions_opened: Family<EnvironmentLabels, Counter>,
    installations: Family<EnvironmentLabels, Counter>,
    is_open: Family<EnvironmentLabels, Gauge>,
    limiter_waits: Counter,
    limiter_seconds: Counter<f64, AtomicU64>,
}

impl Bank {
    pub(super) fn new() -> Self {
        Self {
            calls: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            unverified: Family::default(),
            sessions_opened: Family::default(),
            installations: Family::default(),
            is_open: Family::default(),
            limiter_waits: Counter::default(),
            limiter_seconds: Counter::default(),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "bunq_api_requests",
            "Calls to the bank by environment, method, endpoint and outcome",
            self.calls.clone(),
        );
        registry.register(
            "bunq_api_request_duration_seconds",
            "How long calls to the bank took, by method and endpoint",
            self.durations.clone(),
        );
        registry.register(
            "bunq_api_unverified_answers",
            "Answers whose signature was missing or was not the bank's, by environment",
            self.unverified.clone(),
        );
        registry.register("bunq_sessions_opened", "Bank sessions opened by environment", self.sessions_opened.clone());
        registry.register(
            "bunq_installations",
            "Installations made at the bank by environment",
            self.installations.clone(),
        );
        registry.register(
            "bunq_breaker_open",
            "Whether the bank counts as away, by environment: 1 while it is only asked now and then if it is back",
            self.is_open.clone(),
        );
        registry.register(
            "bunq_limiter_waits",
            "Calls put off to keep within the bank's limits",
            self.limiter_waits.clone(),
        );
        registry.register(
            "bunq_limiter_wait_seconds",
            "How long the calls that were put off waited for their turn",
            self.limiter_seconds.clone(),
        );
    }

    /// Lets the series of an environment begin at zero.
    pub(super) fn knows(&self, environment: &'static str) {
        let labels = EnvironmentLabels { environment };
        for counter in [&self.unverified, &self.sessions_opened, &self.installations] {
            drop(counter.get_or_create(&labels));
        }
        drop(self.is_open.get_or_create(&labels));
    }

    pub(super) fn called(&self, call: BankCall, took: Duration) {
        self.calls.get_or_create(&call).inc();
        let route = RouteLabels { method: call.method, endpoint: call.endpoint };
        self.durations.get_or_create(&route).observe(took.as_secs_f64());
    }

    pub(super) fn answer_unverified(&self, environment: &'static str) {
        self.unverified.get_or_create(&EnvironmentLabels { environment }).inc();
    }

    pub(super) fn session_opened(&self, environment: &'static str) {
        self.sessions_opened.get_or_create(&EnvironmentLabels { environment }).inc();
    }

    pub(super) fn installed(&self, environment: &'static str) {
        self.installations.get_or_create(&EnvironmentLabels { environment }).inc();
    }

    pub(super) fn breaker(&self, environment: &'static str, is_open: bool) {
        self.is_open.get_or_create(&EnvironmentLabels { environment }).set(i64::from(is_open));
    }

    pub(super) fn waited(&self) {
        self.limiter_waits.inc();
    }

    pub(super) fn waited_for(&self, time: Duration) {
        self.limiter_seconds.inc_by(time.as_secs_f64());
    }
}
