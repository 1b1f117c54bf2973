//! Everything that can be set. Who needs one value of it is given that value.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::bunq::{Endpoints, LimitMode};

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// Holds claims and contexts.
    pub operator_namespace: String,
    /// The service account that a tenant grants access to, for the message that says so.
    pub service_account: String,
    /// Where manifests are looked at; empty: everywhere.
    pub watch_namespaces: Vec<String>,
    /// Where the bank of real money lives.
    pub production: Endpoints,
    /// Where the bank's playground lives.
    pub sandbox: Endpoints,
    /// Whether the bank's limits are kept.
    pub limits: LimitMode,
    /// Sent as `permitted_ips`; empty: the bank binds the caller's address (protocol §8).
    pub egress_ips: Vec<Ipv4Addr>,
    /// What the account owner sees in the app.
    pub device_description: String,
    /// Health and metrics.
    pub http_address: SocketAddr,
    /// Whether replicas elect one that works.
    pub leader_elect: bool,
    /// What the Lease shows as its holder, before a random suffix.
    pub pod_name: String,
}

impl Config {
    /// The default bind address of health and metrics.
    #[must_use]
    pub fn default_http_address() -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080)
    }
}
