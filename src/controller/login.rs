//! From an API key to a session, one step at a time, each written down before the next (D7,
//! protocol §8).

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::{
    audit::Author,
    context::Operator,
    context_store::{ContextStore, Entry, Keys},
    error::Stop,
    message,
};
use crate::{
    bunq::{
        self, Access, ApiKey, Call, Class, DeviceRecord, Environment, HandshakeStep, InstallationRecord, Installed,
        KeyPair, Priority, ServerKey, SessionRecord, UserKind,
    },
    plan::backoff,
    telemetry,
};

/// Refusals that are remembered: after the fifth the delay no longer grows (`S8`).
const REFUSALS: usize = 10;

/// Who logs in, for the queue and for messages.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The UID of the manifest.
    pub(crate) uid: String,
    /// Who goes first.
    pub(crate) priority: Priority,
    /// Whether a person asked for this attempt and has had none yet.
    pub(crate) is_asked: bool,
    /// Whether the manifest was never looked at before.
    pub(crate) is_newcomer: bool,
    /// Namespace and name of the credentials.
    pub(crate) credentials: String,
    /// Namespace and name of the manifest.
    pub(crate) object: String,
    /// For the audit log.
    pub(crate) author: Arc<Author>,
    /// When the credentials Secret was created, for the message.
    pub(crate) credentials_created: Option<Timestamp>,
}

/// An open session that calls can use without holding the context's lock.
#[derive(Clone)]
pub(crate) struct Login {
    own: Arc<KeyPair>,
    server: ServerKey,
    token: SecretString,
    pub(crate) user_id: u64,
    pub(crate) kind: UserKind,
    pub(crate) bound_ip: Option<String>,
    /// Whether the key was refused before; the first call that succeeds ends that.
    pub(crate) is_on_probation: bool,
}

impl Login {
    /// The same session, off probation.
    pub(crate) fn trusted(self) -> Self {
        Self { is_on_probation: false, ..self }
    }

    pub(crate) fn access(&self) -> Access<'_> {
        Access { key_pair: &self.own, server_key: &self.server, session_token: &self.token, user_id: self.user_id }
    }
}

impl Operator {
    /// An open session for `key`, from memory, from the context Secret, or from the bank.
    pub(crate) async fn login(&self, environment: Environment, key: &ApiKey, caller: &Caller) -> Result<Login, Stop> {
        let entry = self.contexts.of_key(environment, key).await;
        let mut entry = entry.lock().await;
        let result = self.handshake(&mut entry, key, caller).await;
        // Parsed keys are large, and at rest one object in a thousand signs anything.
        entry.keys = None;
        // Whatever stopped it, what the bank has answered is not asked for again.
        let saved = match &result {
            // Just tried.
            Err(Stop::Kube { .. } | Stop::KubeTimeout { .. }) => Ok(()),
            Ok(_) | Err(_) => self.contexts.save(&mut entry).await,
        };
        if matches!(&result, Err(Stop::KeyPair { .. } | Stop::Corrupt { .. })) {
            // A person may mend or delete it, as the message says.
            ContextStore::reload(&mut entry);
        }
        let login = result?;
        saved?;
        Ok(login)
    }

    /// A session that is still open in the context of this name: it serves when the key is gone.
    pub(crate) async fn login_without_key(&self, name: &str, environment: Environment) -> Result<Option<Login>, Stop> {
        let entry = self.contexts.named(name, environment).await;
        let mut entry = entry.lock().await;
        self.contexts.load(&mut entry).await?;
        match bunq::next_step(&entry.stored.context, self.clock.now()) {
            HandshakeStep::Ready => self.ready(&mut entry).map(Some),
            HandshakeStep::GenerateKey
            | HandshakeStep::Install
            | HandshakeStep::RegisterDevice
            | HandshakeStep::OpenSession => Ok(None),
        }
    }

