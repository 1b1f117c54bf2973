//! The bank: its state, and the endpoints as functions of state and call.
//!
//! All fields are open, so that a test can look at anything and can play the account owner who
//! edits things in the app.

mod callback;
mod client;
mod create;
mod device;
mod grant;
mod ip;
mod list;
mod owner;
mod session;
mod show;
mod user;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::Ipv4Addr,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use rsa::RsaPublicKey;

pub use self::{
    client::{Client, ClientStatus, RedirectUrl},
    device::{Device, Installation},
    grant::Code,
    ip::{IpStatus, PermittedIp},
    session::Session,
    user::{Account, Key, KeyStatus},
};
use super::{
    behaviour::{Behaviour, ExpiredSession, RequestIdReuse, SessionAddress, SignatureRule},
    keys,
    reply::{Ask, Outcome, Refusal},
    route::Endpoint,
};

/// Everything the bank knows.
#[derive(Debug)]
pub struct Bank {
    /// The emulator's clock at this call.
    pub now: Timestamp,
    /// The address that calls come from.
    pub caller: Ipv4Addr,
    /// Which plausible bank it is.
    pub behaviour: Behaviour,
    /// Users by id.
    pub users: BTreeMap<u64, Account>,
    /// API keys, OAuth access tokens among them.
    pub keys: Vec<Key>,
    /// Installations, in the order they were made.
    pub installations: Vec<Installation>,
    /// Registered devices.
    pub devices: Vec<Device>,
    /// Sessions, ended ones among them.
    pub sessions: Vec<Session>,
    /// All OAuth clients that were ever created.
    pub clients: Vec<Client>,
    /// Authorization codes.
    pub codes: Vec<Code>,
    late: Vec<Late>,
    last_id: u64,
}

/// A call that will be carried out later.
#[derive(Debug)]
struct Late {
    due: Timestamp,
    caller: Caller,
    ask: Ask,
    seq: u64,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller {
    Nobody,
    /// With an installation token.
    Installation(usize),
    /// With a session token.
    Session(usize),
}

impl Bank {
    pub(crate) fn new(behaviour: Behaviour) -> Self {
        Self {
            now: Timestamp::UNIX_EPOCH,
            caller: Ipv4Addr::LOCALHOST,
            behaviour,
            users: BTreeMap::new(),
            keys: Vec::new(),
            installations: Vec::new(),
            devices: Vec::new(),
            sessions: Vec::new(),
            clients: Vec::new(),
            codes: Vec::new(),
            late: Vec::new(),
            last_id: 1000,
        }
    }

    /// A number that no other object has.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Now, in bunq's notation.
    pub(crate) fn stamp(&self) -> String {
        stamp(self.now)
    }

