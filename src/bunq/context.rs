//! What a handshake leaves behind, and which step is next: pure (`D7`, protocol §8).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::ground::UserKind;
use crate::times::Times;

/// Re-installations allowed per API key in 24 hours; the first installation is not one of them.
pub const MAX_REINSTALLATIONS_PER_DAY: usize = 5;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const MARGIN: Duration = Duration::from_mins(1);
/// Longer than any session that the bank is known to give (90 days, `bunq-api §2`).
const LONGEST_SESSION: Duration = Duration::from_hours(366 * 24);

/// Everything that must survive a restart, per environment and API key.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// PKCS#8 PEM, stored before `installation` is called.
    pub key_pair_pem: Option<SecretString>,
    /// The answer of `installation`.
    pub installation: Option<InstallationRecord>,
    /// The answer of `device-server`.
    pub device: Option<DeviceRecord>,
    /// The answer of the last `session-server`.
    pub session: Option<SessionRecord>,
    /// When the last session was opened, for the 30 s window after a restart.
    pub last_session_at: Option<Timestamp>,
    /// When the key was installed again; the first installation is not in it.
    pub reinstallations: Vec<Timestamp>,
}

/// The answer of `installation`.
#[derive(Debug, Clone)]
pub struct InstallationRecord {
    /// Authenticates `device-server` and `session-server`; cannot be read again.
    pub token: SecretString,
    /// Verifies every later answer.
    pub server_key_pem: String,
}

/// The answer of `device-server`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceRecord {
    /// Registered under this id.
    Registered(u64),
    /// The bank knew it already and did not tell the id.
    Existing,
}

/// An open session.
#[derive(Debug, Clone)]
pub struct SessionRecord {
    /// Authenticates everything but the handshake.
    pub token: SecretString,
    /// Whose session it is.
    pub user_id: u64,
    /// What kind of user.
    pub kind: UserKind,
    /// Not used from then on; a margin is taken off already ([`session_usable_until`]).
    pub expires_at: Timestamp,
}

/// What the handshake needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeStep {
    /// Make a key pair and store it.
    GenerateKey,
    /// Call `installation`.
    Install,
    /// Call `device-server`; also again after a refusal, with the same installation.
    RegisterDevice,
    /// Call `session-server`.
    OpenSession,
    /// Everything is there.
    Ready,
}

/// Which step is next; restarts begin in the middle.
#[must_use]
pub fn next_step(context: &Context, now: Timestamp) -> HandshakeStep {
    if context.key_pair_pem.is_none() {
        HandshakeStep::GenerateKey
    } else if context.installation.is_none() {
        HandshakeStep::Install
    } else if context.device.is_none() {
        HandshakeStep::RegisterDevice
    } else if context.session_at(now).is_none() {
        HandshakeStep::OpenSession
    } else {
        HandshakeStep::Ready
    }
}

impl Context {
    /// Reads its times by today's clock.
    pub fn correct(&mut self, times: &mut Times) {
        let Self { key_pair_pem: _, installation: _, device: _, session, last_session_at, reinstallations } = self;
        if let Some(session) = session {
            times.due(&mut session.expires_at, LONGEST_SESSION);
        }
        times.all_past(last_session_at);
        times.all_past(reinstallations);
    }

    /// The session, when it can still be used.
    #[must_use]
    pub fn session_at(&self, now: Timestamp) -> Option<&SessionRecord> {
        self.session.as_ref().filter(|session| {
            let left = session.expires_at.duration_since(now);
            // A session that ends absurdly late was stored by a clock that was wrong (`F37`).
            left.is_positive() && left.unsigned_abs() <= LONGEST_SESSION
        })
    }

    /// Whether the key was installed again in the last 24 hours.
    #[must_use]
    pub fn has_reinstalled_within_a_day(&self, now: Timestamp) -> bool {
        self.reinstallations.iter().any(|time| counts(*time, now))
    }

    /// Forgets everything but the times, to begin again with a new key pair; counts it.
    /// `Err` holds how long to wait when the cap is reached; nothing is changed then.
    pub fn begin_reinstallation(&mut self, now: Timestamp) -> Result<(), Duration> {
        let wait = reinstallation_wait(&self.reinstallations, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        let mut reinstallations = std::mem::take(&mut self.reinstallations);
        reinstallations.retain(|time| counts(*time, now));
        reinstallations.push(now);
        *self = Self { reinstallations, last_session_at: self.last_session_at, ..Self::default() };
        Ok(())
    }
}

/// How long the next re-installation must wait; zero when it may go on.
#[must_use]
pub fn reinstallation_wait(reinstallations: &[Timestamp], now: Timestamp) -> Duration {
    let mut recent: Vec<Timestamp> = reinstallations.iter().copied().filter(|time| counts(*time, now)).collect();
    recent.sort_unstable();
    let Some(oldest) = recent.len().checked_sub(MAX_REINSTALLATIONS_PER_DAY).and_then(|index| recent.get(index)) else {
        return Duration::ZERO;
    };
    // A time in the future was written by a clock that ran ahead: never wait longer than a day.
    let since = now.duration_since(*oldest).max(SignedDuration::ZERO);
    DAY.checked_sub(since).unwrap_or(SignedDuration::ZERO).unsigned_abs()
}

/// Within a day of now, before or after: anything else is old or was written by a wrong clock.
fn counts(time: Timestamp, now: Timestamp) -> bool {
    now.duration_since(time).abs() < DAY
}

/// When a session that was just received should no longer be used: a minute early, or a tenth
/// of its life when that is less (`session_timeout` may be 300 s).
#[must_use]
pub fn session_usable_until(received: Timestamp, timeout: Duration) -> Timestamp {
    let timeout = timeout.min(LONGEST_SESSION);
    let usable = timeout.saturating_sub(MARGIN.min(timeout / 10));
    received.checked_add(usable).unwrap_or(Timestamp::MAX)
}
