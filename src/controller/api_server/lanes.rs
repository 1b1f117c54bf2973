//! Which connection a watch goes by: many share one, so that a further namespace costs neither the operator nor the
//! API server a connection.

use std::sync::{Arc, Weak};

use kube::Client;
use tokio::sync::Mutex;

use super::connection::ApiServer;

/// Watches of one connection, at most. API servers let a hundred requests share one; they and those between may be
/// told to let fewer (`--http2-max-streams-per-connection`).
const WATCHES: usize = 32;

/// Connections for watches.
pub(crate) struct Lanes {
    server: ApiServer,
    lanes: Mutex<Vec<Lane>>,
}

/// One of them.
struct Lane {
    client: Weak<Client>,
    /// How many watches it takes.
    most: usize,
}

impl Lanes {
    pub(crate) fn new(server: ApiServer) -> Self {
        Self { server, lanes: Mutex::default() }
    }

    /// The client for one more watch. Its place is taken for as long as the client is held.
    pub(crate) async fn place(&self) -> Arc<Client> {
        let mut lanes = self.lanes.lock().await;
        lanes.retain(|lane| lane.client.strong_count() > 0);
        let free = lanes.iter().find(|lane| lane.client.strong_count() < lane.most);
        if let Some(client) = free.and_then(|lane| lane.client.upgrade()) {
            return client;
        }
        let Some((client, most)) = self.server.multiplexed().await else {
            return Arc::new(self.server.client().clone());
        };
        let client = Arc::new(client);
        lanes.push(Lane { client: Arc::downgrade(&client), most: most.min(WATCHES) });
        client
    }
}