    pub(crate) fn after(&self, wait: Duration) -> Timestamp {
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        self.now.saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// Does what is due at `now`; returns the calls whose late commits happened.
    pub(crate) fn settle(&mut self, now: Timestamp) -> Vec<u64> {
        self.now = now;
        for client in &mut self.clients {
            client.settle(now);
        }
        let (due, rest) = std::mem::take(&mut self.late).into_iter().partition(|late| late.due <= now);
        self.late = rest;
        let mut committed = Vec::new();
        for Late { due, caller, ask, seq } in due {
            // Nobody may have looked since.
            self.now = due;
            if self.knows(caller) && self.answer(caller, &ask).is_ok() {
                committed.push(seq);
            }
        }
        self.now = now;
        committed
    }

    /// Puts a call off, as if the bank were slow.
    pub(crate) fn commit_later(&mut self, caller: Caller, ask: Ask, seq: u64, wait: Duration) {
        self.late.push(Late { due: self.after(wait), caller, ask, seq });
    }

    /// Whether the caller is still there: everything can be forgotten by hand.
    fn knows(&self, caller: Caller) -> bool {
        match caller {
            Caller::Nobody => true,
            Caller::Installation(at) => at < self.installations.len(),
            Caller::Session(at) => at < self.sessions.len(),
        }
    }

    /// Who asks; refuses tokens that are unknown, ended, of the wrong kind, and bad signatures.
    pub(crate) fn authenticate(&mut self, ask: &Ask) -> Result<Caller, Refusal> {
        let caller = self.identify(ask)?;
        let installation = match caller {
            Caller::Nobody => return Ok(caller),
            Caller::Installation(at) => at,
            Caller::Session(at) => self.installation_of(at)?,
        };
        self.check_signature(ask, installation)?;
        self.check_request_id(ask, installation)?;
        Ok(caller)
    }

    fn identify(&self, ask: &Ask) -> Result<Caller, Refusal> {
        let by_installation = match ask.route.endpoint {
            Endpoint::Installation if ask.method == "POST" => return Ok(Caller::Nobody),
            Endpoint::SandboxUser | Endpoint::Token | Endpoint::Authorize | Endpoint::Unknown => {
                return Ok(Caller::Nobody);
            }
            Endpoint::DeviceServer => ask.method == "POST",
            Endpoint::SessionServer => true,
            _ => false,
        };
        let token = ask.token.as_deref().ok_or_else(Refusal::authentication)?;
        if by_installation {
            return self
                .installations
                .iter()
                .position(|it| it.token == token)
                .map(Caller::Installation)
                .ok_or_else(Refusal::authentication);
        }
        let at = self.sessions.iter().position(|it| it.token == token).ok_or_else(Refusal::authentication)?;
        self.check_session(at).map(|()| Caller::Session(at))
    }

    /// The position of a session's installation.
    fn installation_of(&self, session: usize) -> Result<usize, Refusal> {
        let id = self.sessions[session].installation;
        let found = self.installations.iter().position(|it| it.id == id);
        found.ok_or_else(Refusal::authentication)
    }

    fn check_session(&self, at: usize) -> Result<(), Refusal> {
        let session = &self.sessions[at];
        let key = self.key_by_id(session.key);
        let usable = key.is_some_and(|key| key.status == KeyStatus::Active);
        if !session.lives(self.now) || !usable {
            return Err(match self.behaviour.expired_session {
                ExpiredSession::Unauthorised => Refusal::authorisation(401),
                ExpiredSession::Forbidden => Refusal::authentication(),
            });
        }
        let here = key.is_some_and(|key| key.permits(self.caller));
        match self.behaviour.session_address {
            SessionAddress::Permitted if !here => Err(Refusal::authentication()),
            SessionAddress::Permitted | SessionAddress::Any => Ok(()),
        }
    }

    /// Required for `session-server`; elsewhere checked on POST and PUT when present, and
    /// ignored on GET and DELETE (`§11.17`).
    fn check_signature(&self, ask: &Ask, installation: usize) -> Result<(), Refusal> {
        if !matches!(ask.method.as_str(), "POST" | "PUT") {
            return Ok(());
        }
        let required =
            ask.route.endpoint == Endpoint::SessionServer || self.behaviour.signatures == SignatureRule::EveryBody;
        let key: &RsaPublicKey = &self.installations[installation].client_key;
        match &ask.signature {
            None if required => Err(Refusal::signature_required(&ask.path)),
            None => Ok(()),
            Some(signature) if keys::verify(key, &ask.body, signature) => Ok(()),
            Some(_) => Err(Refusal::signature_invalid()),
        }
    }

    fn check_request_id(&mut self, ask: &Ask, installation: usize) -> Result<(), Refusal> {
        let Some(id) = &ask.request_id else {
            return Ok(());
        };
        let seen: &mut BTreeSet<String> = &mut self.installations[installation].request_ids;
        let fresh = seen.insert(id.clone());
        match self.behaviour.request_id_reuse {
            RequestIdReuse::Error if !fresh => {
                Err(Refusal::new(400, "The request id has already been used for this device."))
            }
            RequestIdReuse::Error | RequestIdReuse::Ignored => Ok(()),
        }
    }

    /// Does what was asked.
    pub(crate) fn answer(&mut self, caller: Caller, ask: &Ask) -> Outcome {
        let method = ask.method.as_str();
        match (ask.route.endpoint, caller) {
            (Endpoint::SandboxUser, _) => self.sandbox_user(method),
            (Endpoint::Token, _) => self.token(ask),
            (Endpoint::Authorize, _) => self.authorize(ask),
            (Endpoint::Installation, Caller::Nobody) => self.create_installation(ask),
            (Endpoint::DeviceServer, Caller::Installation(at)) => self.create_device(ask, at),
            (Endpoint::SessionServer, Caller::Installation(at)) => self.create_session(ask, at),
            (_, Caller::Session(at)) => self.answer_session(at, ask),
            (_, Caller::Nobody | Caller::Installation(_)) => Err(Refusal::route_not_found()),
        }
    }

    fn answer_session(&mut self, session: usize, ask: &Ask) -> Outcome {
        let owner = self.sessions[session].user;
        let own = |user: u64| {
            if user == owner { Ok(()) } else { Err(Refusal::authorisation(403)) }
        };
        match ask.route.endpoint {
            Endpoint::Session => self.end_session(ask, session),
            Endpoint::Installation | Endpoint::InstallationById | Endpoint::ServerPublicKey => {
                self.read_installation(ask, session)
            }
            Endpoint::DeviceServer => self.list_devices(ask, session, None),
            Endpoint::DeviceServerById(id) => self.list_devices(ask, session, Some(id)),
            Endpoint::Users => self.read_user(ask, session),
            Endpoint::User(user) => {
                own(user)?;
                self.read_user(ask, session)
            }
            Endpoint::OauthClients(user) => {
                own(user)?;
                self.oauth_clients(ask, session)
            }
            Endpoint::OauthClient(user, client) => {
                own(user)?;
                self.oauth_client(ask, session, client)
            }
            Endpoint::CallbackUrls(user, client) => {
                own(user)?;
                self.callback_urls(ask, session, client)
            }
            Endpoint::CallbackUrl(user, client, url) => {
                own(user)?;
                self.callback_url(ask, session, client, url)
            }
            Endpoint::Credentials(user) => {
                own(user)?;
                self.credentials(ask, user, None)
            }
            Endpoint::Credential(user, credential) => {
                own(user)?;
                self.credentials(ask, user, Some(credential))
            }
            Endpoint::PermittedIps(user, credential) => {
                own(user)?;
                self.permitted_ips(ask, user, credential)
            }
            Endpoint::PermittedIp(user, credential, ip) => {
                own(user)?;
                self.permitted_ip(ask, user, credential, ip)
            }
            Endpoint::MonetaryAccounts(user) => {
                own(user)?;
                Self::monetary_accounts(ask, user)
            }
            Endpoint::SessionServer => Err(Refusal::authentication()),
            Endpoint::SandboxUser | Endpoint::Token | Endpoint::Authorize | Endpoint::Unknown => {
                Err(Refusal::route_not_found())
            }
        }
    }
}

/// `YYYY-MM-DD hh:mm:ss.ssssss`, UTC.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

/// Random bytes in hexadecimal, `length` characters.
pub(crate) fn random_hex(length: usize) -> String {
    let mut hex = String::with_capacity(length);
    while hex.len() < length {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{:02x}", rand::random::<u8>());
    }
    hex.truncate(length);
    hex
}
