//! `installation`, `device-server`, `session-server`, and the session's end (`bunq-api §2`).

use std::{net::Ipv4Addr, time::Duration};

use secrecy::SecretString;
use serde::Serialize;

use super::{
    api_key::ApiKey,
    call::Call,
    client::{Access, Bank, Installed, Reply},
    envelope::{Believed, Item, RequestedByUser, UserItem},
    error::Error,
    exchange::Attempt,
    signature::{KeyPair, ServerKey},
};

/// Used when the bank does not say how long a session lives.
const FALLBACK_TIMEOUT: Duration = Duration::from_mins(5);

/// The answer of `installation`. The token cannot be read again: store it first.
#[derive(Debug, Clone)]
pub struct Installation {
    /// Authenticates the next two calls.
    pub token: SecretString,
    /// Verifies every later answer.
    pub server_key: ServerKey,
}

/// The bank's number of a registered device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceId(pub u64);

/// An open session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Authenticates every other call.
    pub token: SecretString,
    /// Whose it is.
    pub user: User,
    /// How long it lives, without a margin; 300 s when the bank does not say.
    pub timeout: Duration,
}

/// A user of the bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// Stands in every path.
    pub id: u64,
    /// What kind of user.
    pub kind: UserKind,
}

/// What kind of user a session belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserKind {
    /// A person.
    Person,
    /// A company.
    Company,
    /// Somebody who logged in by OAuth: the key is an access token.
    ApiKey,
    /// A licensed provider.
    PaymentServiceProvider,
}

impl UserKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Person, Self::Company, Self::ApiKey, Self::PaymentServiceProvider];

    /// The bank's name of the kind; [`UserKind::parse`] reads it back.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "UserPerson",
            Self::Company => "UserCompany",
            Self::ApiKey => "UserApiKey",
            Self::PaymentServiceProvider => "UserPaymentServiceProvider",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

#[derive(Serialize)]
struct InstallationBody<'a> {
    client_public_key: &'a str,
}

#[derive(Serialize)]
struct DeviceBody<'a> {
    description: &'a str,
    secret: &'a str,
    #[serde(skip_serializing_if = "<[Ipv4Addr]>::is_empty")]
    permitted_ips: &'a [Ipv4Addr],
}

#[derive(Serialize)]
struct SessionBody<'a> {
    secret: &'a str,
}

impl Bank {
    /// Makes the public key known. Its answer cannot be verified: it brings the key to do so.
    pub async fn install(&self, key_pair: &KeyPair) -> Result<Reply<Installation>, Error> {
        let call = Call::CreateInstallation;
        let pem = key_pair
            .public_spki_pem()
            .map_err(|_| Error::Build { call, reason: "the public key cannot be written as PEM" })?;
        let attempt = Attempt::open(call).json(&InstallationBody { client_public_key: &pem })?;
        self.exchange(attempt).await?.installation()
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
        let attempt = Attempt::installed(Call::CreateDeviceServer, installed)
            .hiding(api_key.expose())
            .json(&DeviceBody { description, secret: api_key.expose(), permitted_ips })?;
        self.exchange(attempt).await?.device()
    }

    /// Opens a session: at most one in 30 s for everybody behind one address (`bunq-api §7`).
    pub async fn open_session(&self, installed: &Installed<'_>, api_key: &ApiKey) -> Result<Reply<Session>, Error> {
        let attempt = Attempt::installed(Call::CreateSession, installed)
            .hiding(api_key.expose())
            .json(&SessionBody { secret: api_key.expose() })?;
        self.exchange(attempt).await?.session()
    }

    /// Whose session it is; another user than the session's is not believed.
    pub async fn user(&self, access: &Access<'_>) -> Result<Reply<User>, Error> {
        let path = format!("user/{}", access.user_id);
        let attempt = Attempt::access(Call::GetUser, path, access);
        self.exchange(attempt).await?.user(access.user_id)
    }

    /// Ends the session; the bank looks at the token, not at the id in the path.
    pub async fn close_session(&self, access: &Access<'_>) -> Result<Reply<()>, Error> {
        let attempt = Attempt::access(Call::DeleteSession, "session/0".to_owned(), access);
        let answer = self.exchange(attempt).await?;
        Ok(answer.reply(()))
    }
}

impl Believed {
    /// Token and server key, in whatever order they stand.
    pub(super) fn installation(self) -> Result<Reply<Installation>, Error> {
        let mut token = None;
        let mut key = None;
        for item in self.envelope()?.items {
            token = token.or(item.token);
            key = key.or(item.server_public_key);
        }
        let (Some(token), Some(key)) = (token, key) else {
            return Err(self.senseless("it lacks the token or the server key"));
        };
        let server_key = ServerKey::from_spki_pem(&key.server_public_key)
            .map_err(|_| self.senseless("its server key is not an RSA key in PEM"))?;
        Ok(self.reply(Installation { token: token.token, server_key }))
    }

    /// The id of a device.
    pub(super) fn device(self) -> Result<Reply<DeviceId>, Error> {
        let id = self.envelope()?.id().ok_or_else(|| self.senseless("it lacks the device's id"))?;
        Ok(self.reply(DeviceId(id)))
    }

    /// Token and user, in whatever order they stand.
    pub(super) fn session(self) -> Result<Reply<Session>, Error> {
        let mut token = None;
        let mut user = None;
        for mut item in self.envelope()?.items {
            user = user.or_else(|| user_of(&mut item));
            token = token.or(item.token);
        }
        let (Some(token), Some((user, timeout))) = (token, user) else {
            return Err(self.senseless("it lacks the token or the user"));
        };
        Ok(self.reply(Session { token: token.token, user, timeout }))
    }

    /// The user of this number; another one is not believed.
    pub(super) fn user(self, id: u64) -> Result<Reply<User>, Error> {
        let mut items = self.envelope()?.items;
        let user = items.iter_mut().find_map(user_of).map(|(user, _)| user);
        let user = user.ok_or_else(|| self.senseless("it lacks the user"))?;
        if user.id != id {
            return Err(self.other_object());
        }
        Ok(self.reply(user))
    }
}

fn user_of(item: &mut Item) -> Option<(User, Duration)> {
    let (user, kind) = None
        .or_else(|| item.user_person.take().map(|u| (u, UserKind::Person)))
        .or_else(|| item.user_company.take().map(|u| (u, UserKind::Company)))
        .or_else(|| item.user_api_key.take().map(|u| (u, UserKind::ApiKey)))
        .or_else(|| {
            let user = item.user_payment_service_provider.take();
            user.map(|u| (u, UserKind::PaymentServiceProvider))
        })?;
    Some((User { id: user.id, kind }, timeout_of(&user)))
}

/// Directly in the user, or in the one that an OAuth access token acts for.
fn timeout_of(user: &UserItem) -> Duration {
    user.session_timeout
        .or_else(|| user.requested_by_user.as_ref().and_then(granted_timeout))
        .filter(|seconds| *seconds > 0)
        .map_or(FALLBACK_TIMEOUT, Duration::from_secs)
}

fn granted_timeout(user: &RequestedByUser) -> Option<u64> {
    [&user.person, &user.company, &user.payment_service_provider]
        .into_iter()
        .flatten()
        .find_map(|timed| timed.session_timeout)
}
