//! The custom resources: how many are in which state, and what was mended for them.

use std::{
    sync::{PoisonError, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{Metrics, labels::ClientCensus};

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
}

impl Metrics {
    /// Replaces the census of the custom resources; what it does not name is zero.
    pub fn clients(&self, census: impl IntoIterator<Item = (ClientCensus, u32)>) {
        let _whole = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.objects.clients.clear();
        for (labels, count) in census {
            self.objects.clients.get_or_create(&labels).set(i64::from(count));
        }
    }

    /// Tells how long ago the longest confirmation is, and by how much the latest one is late.
    pub fn verifications(&self, oldest: Duration, overdue: Duration) {
        let _whole = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.objects.verification_age.set(oldest.as_secs_f64());
        self.objects.verification_overdue.set(overdue.as_secs_f64());
    }

    /// Counts an output Secret that had to be written again.
    pub fn secret_repaired(&self) {
        self.objects.secret_repairs.inc();
    }

    /// Counts a value that had vanished at the bank and is written again.
    pub fn drift_repaired(&self) {
        self.objects.drift_repairs.inc();
    }
}
