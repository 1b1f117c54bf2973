//! How an emulator is started.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use super::behaviour::Behaviour;

/// How an emulator is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which plausible bank it is.
    pub behaviour: Behaviour,
    /// Whether it enforces the bank's limits (`bunq-api §7`).
    pub limits: bool,
    /// HTTPS instead of HTTP.
    pub tls: Option<Tls>,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// A file that gets one JSON line per call, without secrets.
    pub call_log: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            behaviour: Behaviour::default(),
            limits: false,
            tls: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            call_log: None,
        }
    }
}

/// The certificate of an HTTPS emulator, issued by a CA of its own ([`Sandbox::ca_pem`](super::Sandbox::ca_pem)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// For `localhost` and 127.0.0.1, valid now.
    Valid,
    /// For another host.
    WrongHost,
    /// Valid until 2020.
    Expired,
    /// Valid from 2090 on.
    NotYetValid,
    /// Signed by itself; [`Sandbox::ca_pem`](super::Sandbox::ca_pem) is of an authority that signed nothing.
    SelfSigned,
}
