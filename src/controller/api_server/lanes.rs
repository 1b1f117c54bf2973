//! Which connection a watch goes by: many share one, so that a further namespace costs neither the operator nor the
//! API server a connection.

use std::sync::{Arc, Weak};

use kube::Client;
use tokio::sync::Mutex;

use super::connection::ApiServer;

/// Watches of one connection. API servers let a hundred requests share one; those between may let fewer.
const WATCHES: usize = 32;

/// Connections for watches.
pub(crate) struct Lanes {
    server: ApiServer,
    lanes: Mutex<Vec<Weak<Client>>>,
}

impl Lanes {
    pub(crate) fn new(server: ApiServer) -> Self {
        Self { server, lanes: Mutex::default() }
    }

    /// The client for one more watch. Its place is taken for as long as the client is held.
    pub(crate) async fn place(&self) -> Arc<Client> {
        let mut lanes = self.lanes.lock().await;
        lanes.retain(|lane| lane.strong_count() > 0);
        let free = lanes.iter().find(|lane| lane.strong_count() < WATCHES).and_then(Weak::upgrade);
        if let Some(lane) = free {
            return lane;
        }
        let Some(client) = self.server.multiplexed().await else {
            return Arc::new(self.server.client().clone());
        };
        let lane = Arc::new(client);
        lanes.push(Arc::downgrade(&lane));
        lane
    }
}
