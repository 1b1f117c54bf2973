//! Counters for dashboards.
//!
//! Reconciles carry the names, labels and buckets of controller-runtime, requests to the API
//! server and leadership those of client-go, so that dashboards made for them work (`C48`); the
//! operator's own begin with `bunq_`. No label holds an identifier, a URL or a secret (`C49`,
//! `H16`), and no series belongs to one object: their number does not grow with that of objects.

mod bank;
mod classic;
mod cluster;
mod labels;
mod objects;
mod process;
mod reconciles;

use std::{
    fmt::Error,
    sync::{Mutex, PoisonError},
};

use prometheus_client::{encoding::text, metrics::info::Info, registry::Registry};

use self::{
    bank::Bank, cluster::Cluster, labels::BuildLabels, objects::Objects, process::Process, reconciles::Reconciles,
};
use super::{REVISION, VERSION};

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
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
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

#[cfg(test)]
mod tests;
