//! From an API key to a session, one step at a time, each written down before the next (D7,
//! protocol §8).

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use jiff::Timestamp;
use secrecy::SecretString;

use super::{caller::Caller, login::Login, refusal};
use crate::{
    bunq::{
        self, ApiKey, Call, Class, DeviceRecord, HandshakeStep, InstallationRecord, Installed, KeyPair, Priority,
        SessionRecord, UserKind,
    },
    clock::SharedClock,
    controller::{
        bank::{Gate, Turn},
        context::{ContextStore, Entry, Keys},
        lead::Duty,
        stop::{Refused, Stop},
    },
    telemetry::{self, metrics::Metrics},
};

/// What handshakes work with.
pub(crate) struct Means {
    pub(crate) contexts: Arc<ContextStore>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) duty: Duty,
    pub(crate) device: Device,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Arc<Metrics>,
}

/// What the bank is told of this operator.
pub(crate) struct Device {
    /// What the account owner sees in the app.
    pub(crate) description: String,
    /// Sent as `permitted_ips`; empty: the bank binds the caller's address (protocol §8).
    pub(crate) egress_ips: Vec<Ipv4Addr>,
}

/// One key's way to a session. Whoever runs it holds the lock of the context.
pub(super) struct Handshake<'a> {
    pub(super) means: &'a Means,
    pub(super) entry: &'a mut Entry,
    pub(super) key: &'a ApiKey,
    pub(super) caller: &'a Caller,
    /// Whether the installation was made just now.
    pub(super) is_fresh: bool,
}