    /// The bank no longer accepts this session: the next login opens another one. That is written down
    /// first: whoever finds no live session knows that one may have been opened (see `windows`).
    pub(crate) async fn end_session(&self, environment: Environment, key: &ApiKey, login: &Login) -> Result<(), Stop> {
        let entry = self.contexts.of_key(environment, key).await;
        let mut entry = entry.lock().await;
        let is_same = |session: &SessionRecord| session.token.expose_secret() == login.token.expose_secret();
        if entry.stored.context.session.as_ref().is_some_and(is_same) {
            entry.stored.context.session = None;
            entry.touch();
            if let Err(stop) = self.contexts.save(&mut entry).await {
                ContextStore::reload(&mut entry);
                return Err(stop);
            }
        }
        Ok(())
    }

    /// A session that was opened just now and is refused all the same: trying again and again would
    /// only cost sessions, so it counts as a refusal of the key (`F19`, `S8`).
    pub(crate) async fn refuse_session(
        &self,
        environment: Environment,
        key: &ApiKey,
        caller: &Caller,
        source: &bunq::Error,
    ) -> Stop {
        let entry = self.contexts.of_key(environment, key).await;
        let mut entry = entry.lock().await;
        let until = self.note_refusal(&mut entry);
        if let Err(stop) = self.contexts.save(&mut entry).await {
            tracing::warn!(error = telemetry::chain(&stop), "the refusal could not be written down");
        }
        Stop::CredentialsRejected { text: message::session_refused(caller, source), until }
    }

    /// The bank accepted a call: earlier refusals of this key no longer matter.
    pub(crate) async fn end_probation(&self, environment: Environment, key: &ApiKey) {
        let entry = self.contexts.of_key(environment, key).await;
        let mut entry = entry.lock().await;
        entry.stored.refusals.clear();
        entry.touch();
        if let Err(stop) = self.contexts.save(&mut entry).await {
            tracing::warn!(error = telemetry::chain(&stop), "the end of a refusal could not be written down");
        }
    }

    async fn handshake(&self, entry: &mut Entry, key: &ApiKey, caller: &Caller) -> Result<Login, Stop> {
        self.contexts.use_now(&entry.name, self.clock.now());
        if caller.is_newcomer {
            self.contexts.load_for_newcomer(entry).await?;
        } else {
            self.contexts.load(entry).await?;
        }
        // What could not be written down last time: the next step waits for it.
        self.contexts.save(entry).await?;
        self.await_turn_after_refusal(entry, caller)?;
        // Before this process writes a context of its own: it would be taken for an earlier one's.
        self.follow_earlier_process().await?;
        loop {
            self.go_on()?;
            let outcome = match bunq::next_step(&entry.stored.context, self.clock.now()) {
                HandshakeStep::GenerateKey => self.generate_key(entry).await,
                HandshakeStep::Install => self.install(entry, caller).await,
                HandshakeStep::RegisterDevice => self.register_device(entry, key, caller).await,
                HandshakeStep::OpenSession => self.open_session(entry, key, caller).await,
                HandshakeStep::Ready => match self.ready(entry) {
                    Ok(login) => return Ok(login),
                    Err(stop) => Err(stop),
                },
            };
            // Where it cannot be read either, somebody is asked to mend or delete it. What could not be written is
            // kept: the bank is not asked for it again.
            if let Err(stop @ (Stop::KeyPair { .. } | Stop::Corrupt { .. })) = &outcome {
                tracing::debug!(error = telemetry::chain(stop), "the context is read again next time");
                ContextStore::reload(entry);
            }
            outcome?;
        }
    }

    /// A key that the bank refused is not tried before its time, whatever was edited meanwhile, also after a
    /// restart (`S8`). Only a person's request goes first.
    fn await_turn_after_refusal(&self, entry: &Entry, caller: &Caller) -> Result<(), Stop> {
        match backoff::after_rejection(&entry.stored.refusals) {
            Some(until) if until > self.clock.now() && !caller.is_asked => Err(match caller.priority {
                Priority::Resync => Stop::BackingOff { until },
                Priority::NewKey | Priority::Deletion | Priority::Change => self.rejected(entry, caller, until),
            }),
            Some(_) | None => Ok(()),
        }
    }

