//! An emulator of the bunq API, for tests and for developing against.
//!
//! It does what `bunq-api §11` asks of one: the signed handshake, `oauth-client` and its redirect
//! URLs, the addresses of a key, authorization and token exchange. What nobody knows about the
//! real bank is a switch ([`behaviour`]); what may go wrong is a [`fault`]; it has a clock of its
//! own and keeps a log of its calls. It shares no code with the operator.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use testbed::sandbox::{Options, Sandbox};
//! let sandbox = Sandbox::start(Options::default()).await?;
//! let user = sandbox.new_user();
//! println!("{} {}", sandbox.base_url(), user.api_key);
//! # Ok(()) }
//! ```

pub mod bank;
pub mod behaviour;
pub mod fault;
mod keys;
mod limit;
mod log;
pub mod options;
mod reply;
mod route;
pub mod sdk;
mod secrets;
mod server;
mod state;
pub(crate) mod tls;
mod wire;

use std::{
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::SignedDuration;
use tokio::{net::TcpListener, task::AbortHandle};

pub use self::{
    bank::Bank,
    behaviour::Behaviour,
    fault::{Fault, FaultKind},
    log::Call,
    options::{Options, Tls},
};
use self::{fault::Faults, keys::ServerKey, limit::Limits, log::CallLog, server::Shared, state::State};

/// A running emulator. Clones share it; it stops with the last one.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Shared,
    origin: String,
    ca_pem: Option<String>,
    server: AbortHandle,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sandbox").field(&self.inner.origin).finish()
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A user with a key.
#[derive(Clone)]
pub struct User {
    /// The number in every path.
    pub id: u64,
    /// A new, unused key.
    pub api_key: String,
}

impl Sandbox {
    /// Listens and serves, on the runtime of the caller.
    ///
    /// # Errors
    ///
    /// When the address is taken, or the call log cannot be opened.
    pub async fn start(options: Options) -> io::Result<Self> {
        // Not under the first call: it takes a moment.
        let key = tokio::task::spawn_blocking(ServerKey::shared);
        let identity = options.tls.map(tls::Identity::new).transpose()?;
        let listener = TcpListener::bind(options.listen).await?;
        let scheme = if identity.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://{}", listener.local_addr()?);
        let shared = Arc::new(Mutex::new(State {
            bank: Bank::new(options.behaviour),
            faults: Faults::default(),
            log: CallLog::open(options.call_log.as_deref())?,
            limits: options.limits.then(Limits::default),
            ahead: SignedDuration::ZERO,
            connections: 0,
        }));
        let (acceptor, ca_pem) = identity.map(|it| (it.acceptor, it.ca_pem)).unzip();
        key.await.map_err(io::Error::other)?;
        let server = tokio::spawn(server::serve(listener, acceptor, Arc::clone(&shared)));
        Ok(Self { inner: Arc::new(Inner { shared, origin, ca_pem, server: server.abort_handle() }) })
    }

    /// Stops serving: connections close, new ones are refused. The state stays readable.
    pub fn stop(&self) {
        self.inner.server.abort();
    }

    /// Ends in `/v1/`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}/v1/", self.inner.origin)
    }

    /// Where an application sends its users.
    #[must_use]
    pub fn authorize_url(&self) -> String {
        format!("{}/auth", self.inner.origin)
    }

    /// Where an application exchanges codes.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("{}token", self.base_url())
    }

    /// The authority to trust, with [`Options::tls`].
    #[must_use]
    pub fn ca_pem(&self) -> Option<String> {
        self.inner.ca_pem.clone()
    }

    /// A new user with a `sandbox_` key.
    #[must_use]
    pub fn new_user(&self) -> User {
        self.user_with_key(true)
    }

    /// A new user with a key of production's form.
    #[must_use]
    pub fn new_production_user(&self) -> User {
        self.user_with_key(false)
    }

    fn user_with_key(&self, sandbox: bool) -> User {
        self.with(|bank| {
            let id = bank.add_user();
            let api_key = bank.add_key(id, sandbox);
            User { id, api_key }
        })
    }

    /// Another `sandbox_` key of a user.
    #[must_use]
    pub fn new_key(&self, user: u64) -> String {
        self.with(|bank| bank.add_key(user, true))
    }

    /// A new user whose key is the given one, for scripts that need to know it beforehand.
    #[must_use]
    pub fn new_user_with_key(&self, api_key: &str) -> u64 {
        self.with(|bank| {
            let id = bank.add_user();
            bank.add_key_with_secret(id, api_key);
            id
        })
    }

    /// Looks at the bank, or edits it as the account owner would. Nothing is answered meanwhile,
    /// and the emulator's own methods must not be called inside.
    pub fn with<R>(&self, look: impl FnOnce(&mut Bank) -> R) -> R {
        let mut state = server::lock(&self.inner.shared);
        state.settle();
        look(&mut state.bank)
    }

    /// Changes switches.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        self.with(|bank| change(&mut bank.behaviour));
    }

    /// Plans a fault; several that fit hit one call each, first come first served.
    pub fn inject(&self, fault: Fault) {
        server::lock(&self.inner.shared).faults.add(fault);
    }

    /// Forgets the planned faults.
    pub fn clear_faults(&self) {
        server::lock(&self.inner.shared).faults.clear();
    }

    /// How many calls the planned faults are still to hit.
    #[must_use]
    pub fn waiting_faults(&self) -> usize {
        server::lock(&self.inner.shared).faults.waiting()
    }

    /// Turns the bank's limits on (with empty windows) or off.
    pub fn limit(&self, on: bool) {
        server::lock(&self.inner.shared).limits = on.then(Limits::default);
    }

    /// Puts the emulator's clock forward.
    pub fn advance(&self, by: Duration) {
        let mut state = server::lock(&self.inner.shared);
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        state.ahead = state.ahead.saturating_add(by);
        state.settle();
    }

    /// From now on calls seem to come from this address.
    pub fn set_caller_address(&self, address: Ipv4Addr) {
        self.with(|bank| bank.caller = address);
    }

    /// All calls, in the order they were answered.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        server::lock(&self.inner.shared).log.calls.clone()
    }

    /// The calls that would change an OAuth client or a redirect URL.
    #[must_use]
    pub fn mutations(&self) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.mutation);
        calls
    }

    /// Connections that are open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        server::lock(&self.inner.shared).connections
    }

    /// Forgets the calls so far; the file keeps them.
    pub fn clear_calls(&self) {
        server::lock(&self.inner.shared).log.calls.clear();
    }

    /// How many calls of this method had exactly this template.
    #[must_use]
    pub fn count(&self, method: &str, template: &str) -> usize {
        let fits = |call: &&Call| call.method == method && call.template == template;
        server::lock(&self.inner.shared).log.calls.iter().filter(fits).count()
    }

    /// Hears of every call; it must not call back into the emulator.
    pub fn on_call(&self, listener: impl Fn(&Call) + Send + 'static) {
        server::lock(&self.inner.shared).log.listen(Box::new(listener));
    }
}

#[cfg(test)]
mod tests;
