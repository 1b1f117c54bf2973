//! Counters for dashboards.
//!
//! Reconciles carry the names, labels and buckets of controller-runtime, requests to the API
//! server and leadership those of client-go, so that dashboards made for them work (`C48`); the
//! operator's own begin with `bunq_`. No label holds an identifier, a URL or a secret (`C49`,
//! `H16`), and no series belongs to one object: their number does not grow with that of objects.
//!
//! | module | holds |
//! |---|---|
//! | `labels` | the label sets |
//! | `reconciles` | passes, in controller-runtime's words |
//! | `cluster` | the API server and leadership, in client-go's words |
//! | `bank` | what was asked of the bank, and how it went |
//! | `objects` | the custom resources, and what was mended for them |
//! | `process` | what the process costs |
//! | `classic` | Prometheus' older text format |

mod bank;
mod classic;
mod cluster;
mod labels;
mod objects;
mod process;
mod reconciles;

use std::{
    fmt::Error,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::{encoding::text, metrics::info::Info, registry::Registry};

use self::{
    bank::Bank, cluster::Cluster, labels::BuildLabels, objects::Objects, process::Process, reconciles::Reconciles,
};
use super::version::{REVISION, VERSION};

pub use self::{
    labels::{BankCall, ClientCensus, ReconcileResult, RestCall, RestCode},
    reconciles::ReconcileTimer,
};

/// The metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    /// Locked while it is read and while a group of series is replaced, so that no reader sees
    /// half a census.
    registry: Mutex<Registry>,
    reconciles: Reconciles,
    cluster: Cluster,
    bank: Bank,
    objects: Objects,
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
            reconciles: Reconciles::new(),
            cluster: Cluster::default(),
            bank: Bank::new(),
            objects: Objects::default(),
        };
        metrics.register();
        metrics
    }

    /// The library appends a full stop to each text and the suffixes `_info` and `_total`.
    fn register(&self) {
        let mut registry = self.locked();
        registry.register(
            "bunq_oauth_operator_build",
            "The version and git revision of this operator",
            Info::new(BuildLabels { version: VERSION, revision: REVISION }),
        );
        self.reconciles.register(&mut registry);
        self.cluster.register(&mut registry);
        self.bank.register(&mut registry);
        self.objects.register(&mut registry);
        registry.register_collector(Box::new(Process));
    }

    /// Everything as `application/openmetrics-text` 1.0.0.
    pub fn openmetrics(&self) -> Result<String, Error> {
        let registry = self.locked();
        let mut out = String::new();
        text::encode(&mut out, &registry)?;
        Ok(out)
    }

    /// Everything as Prometheus' `text/plain` 0.0.4.
    pub fn prometheus_text(&self) -> Result<String, Error> {
        Ok(classic::from_openmetrics(&self.openmetrics()?))
    }

    fn locked(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Times one reconcile from here; `monotonic` is time since a fixed point. The reconcile
    /// counts as active until the timer is gone.
    #[must_use = "the reconcile counts as finished when the timer is dropped"]
    pub fn reconcile_started<C: Fn() -> Duration>(&self, monotonic: C) -> ReconcileTimer<'_, C> {
        self.reconciles.started(monotonic)
    }

    /// Counts a reconcile that ended like this after this time.
    pub fn reconciled(&self, result: ReconcileResult, took: Duration) {
        self.reconciles.ended(result, took);
    }

    /// Counts a reconcile that panicked; it is counted as an error besides.
    pub fn reconcile_panicked(&self) {
        self.reconciles.panicked();
    }

    /// Counts a reconcile that ran into its deadline; it is counted as an error besides.
    pub fn reconcile_timed_out(&self) {
        self.reconciles.timed_out();
    }

    /// Tells how many reconciles may run at once.
    pub fn max_concurrent_reconciles(&self, limit: u16) {
        self.reconciles.limited_to(limit);
    }

    /// Counts a request to the API server.
    pub fn rest_call(&self, call: &RestCall) {
        self.cluster.requested(call);
    }

    /// Tells whether this process holds the lease of that name. Never called when there is no
    /// election, so that the series says nothing then.
    pub fn leader(&self, lease: &'static str, leads: bool) {
        self.cluster.leads(lease, leads);
    }

    /// Lets the series of an environment begin at zero, so that the first event is an increase.
    pub fn knows_environment(&self, environment: &'static str) {
        self.bank.knows(environment);
    }

    /// Counts a call to the bank and the time it took.
    pub fn bank_call(&self, call: BankCall, took: Duration) {
        self.bank.called(call, took);
    }

    /// Counts an answer whose signature was missing or wrong.
    pub fn bank_answer_unverified(&self, environment: &'static str) {
        self.bank.answer_unverified(environment);
    }

    /// Counts a bank session that was opened.
    pub fn session_opened(&self, environment: &'static str) {
        self.bank.session_opened(environment);
    }

    /// Counts an installation made at the bank.
    pub fn installed(&self, environment: &'static str) {
        self.bank.installed(environment);
    }

    /// Tells whether the bank counts as away.
    pub fn breaker(&self, environment: &'static str, is_open: bool) {
        self.bank.breaker(environment, is_open);
    }

    /// Counts a call that was put off to keep within the bank's limits.
    pub fn limiter_waited(&self) {
        self.bank.waited();
    }

    /// Counts how long a call that was put off has waited when its turn came.
    pub fn limiter_waited_for(&self, time: Duration) {
        self.bank.waited_for(time);
    }

    /// Replaces the census of the custom resources; what it does not name is zero.
    pub fn clients(&self, census: impl IntoIterator<Item = (ClientCensus, u32)>) {
        let _whole = self.locked();
        self.objects.count(census);
    }

    /// Tells how long ago the longest confirmation is, and by how much the latest one is late.
    pub fn verifications(&self, oldest: Duration, overdue: Duration) {
        let _whole = self.locked();
        self.objects.verified(oldest, overdue);
    }

    /// Counts an output Secret that had to be written again.
    pub fn secret_repaired(&self) {
        self.objects.secret_repaired();
    }

    /// Counts a value that had vanished at the bank and is written again.
    pub fn drift_repaired(&self) {
        self.objects.drift_repaired();
    }
}

#[cfg(test)]
mod tests;