    async fn generate_key(&self, entry: &mut Entry) -> Result<(), Stop> {
        let fail = |source| Stop::KeyPair { context: self.contexts.locate(&entry.name), source };
        let generated = tokio::task::spawn_blocking(|| KeyPair::generate().and_then(|pair| pair.to_pkcs8_pem())).await;
        let pem = generated.unwrap_or(Err(bunq::KeyError::Generate)).map_err(fail)?;
        entry.stored.context.key_pair_pem = Some(SecretString::from(pem.as_str()));
        entry.keys = None;
        entry.touch();
        self.contexts.save(entry).await
    }

    async fn install(&self, entry: &mut Entry, caller: &Caller) -> Result<(), Stop> {
        let slot = self.bank_slot().await;
        self.turn(entry, Call::CreateInstallation, caller).await?;
        let keys = entry.keys(|name| self.contexts.locate(name))?;
        let reply = self
            .timed(
                entry.environment,
                Call::CreateInstallation,
                self.bank_for(caller, entry.environment).install(&keys.own),
            )
            .await?;
        // Whatever the API server makes of the write, the next one may call the bank meanwhile.
        drop(slot);
        self.telemetry.metrics.installed(entry.environment.as_str());
        entry.stored.context.installation = Some(InstallationRecord {
            token: reply.value.token,
            server_key_pem: reply.value.server_key.as_pem().to_owned(),
        });
        entry.keys = None;
        entry.touch();
        self.contexts.save(entry).await
    }

    async fn register_device(&self, entry: &mut Entry, key: &ApiKey, caller: &Caller) -> Result<(), Stop> {
        let _slot = self.bank_slot().await;
        self.turn(entry, Call::CreateDeviceServer, caller).await?;
        let (keys, token) = self.installed(entry)?;
        let installed = installed(&keys, &token)?;
        let bank = self.bank_for(caller, entry.environment);
        let call = bank.register_device(&installed, &self.config.device_description, key, &self.config.egress_ips);
        let device = match self.timed(entry.environment, Call::CreateDeviceServer, call).await {
            Ok(reply) => DeviceRecord::Registered(reply.value.0),
            Err(Stop::Bank { source }) if source.class() == Class::DeviceExists => DeviceRecord::Existing,
            // The bank knows the installation no more: it may have been reset.
            Err(Stop::Bank { source }) if source.class() == Class::Session => return self.install_again(entry),
            Err(stop) => return Err(self.refused(entry, caller, stop)),
        };
        entry.stored.context.device = Some(device);
        entry.touch();
        Ok(())
    }

    async fn open_session(&self, entry: &mut Entry, key: &ApiKey, caller: &Caller) -> Result<(), Stop> {
        let slot = self.bank_slot().await;
        self.turn(entry, Call::CreateSession, caller).await?;
        let (keys, token) = self.installed(entry)?;
        let installed = installed(&keys, &token)?;
        let bank = self.bank_for(caller, entry.environment);
        let call = bank.open_session(&installed, key);
        let session = match self.timed(entry.environment, Call::CreateSession, call).await {
            Ok(reply) => reply.value,
            Err(Stop::Bank { source }) if matches!(source.class(), Class::UserSessionExists | Class::Session) => {
                return self.install_again(entry);
            }
            Err(stop) => return Err(self.refused(entry, caller, stop)),
        };
        self.telemetry.metrics.session_opened(entry.environment.as_str());
        let now = self.clock.now();
        entry.stored.context.last_session_at = Some(now);
        entry.stored.context.session = Some(SessionRecord {
            token: session.token,
            user_id: session.user.id,
            kind: session.user.kind,
            expires_at: bunq::session_usable_until(now, session.timeout),
        });
        entry.touch();
        if entry.stored.bound_ip.is_none() {
            self.read_bound_ip(entry, caller).await;
        }
        drop(slot);
        self.contexts.save(entry).await
    }

