//! The API server and leadership, in client-go's words (`C48`).

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::labels::{LeaseLabels, RestCall};

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

    pub(super) fn requested(&self, call: &RestCall) {
        self.requests.get_or_create(call).inc();
    }

    pub(super) fn leads(&self, lease: &'static str, leads: bool) {
        self.leads.get_or_create(&LeaseLabels { name: lease }).set(i64::from(leads));
    }
}
