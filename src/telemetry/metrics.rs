//! Counters for dashboards.
//!
//! Reconciles carry the names, labels and buckets of controller-runtime, so that dashboards made
//! for it work (`C48`); the operator's own begin with `bunq_`. No label holds an identifier, a URL
//! or a secret (`C49`, `H16`).

mod classic;
mod labels;

use std::{
    fmt::Error,
    sync::{Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use super::{REVISION, VERSION};
use labels::{BuildLabels, ControllerLabels, EnvironmentLabels, ObjectLabels, ReconcileLabels};

pub use labels::{BankCall, ClientCensus, ReconcileResult};

/// The value of the label `controller`: the one controller of this operator (D2).
const CONTROLLER: ControllerLabels = ControllerLabels { controller: "bunqoauthclient" };

/// controller-runtime's buckets for reconcile times, in seconds.
const RECONCILE_BUCKETS: [f64; 40] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5,
    1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0,
];

/// The metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    /// Locked while it is read and while a group of series is replaced, so that no reader sees
    /// half a census.
    registry: Mutex<Registry>,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_errors: Family<ControllerLabels, Counter>,
    reconcile_panics: Family<ControllerLabels, Counter>,
    reconcile_time: Family<ControllerLabels, Histogram, fn() -> Histogram>,
    active_workers: Family<ControllerLabels, Gauge>,
    max_concurrent: Family<ControllerLabels, Gauge>,
    bank_calls: Family<BankCall, Counter>,
    sessions_opened: Family<EnvironmentLabels, Counter>,
    installations: Family<EnvironmentLabels, Counter>,
    limiter_waits: Counter,
    secret_repairs: Counter,
    clients: Family<ClientCensus, Gauge>,
    verified: Family<ObjectLabels, Gauge<f64, AtomicU64>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics at zero. Series whose labels are known in advance exist from the start, so that
    /// rates over the first event are right.
    #[must_use]
    pub fn new() -> Self {
        let metrics = Self {
            registry: Mutex::default(),
            reconciles: Family::default(),
            reconcile_errors: Family::default(),
            reconcile_panics: Family::default(),
            reconcile_time: Family::new_with_constructor(|| Histogram::new(RECONCILE_BUCKETS)),
            active_workers: Family::default(),
            max_concurrent: Family::default(),
            bank_calls: Family::default(),
            sessions_opened: Family::default(),
            installations: Family::default(),
            limiter_waits: Counter::default(),
            secret_repairs: Counter::default(),
            clients: Family::default(),
            verified: Family::default(),
        };
        for result in ReconcileResult::ALL {
            metrics.count(result, 0);
        }
        drop(metrics.reconcile_errors.get_or_create(&CONTROLLER));
        drop(metrics.reconcile_panics.get_or_create(&CONTROLLER));
        drop(metrics.reconcile_time.get_or_create(&CONTROLLER));
        drop(metrics.active_workers.get_or_create(&CONTROLLER));
        metrics.register();
        metrics
    }

    fn register(&self) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let build = BuildLabels { version: VERSION, revision: REVISION };
        // The library appends a full stop to each text and the suffixes `_info` and `_total`.
        registry.register(
            "bunq_oauth_operator_build",
            "The version and git revision of this operator",
            Info::new(build),
        );
        registry.register(
            "controller_runtime_reconcile",
            "Reconciles by controller and result",
            self.reconciles.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_errors",
            "Reconciles that failed, by controller",
            self.reconcile_errors.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_panics",
            "Reconciles that panicked, by controller",
            self.reconcile_panics.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_time_seconds",
            "How long reconciles took, by controller",
            self.reconcile_time.clone(),
        );
        registry.register(
            "controller_runtime_active_workers",
            "Reconciles that run now, by controller",
            self.active_workers.clone(),
        );
        registry.register(
            "controller_runtime_max_concurrent_reconciles",
            "Reconciles that may run at once, by controller",
            self.max_concurrent.clone(),
        );
        registry.register(
            "bunq_api_requests",
            "Calls to the bank by environment, method, endpoint and outcome",
            self.bank_calls.clone(),
        );
        registry.register("bunq_sessions_opened", "Bank sessions opened by environment", self.sessions_opened.clone());
        registry.register(
            "bunq_installations",
            "Installations made at the bank by environment",
            self.installations.clone(),
        );
        registry.register(
            "bunq_limiter_waits",
            "Calls put off to keep within the bank's limits",
            self.limiter_waits.clone(),
        );
        registry.register(
            "bunq_secret_repairs",
            "Output Secrets that were written again after somebody changed or deleted them",
            self.secret_repairs.clone(),
        );
        registry.register(
            "bunq_oauth_clients",
            "BunqOAuthClients by condition, its status and reason",
            self.clients.clone(),
        );
        registry.register(
            "bunq_oauth_client_verified_timestamp_seconds",
            "When the bank last confirmed a BunqOAuthClient to this process, in seconds since 1970",
            self.verified.clone(),
        );
    }

    /// Times one reconcile from here; `monotonic` is time since a fixed point. The reconcile
    /// counts as active until the timer is gone.
    #[must_use = "the reconcile counts as finished when the timer is dropped"]
    pub fn reconcile_started<C: Fn() -> Duration>(&self, monotonic: C) -> ReconcileTimer<'_, C> {
        self.active_workers.get_or_create(&CONTROLLER).inc();
        ReconcileTimer { metrics: self, started: monotonic(), monotonic }
    }

    /// Counts a reconcile that ended like this after this time.
    pub fn reconciled(&self, result: ReconcileResult, took: Duration) {
        self.count(result, 1);
        let time = self.reconcile_time.get_or_create(&CONTROLLER);
        time.observe(took.as_secs_f64());
        if result == ReconcileResult::Error {
            self.reconcile_errors.get_or_create(&CONTROLLER).inc();
        }
    }

    fn count(&self, result: ReconcileResult, by: u64) {
        let labels = ReconcileLabels { controller: CONTROLLER.controller, result: result.label() };
        self.reconciles.get_or_create(&labels).inc_by(by);
    }

    /// Counts a reconcile that panicked; it is counted as an error besides.
    pub fn reconcile_panicked(&self) {
        self.reconcile_panics.get_or_create(&CONTROLLER).inc();
    }

    /// Tells how many reconciles may run at once.
    pub fn max_concurrent_reconciles(&self, limit: u16) {
        let gauge = self.max_concurrent.get_or_create(&CONTROLLER);
        gauge.set(i64::from(limit));
    }

    /// Counts a call to the bank.
    pub fn bank_call(&self, call: BankCall) {
        self.bank_calls.get_or_create(&call).inc();
    }

    /// Counts a bank session that was opened.
    pub fn session_opened(&self, environment: &'static str) {
        let labels = EnvironmentLabels { environment };
        self.sessions_opened.get_or_create(&labels).inc();
    }

    /// Counts an installation made at the bank.
    pub fn installed(&self, environment: &'static str) {
        let labels = EnvironmentLabels { environment };
        self.installations.get_or_create(&labels).inc();
    }

    /// Counts a call that was put off to keep within the bank's limits.
    pub fn limiter_waited(&self) {
        self.limiter_waits.inc();
    }

    /// Counts an output Secret that had to be written again.
    pub fn secret_repaired(&self) {
        self.secret_repairs.inc();
    }

    /// Replaces the census of the custom resources; what it does not name is zero.
    pub fn clients(&self, census: impl IntoIterator<Item = (ClientCensus, u32)>) {
        let _whole = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.clients.clear();
        for (labels, count) in census {
            self.clients.get_or_create(&labels).set(i64::from(count));
        }
    }

    /// Replaces the times of the last confirmations: namespace, name, seconds since 1970.
    pub fn verified(&self, times: impl IntoIterator<Item = (String, String, f64)>) {
        let _whole = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.verified.clear();
        for (namespace, name, seconds) in times {
            self.verified.get_or_create(&ObjectLabels { namespace, name }).set(seconds);
        }
    }

    /// Everything as `application/openmetrics-text` 1.0.0.
    pub fn openmetrics(&self) -> Result<String, Error> {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        text::encode(&mut out, &registry)?;
        Ok(out)
    }

    /// Everything as Prometheus' `text/plain` 0.0.4.
    pub fn prometheus_text(&self) -> Result<String, Error> {
        Ok(classic::from_openmetrics(&self.openmetrics()?))
    }
}

/// A reconcile that runs; made by [`Metrics::reconcile_started`].
///
/// Dropped by a panic it counts as an error; dropped in any other way without
/// [`finished`](Self::finished) (the process is stopping) it only stops being active.
#[derive(Debug)]
pub struct ReconcileTimer<'m, C: Fn() -> Duration> {
    metrics: &'m Metrics,
    started: Duration,
    monotonic: C,
}

impl<C: Fn() -> Duration> ReconcileTimer<'_, C> {
    /// Counts the reconcile and the time it took.
    pub fn finished(self, result: ReconcileResult) {
        self.metrics.reconciled(result, self.elapsed());
    }

    fn elapsed(&self) -> Duration {
        (self.monotonic)().saturating_sub(self.started)
    }
}

impl<C: Fn() -> Duration> Drop for ReconcileTimer<'_, C> {
    fn drop(&mut self) {
        self.metrics.active_workers.get_or_create(&CONTROLLER).dec();
        if std::thread::panicking() {
            self.metrics.reconcile_panicked();
            self.metrics.reconciled(ReconcileResult::Error, self.elapsed());
        }
    }
}

#[cfg(test)]
mod tests;
