//! The API server and leadership, in client-go's words (`C48`).

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{
    Metrics,
    labels::{LeaseLabels, RestCall},
};

#[derive(Debug, Default)]
pub(super) struct Cluster {
    requests: Family<RestCall, Counter>,
    leads: Family<LeaseLabels, Gauge>,
}

impl Cluster {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "rest_client_requests",
            "Requests to the API server by status code, method and host, those without an answer included",
            self.requests.clone(),
        );
        registry.register(
            "leader_election_master_status",
            "Whether this process leads, by the name of the lease: 1 if it does, 0 if it stands by",
            self.leads.clone(),
        );
    }
}

impl Metrics {
    /// Counts a request to the API server.
    pub fn rest_call(&self, call: &RestCall) {
        self.cluster.requests.get_or_create(call).inc();
    }

    /// Tells whether this process holds the lease of that name. Never called when there is no
    /// election, so that the series says nothing then.
    pub fn leader(&self, lease: &'static str, leads: bool) {
        self.cluster.leads.get_or_create(&LeaseLabels { name: lease }).set(i64::from(leads));
    }
}