impl Handshake<'_> {
    pub(super) async fn run(mut self) -> Result<Login, Stop> {
        let Means { contexts, gate, duty, clock, .. } = self.means;
        contexts.use_now(&self.entry.name, clock.now());
        if self.caller.is_newcomer {
            contexts.load_for_newcomer(self.entry, clock.now()).await?;
        } else {
            contexts.load(self.entry, clock.now()).await?;
        }
        // What could not be written down last time: the next step waits for it.
        contexts.save(self.entry).await?;
        refusal::await_turn(self.entry, self.caller, clock.now())?;
        self.await_installation()?;
        // Before this process writes a context of its own: it would be taken for an earlier one's.
        gate.follow_earlier_process().await?;
        loop {
            if duty.is_ending() {
                return Err(Stop::Ending);
            }
            let outcome = match bunq::next_step(&self.entry.stored.context, clock.now()) {
                HandshakeStep::GenerateKey => self.generate_key().await,
                HandshakeStep::Install => self.install().await,
                HandshakeStep::RegisterDevice => self.register_device().await,
                HandshakeStep::OpenSession => self.open_session().await,
                HandshakeStep::Ready => match Login::of(self.entry, contexts, clock.now()) {
                    Ok(login) => return Ok(login),
                    Err(stop) => Err(stop),
                },
            };
            // Where it cannot be read either, somebody is asked to mend or delete it. What could not be written is
            // kept: the bank is not asked for it again.
            if let Err(stop @ (Stop::KeyPair { .. } | Stop::Corrupt { .. })) = &outcome {
                tracing::debug!(error = telemetry::chain(stop), "the context is read again next time");
                ContextStore::reload(self.entry);
            }
            outcome?;
        }
    }

    async fn generate_key(&mut self) -> Result<(), Stop> {
        let fail = |source| Stop::KeyPair { context: self.located(), source };
        let generated = tokio::task::spawn_blocking(|| KeyPair::generate().and_then(|pair| pair.to_pkcs8_pem())).await;
        let pem = generated.unwrap_or(Err(bunq::KeyError::Generate)).map_err(fail)?;
        self.entry.stored.context.key_pair_pem = Some(SecretString::from(pem.as_str()));
        self.entry.keys = None;
        self.write_down().await
    }

    async fn install(&mut self) -> Result<(), Stop> {
        let gate = &self.means.gate;
        let slot = gate.slot().await;
        let turn = self.turn(Call::CreateInstallation).await?;
        let keys = self.keys()?;
        let bank = gate.audited_bank(self.entry.environment, &self.caller.auditor);
        let reply = gate.call(turn, bank.install(&keys.own)).await?;
        // Whatever the API server makes of the write, the next one may call the bank meanwhile.
        drop(slot);
        self.means.metrics.installed(self.entry.environment.as_str());
        self.entry.stored.context.installation = Some(InstallationRecord {
            token: reply.value.token,
            server_key_pem: reply.value.server_key.as_pem().to_owned(),
        });
        self.entry.keys = None;
        self.is_fresh = true;
        self.write_down().await
    }

    async fn register_device(&mut self) -> Result<(), Stop> {
        let Means { gate, device, .. } = self.means;
        let _slot = gate.slot().await;
        let turn = self.turn(Call::CreateDeviceServer).await?;
        let (keys, token) = self.installed()?;
        let installed = installed(&keys, &token)?;
        let bank = gate.audited_bank(self.entry.environment, &self.caller.auditor);
        let call = bank.register_device(&installed, &device.description, self.key, &device.egress_ips);
        let device = match gate.call(turn, call).await {
            Ok(reply) => DeviceRecord::Registered(reply.value.0),
            Err(Stop::Bank { source }) if source.class() == Class::DeviceExists => DeviceRecord::Existing,
            Err(Stop::Bank { source }) if source.class() == Class::Session => return self.disowned(),
            Err(stop) => return Err(self.refused(stop)),
        };
        self.entry.stored.context.device = Some(device);
        self.entry.touch();
        Ok(())
    }

    async fn open_session(&mut self) -> Result<(), Stop> {
        let Means { gate, clock, metrics, .. } = self.means;
        let slot = gate.slot().await;
        let turn = self.turn(Call::CreateSession).await?;
        let (keys, token) = self.installed()?;
        let installed = installed(&keys, &token)?;
        let bank = gate.audited_bank(self.entry.environment, &self.caller.auditor);
        let session = match gate.call(turn, bank.open_session(&installed, self.key)).await {
            Ok(reply) => reply.value,
            Err(Stop::Bank { source }) if source.class() == Class::UserSessionExists => return self.install_again(),
            Err(Stop::Bank { source }) if source.class() == Class::Session => return self.disowned(),
            Err(stop) => return Err(self.refused(stop)),
        };
        metrics.session_opened(self.entry.environment.as_str());
        self.entry.stored.awaits_installation = false;
        let now = clock.now();
        self.entry.stored.context.last_session_at = Some(now);
        self.entry.stored.context.session = Some(SessionRecord {
            token: session.token,
            user_id: session.user.id,
            kind: session.user.kind,
            expires_at: bunq::session_usable_until(now, session.timeout),
        });
        self.entry.touch();
        if self.entry.stored.bound_ip.is_none() {
            self.read_bound_ip().await;
        }
        drop(slot);
        self.write_down().await
    }

    /// The bank refuses the installation's token: it may have been reset, and knows the installation no more. One that
    /// it made just now it does know, so it is the key that it refuses; and a refused key gets one installation a day.
    fn disowned(&mut self) -> Result<(), Stop> {
        let now = self.means.clock.now();
        let stored = &self.entry.stored;
        let is_spent = !stored.refusals.is_empty() && stored.context.has_reinstalled_within_a_day(now);
        if self.is_fresh || is_spent {
            return Err(refusal::note(Refused::Key, self.entry, self.caller, now));
        }
        self.install_again()
    }

    /// The installation is of no use any more. At most five times a day (protocol §8).
    fn install_again(&mut self) -> Result<(), Stop> {
        let now = self.means.clock.now();
        let begun = self.entry.stored.context.begin_reinstallation(now);
        self.entry.stored.awaits_installation = begun.is_err();
        self.entry.keys = None;
        self.entry.touch();
        begun.map_err(|wait| too_often(now, wait))
    }

    /// While no installation may be made that the bank wants, only a change or a person asks it again.
    fn await_installation(&self) -> Result<(), Stop> {
        let (stored, now) = (&self.entry.stored, self.means.clock.now());
        let wait = bunq::reinstallation_wait(&stored.context.reinstallations, now);
        let is_resync = self.caller.priority == Priority::Resync && !self.caller.is_asked;
        if stored.awaits_installation && is_resync && !wait.is_zero() {
            return Err(too_often(now, wait));
        }
        Ok(())
    }

    /// Best effort: it only makes a later message better.
    async fn read_bound_ip(&mut self) {
        let Means { contexts, gate, clock, .. } = self.means;
        let Ok(login) = Login::of(self.entry, contexts, clock.now()) else { return };
        if login.kind == UserKind::ApiKey {
            return;
        }
        let Ok(turn) = self.turn(Call::ListCredentialIps).await else { return };
        let bank = gate.bank(self.entry.environment);
        if let Ok(reply) = gate.call(turn, bank.list_credential_password_ip(&login.access())).await {
            self.entry.stored.bound_ip = reply.value.into_iter().find(|device| device.active).map(|device| device.ip);
        }
    }

    async fn turn(&self, call: Call) -> Result<Turn, Stop> {
        let is_new = self.entry.stored.context.device.is_none();
        let priority = if is_new { Priority::NewKey } else { self.caller.priority };
        let asker = self.caller.as_user(&self.entry.name);
        self.means.gate.take_turn(asker, self.entry.environment, call, priority).await
    }

    /// Turns a refusal of the key into what a person needs to know, and notes the time of it.
    fn refused(&mut self, stop: Stop) -> Stop {
        match &stop {
            Stop::Bank { source } if source.class() == Class::Credentials => {
                refusal::note(Refused::Key, self.entry, self.caller, self.means.clock.now())
            }
            _ => stop,
        }
    }

    fn installed(&mut self) -> Result<(Keys, SecretString), Stop> {
        let keys = self.keys()?;
        let installation = self.entry.stored.context.installation.as_ref();
        let token = installation.map(|known| known.token.clone()).ok_or_else(|| Stop::Corrupt {
            what: format!("Secret {}", self.located()),
            reason: "it holds no installation".to_owned(),
        })?;
        Ok((keys, token))
    }

    fn keys(&mut self) -> Result<Keys, Stop> {
        let contexts = &self.means.contexts;
        self.entry.keys(|name| contexts.locate(name))
    }

    async fn write_down(&mut self) -> Result<(), Stop> {
        self.entry.touch();
        Ok(self.means.contexts.save(self.entry).await?)
    }

    fn located(&self) -> String {
        self.means.contexts.locate(&self.entry.name)
    }
}

fn too_often(now: Timestamp, wait: Duration) -> Stop {
    Stop::InstalledTooOften { until: now.saturating_add(wait).unwrap_or(Timestamp::MAX) }
}

fn installed<'a>(keys: &'a Keys, token: &'a SecretString) -> Result<Installed<'a>, Stop> {
    match &keys.server {
        Some(server_key) => Ok(Installed { key_pair: &keys.own, server_key, token }),
        None => Err(Stop::Corrupt { what: "context Secret".to_owned(), reason: "it holds no server key".to_owned() }),
    }
}
