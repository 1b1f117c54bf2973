//! What verified reads of the client brought.

use jiff::Timestamp;

use crate::{
    bunq::OauthClient,
    controller::{manifests::Pair, pass::translate},
    plan,
};

/// What verified reads of the client brought: in this pass, or in the one that it goes by.
#[derive(Default)]
pub(in crate::controller::pass) struct Reads {
    /// Each from one read of this pass.
    pairs: Vec<Pair>,
    /// When the client was read last.
    pub(in crate::controller::pass) at: Option<Timestamp>,
    /// The address that the bank had bound the key to, when the read that this pass goes by was made.
    pub(in crate::controller::pass) bound_ip: Option<String>,
}

impl Reads {
    /// Keeps the pair that a verified read carried, and when it was.
    pub(in crate::controller::pass) fn take_in(&mut self, read: &OauthClient, now: Timestamp) -> plan::Client {
        let (client, pair) = translate::client(read);
        self.pairs.extend(pair);
        self.at = Some(now);
        client
    }

    /// The pair of this client, if a read carried it.
    pub(in crate::controller::pass) fn pair(&self, client_id: &str) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.client_id == client_id)
    }
}
