//! Reconciles, with the names, labels and buckets of controller-runtime (`C48`).

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::labels::{ControllerLabels, ReconcileLabels, ReconcileResult};

/// The value of the label `controller`: the one controller of this operator (D2).
const CONTROLLER: ControllerLabels = ControllerLabels { controller: "bunqoauthclient" };

/// controller-runtime's buckets for reconcile times, in seconds.
const BUCKETS: [f64; 40] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5,
    1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0,
];

#[derive(Debug)]
pub(super) struct Reconciles {
    ended: Family<ReconcileLabels, Counter>,
    errors: Family<ControllerLabels, Counter>,
    terminal_errors: Family<ControllerLabels, Counter>,
    panics: Family<ControllerLabels, Counter>,
    timeouts: Family<ControllerLabels, Counter>,
    time: Family<ControllerLabels, Histogram, fn() -> Histogram>,
    active_workers: Family<ControllerLabels, Gauge>,
    max_concurrent: Family<ControllerLabels, Gauge>,
}

impl Reconciles {
    pub(super) fn new() -> Self {
        let reconciles = Self {
            ended: Family::default(),
            errors: Family::default(),
            terminal_errors: Family::default(),
            panics: Family::default(),
            timeouts: Family::default(),
            time: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            active_workers: Family::default(),
            max_concurrent: Family::default(),
        };
        for result in ReconcileResult::ALL {
            reconciles.count(result, 0);
        }
        for counter in [&reconciles.errors, &reconciles.terminal_errors, &reconciles.panics, &reconciles.timeouts] {
            drop(counter.get_or_create(&CONTROLLER));
        }
        drop(reconciles.time.get_or_create(&CONTROLLER));
        drop(reconciles.active_workers.get_or_create(&CONTROLLER));
        reconciles
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("controller_runtime_reconcile", "Reconciles by controller and result", self.ended.clone());
        registry.register(
            "controller_runtime_reconcile_errors",
            "Reconciles that failed, by controller",
            self.errors.clone(),
        );
        registry.register(
            "controller_runtime_terminal_reconcile_errors",
            "Reconciles that failed for a reason that only a person can mend, by controller; they are among the failed",
            self.terminal_errors.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_panics",
            "Reconciles that panicked, by controller",
            self.panics.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_timeouts",
            "Reconciles that ran into their deadline, by controller",
            self.timeouts.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_time_seconds",
            "How long reconciles took, by controller",
            self.time.clone(),
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
    }

    fn count(&self, result: ReconcileResult, by: u64) {
        let labels = ReconcileLabels { controller: CONTROLLER.controller, result: result.label() };
        self.ended.get_or_create(&labels).inc_by(by);
    }

    pub(super) fn started<C: Fn() -> Duration>(&self, monotonic: C) -> ReconcileTimer<'_, C> {
        self.active_workers.get_or_create(&CONTROLLER).inc();
        ReconcileTimer { reconciles: self, started: monotonic(), monotonic }
    }

    pub(super) fn ended(&self, result: ReconcileResult, took: Duration) {
        self.count(result, 1);
        self.time.get_or_create(&CONTROLLER).observe(took.as_secs_f64());
        let is_terminal = result == ReconcileResult::Terminal;
        if is_terminal || result == ReconcileResult::Error {
            self.errors.get_or_create(&CONTROLLER).inc();
        }
        if is_terminal {
            self.terminal_errors.get_or_create(&CONTROLLER).inc();
        }
    }

    pub(super) fn panicked(&self) {
        self.panics.get_or_create(&CONTROLLER).inc();
    }

    pub(super) fn timed_out(&self) {
        self.timeouts.get_or_create(&CONTROLLER).inc();
    }

    pub(super) fn limited_to(&self, limit: u16) {
        self.max_concurrent.get_or_create(&CONTROLLER).set(i64::from(limit));
    }
}

/// A reconcile that runs; made by [`Metrics::reconcile_started`](super::Metrics::reconcile_started).
///
/// Dropped by a panic it counts as an error; dropped in any other way without
/// [`finished`](Self::finished) (the process is stopping) it only stops being active.
#[derive(Debug)]
pub struct ReconcileTimer<'m, C: Fn() -> Duration> {
    reconciles: &'m Reconciles,
    started: Duration,
    monotonic: C,
}

impl<C: Fn() -> Duration> ReconcileTimer<'_, C> {
    /// Counts the reconcile and the time it took.
    pub fn finished(self, result: ReconcileResult) {
        self.reconciles.ended(result, self.elapsed());
    }

    fn elapsed(&self) -> Duration {
        (self.monotonic)().saturating_sub(self.started)
    }
}

impl<C: Fn() -> Duration> Drop for ReconcileTimer<'_, C> {
    fn drop(&mut self) {
        self.reconciles.active_workers.get_or_create(&CONTROLLER).dec();
        if std::thread::panicking() {
            self.reconciles.panicked();
            self.reconciles.ended(ReconcileResult::Error, self.elapsed());
        }
    }
}
