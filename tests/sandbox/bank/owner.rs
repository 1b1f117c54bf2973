//! What the account owner does in the bunq app, and what tests ask.

use super::{Bank, Client, ClientStatus, KeyStatus};

impl Bank {
    /// All clients of a user, cancelled ones too, oldest first.
    #[must_use]
    pub fn clients_of(&self, user: u64) -> Vec<&Client> {
        self.clients.iter().filter(|it| it.user == user).collect()
    }

    /// The ACTIVE clients of a user.
    #[must_use]
    pub fn active_clients(&self, user: u64) -> Vec<&Client> {
        let mut clients = self.clients_of(user);
        clients.retain(|it| it.status == ClientStatus::Active);
        clients
    }

    /// The client with this number.
    #[must_use]
    pub fn client(&self, id: u64) -> Option<&Client> {
        self.clients.iter().find(|it| it.id == id)
    }

    /// The same, to change it.
    pub fn client_mut(&mut self, id: u64) -> Option<&mut Client> {
        self.clients.iter_mut().find(|it| it.id == id)
    }

    /// The stored redirect URLs of a client, oldest first.
    #[must_use]
    pub fn urls_of(&self, client: u64) -> Vec<String> {
        let urls = self.client(client).map(|it| it.urls.as_slice());
        urls.unwrap_or_default().iter().map(|it| it.url.clone()).collect()
    }

    /// Creates an ACTIVE client by hand; returns its number.
    pub fn create_by_hand(&mut self, user: u64, name: Option<&str>, urls: &[&str]) -> u64 {
        let at = self.add_client(user, None);
        self.clients[at].display_name = name.map(str::to_owned);
        let id = self.clients[at].id;
        for url in urls {
            self.add_url_by_hand(id, url);
        }
        id
    }

    /// Registers a URL by hand, as typed; returns its number, or `None` without such a client.
    pub fn add_url_by_hand(&mut self, client: u64, url: &str) -> Option<u64> {
        let at = self.clients.iter().position(|it| it.id == client)?;
        let id = self.add_url(at, url);
        for it in &mut self.clients[at].urls {
            if it.id == id {
                url.clone_into(&mut it.url);
            }
        }
        Some(id)
    }

    /// Removes a URL by hand.
    pub fn remove_url_by_hand(&mut self, client: u64, url: &str) {
        if let Some(client) = self.client_mut(client) {
            client.urls.retain(|it| it.url != url);
        }
    }

    /// Cancels a client by hand, at once.
    pub fn cancel_by_hand(&mut self, client: u64) {
        if let Some(client) = self.client_mut(client) {
            client.status = ClientStatus::Cancelled;
        }
    }

    /// Makes a cancelled client ACTIVE again by hand.
    pub fn activate_by_hand(&mut self, client: u64) {
        if let Some(client) = self.client_mut(client) {
            client.status = ClientStatus::Active;
        }
    }

    /// Removes a client without a trace: reads answer 404.
    pub fn delete_client(&mut self, client: u64) {
        self.clients.retain(|it| it.id != client);
    }

    /// Revokes an API key.
    pub fn revoke_key(&mut self, api_key: &str) {
        for key in &mut self.keys {
            if key.secret == api_key {
                key.status = KeyStatus::Revoked;
            }
        }
    }

    /// Permits calls with a key from one more address; `*` is any.
    pub fn permit_address(&mut self, api_key: &str, ip: &str) {
        if let Some(at) = self.keys.iter().position(|it| it.secret == api_key) {
            self.add_ip(at, ip);
        }
    }

    /// Removes all installations, devices and sessions: their tokens are unknown from now on.
    pub fn forget_installations(&mut self) {
        self.installations.clear();
        self.devices.clear();
        self.sessions.clear();
    }

    /// Ends every session.
    pub fn end_sessions(&mut self) {
        for session in &mut self.sessions {
            session.ended = true;
        }
    }

    /// Sessions that still live.
    #[must_use]
    pub fn living_sessions(&self) -> usize {
        self.sessions.iter().filter(|it| it.lives(self.now)).count()
    }

    /// bunq empties its sandbox: users, keys, devices, clients are gone.
    pub fn reset(&mut self) {
        let last_id = self.last_id;
        let (now, caller) = (self.now, self.caller);
        *self = Self { now, caller, last_id, ..Self::new(self.behaviour.clone()) };
    }
}