    /// The installation is of no use any more. At most five times a day (protocol §8).
    fn install_again(&self, entry: &mut Entry) -> Result<(), Stop> {
        let now = self.clock.now();
        match entry.stored.context.begin_reinstallation(now) {
            Ok(()) => {
                entry.keys = None;
                entry.touch();
                Ok(())
            }
            Err(wait) => Err(Stop::InstalledTooOften { until: now.saturating_add(wait).unwrap_or(Timestamp::MAX) }),
        }
    }

    /// Best effort: it only makes a later message better.
    async fn read_bound_ip(&self, entry: &mut Entry, caller: &Caller) {
        let Ok(login) = self.ready(entry) else { return };
        if login.kind == UserKind::ApiKey || self.turn(entry, Call::ListCredentialIps, caller).await.is_err() {
            return;
        }
        let bank = self.bank(entry.environment);
        let access = login.access();
        if let Ok(reply) =
            self.timed(entry.environment, Call::ListCredentialIps, bank.list_credential_password_ip(&access)).await
        {
            entry.stored.bound_ip = reply.value.into_iter().find(|device| device.active).map(|device| device.ip);
        }
    }

    fn ready(&self, entry: &mut Entry) -> Result<Login, Stop> {
        let keys = entry.keys(|name| self.contexts.locate(name))?;
        let corrupt = || Stop::Corrupt {
            what: format!("Secret {}", self.contexts.locate(&entry.name)),
            reason: "it holds no session".to_owned(),
        };
        let session = entry.stored.context.session_at(self.clock.now()).ok_or_else(corrupt)?;
        Ok(Login {
            own: keys.own,
            server: keys.server.ok_or_else(corrupt)?,
            token: session.token.clone(),
            user_id: session.user_id,
            kind: session.kind,
            bound_ip: entry.stored.bound_ip.clone(),
            is_on_probation: !entry.stored.refusals.is_empty(),
        })
    }

    fn installed(&self, entry: &mut Entry) -> Result<(Keys, SecretString), Stop> {
        let keys = entry.keys(|name| self.contexts.locate(name))?;
        let installation = entry.stored.context.installation.as_ref();
        let token = installation.map(|known| known.token.clone()).ok_or_else(|| Stop::Corrupt {
            what: format!("Secret {}", self.contexts.locate(&entry.name)),
            reason: "it holds no installation".to_owned(),
        })?;
        Ok((keys, token))
    }

    async fn turn(&self, entry: &Entry, call: Call, caller: &Caller) -> Result<(), Stop> {
        let is_new = entry.stored.context.device.is_none();
        let priority = if is_new { Priority::NewKey } else { caller.priority };
        self.take_turn(&entry.name, entry.environment, call, priority).await
    }

    /// Turns a refusal of the key into what a person needs to know, and notes the time of it.
    fn refused(&self, entry: &mut Entry, caller: &Caller, stop: Stop) -> Stop {
        let Stop::Bank { source } = &stop else { return stop };
        if source.class() != Class::Credentials {
            return stop;
        }
        let until = self.note_refusal(entry);
        self.rejected(entry, caller, until)
    }

    fn rejected(&self, entry: &Entry, caller: &Caller, until: Timestamp) -> Stop {
        let bound_ip = entry.stored.bound_ip.as_deref();
        let text = message::credentials_rejected(entry.environment, caller, bound_ip, self.clock.now());
        Stop::CredentialsRejected { text, until }
    }

    /// Notes that the bank refused this key just now, and tells when it may be tried again.
    fn note_refusal(&self, entry: &mut Entry) -> Timestamp {
        let now = self.clock.now();
        let refusals = &mut entry.stored.refusals;
        refusals.push(now);
        let surplus = refusals.len().saturating_sub(REFUSALS);
        refusals.drain(..surplus);
        let until = backoff::after_rejection(refusals).unwrap_or(now);
        entry.touch();
        until
    }
}

fn installed<'a>(keys: &'a Keys, token: &'a SecretString) -> Result<Installed<'a>, Stop> {
    match &keys.server {
        Some(server_key) => Ok(Installed { key_pair: &keys.own, server_key, token }),
        None => Err(Stop::Corrupt { what: "context Secret".to_owned(), reason: "it holds no server key".to_owned() }),
    }
}
