//! The custom resources: how many are in which state, and what was mended for them.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::labels::ClientCensus;

#[derive(Debug, Default)]
pub(super) struct Objects {
    clients: Family<ClientCensus, Gauge>,
    verification_age: Gauge<f64, AtomicU64>,
    verification_overdue: Gauge<f64, AtomicU64>,
    secret_repairs: Counter,
    drift_repairs: Counter,
}

impl Objects {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "bunq_oauth_clients",
            "BunqOAuthClients by condition, its status and reason",
            self.clients.clone(),
        );
        registry.register(
            "bunq_verification_age_seconds",
            "Seconds since the bank last confirmed a Ready BunqOAuthClient: of the one for which it is longest ago, 0 if there is none",
            self.verification_age.clone(),
        );
        registry.register(
            "bunq_verification_overdue_seconds",
            "Seconds since the bank should have confirmed a Ready BunqOAuthClient again: of the latest one, 0 if none is late",
            self.verification_overdue.clone(),
        );
        registry.register(
            "bunq_secret_repairs",
            "Output Secrets that were written again after somebody changed or deleted them",
            self.secret_repairs.clone(),
        );
        registry.register(
            "bunq_drift_repairs",
            "Values that had vanished at the bank and were written again",
            self.drift_repairs.clone(),
        );
    }

    /// Whoever calls this holds the registry, so that no reader sees half a census.
    pub(super) fn count(&self, census: impl IntoIterator<Item = (ClientCensus, u32)>) {
        self.clients.clear();
        for (labels, count) in census {
            self.clients.get_or_create(&labels).set(i64::from(count));
        }
    }

    pub(super) fn verified(&self, oldest: Duration, overdue: Duration) {
        self.verification_age.set(oldest.as_secs_f64());
        self.verification_overdue.set(overdue.as_secs_f64());
    }

    pub(super) fn secret_repaired(&self) {
        self.secret_repairs.inc();
    }

    pub(super) fn drift_repaired(&self) {
        self.drift_repairs.inc();
    }
}
