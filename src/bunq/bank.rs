//! The bank of one environment: every call as a method.

use std::{fmt, net::Ipv4Addr, sync::Arc, time::Duration};

use super::{
    answer::Reply,
    calls::{
        callback::{self, CallbackUrl},
        credential_ip::{self, PermittedDevice},
        handshake::{self, DeviceId, Installation, Session},
        oauth_client::{self, CreateBody, OauthClient, UpdateBody},
    },
    exchange::{Access, Auditor, Installed, Line},
    ground::{ApiKey, Endpoints, Error, KeyPair, Transport, User},
};

/// One environment of the bank, reached through one transport. Cheap to clone.
#[derive(Clone)]
pub struct Bank {
    line: Line,
}

impl Bank {
    /// `user_agent` is mandatory at the bank (`bunq-api §4`); other than ASCII is left out.
    #[must_use]
    pub fn new(endpoints: Endpoints, transport: Arc<dyn Transport>, user_agent: &str) -> Self {
        Self { line: Line::new(endpoints, transport, user_agent) }
    }

    /// Another deadline per call than 30 s, or 8 s if it changes something.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.line.deadline = deadline;
        self
    }

    /// Another pause between two pages of a listing than 1.1 s (which keeps the bank's window).
    #[must_use]
    pub fn with_page_pause(mut self, page_pause: Duration) -> Self {
        self.line.page_pause = page_pause;
        self
    }

    /// The same bank; whoever is named hears of every attempt to change something there.
    #[must_use]
    pub fn audited_by(&self, auditor: Arc<dyn Auditor>) -> Self {
        let mut audited = self.clone();
        audited.line.auditor = Some(auditor);
        audited
    }

    /// Where this bank lives.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.line.endpoints
    }

    /// Makes the public key known. Its answer cannot be verified: it brings the key to do so.
    pub async fn install(&self, key_pair: &KeyPair) -> Result<Reply<Installation>, Error> {
        handshake::install(&self.line, key_pair).await
    }

    /// Binds the API key to this installation, and to addresses: without any, the bank takes the
    /// one that the call comes from (protocol §8).
    pub async fn register_device(
        &self,
        installed: &Installed<'_>,
        description: &str,
        api_key: &ApiKey,
        permitted_ips: &[Ipv4Addr],
    ) -> Result<Reply<DeviceId>, Error> {
        handshake::register_device(&self.line, installed, description, api_key, permitted_ips).await
    }

    /// Opens a session: at most one in 30 s for everybody behind one address (`bunq-api §7`).
    pub async fn open_session(&self, installed: &Installed<'_>, api_key: &ApiKey) -> Result<Reply<Session>, Error> {
        handshake::open_session(&self.line, installed, api_key).await
    }

    /// Whose session it is; another user than the session's is not believed.
    pub async fn user(&self, access: &Access<'_>) -> Result<Reply<User>, Error> {
        handshake::user(&self.line, access).await
    }

    /// Ends the session; the bank looks at the token, not at the id in the path.
    pub async fn close_session(&self, access: &Access<'_>) -> Result<Reply<()>, Error> {
        handshake::close_session(&self.line, access).await
    }

    /// Every client of the user. Complete or an error, never a part; pauses between pages.
    pub async fn list_oauth_clients(&self, access: &Access<'_>) -> Result<Reply<Vec<OauthClient>>, Error> {
        oauth_client::list(&self.line, access).await
    }

    /// One client; another one than asked for is not believed.
    pub async fn get_oauth_client(&self, access: &Access<'_>, id: u64) -> Result<Reply<OauthClient>, Error> {
        oauth_client::get(&self.line, access, id).await
    }

    /// Creates a client; the id is missing when the bank succeeds without telling it.
    pub async fn create_oauth_client(
        &self,
        access: &Access<'_>,
        body: &CreateBody,
    ) -> Result<Reply<Option<u64>>, Error> {
        oauth_client::create(&self.line, access, body).await
    }

    /// Changes a client; read it back, the answer says nothing about what was stored.
    pub async fn update_oauth_client(
        &self,
        access: &Access<'_>,
        id: u64,
        body: &UpdateBody,
    ) -> Result<Reply<()>, Error> {
        oauth_client::update(&self.line, access, id, body).await
    }

    /// Every redirect URL of the client. Complete or an error; pauses between pages.
    pub async fn list_callback_urls(&self, access: &Access<'_>, client: u64) -> Result<Reply<Vec<CallbackUrl>>, Error> {
        callback::list(&self.line, access, client).await
    }

    /// Registers a redirect URL; the id is missing when the bank does not tell it.
    pub async fn create_callback_url(
        &self,
        access: &Access<'_>,
        client: u64,
        url: &str,
    ) -> Result<Reply<Option<u64>>, Error> {
        callback::create(&self.line, access, client, url).await
    }

    /// Puts another URL in the place of a registered one.
    pub async fn update_callback_url(
        &self,
        access: &Access<'_>,
        client: u64,
        id: u64,
        url: &str,
    ) -> Result<Reply<()>, Error> {
        callback::update(&self.line, access, client, id, url).await
    }

    /// Removes a registered URL; the answer may be empty (`{}`).
    pub async fn delete_callback_url(&self, access: &Access<'_>, client: u64, id: u64) -> Result<Reply<()>, Error> {
        callback::delete(&self.line, access, client, id).await
    }

    /// The first page of the user's credentials; those without an address are left out.
    pub async fn list_credential_password_ip(&self, access: &Access<'_>) -> Result<Reply<Vec<PermittedDevice>>, Error> {
        credential_ip::list(&self.line, access).await
    }
}

impl fmt::Debug for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bank").field("endpoints", &self.line.endpoints).finish_non_exhaustive()
    }
}
