//! `installation`, `device-server`, `session-server`, and the session's end (`bunq-api §2`).

use std::{net::Ipv4Addr, time::Duration};

use secrecy::SecretString;
use serde::Serialize;

use crate::bunq::{
    answer::{Believed, Item, Reply, RequestedByUser, UserItem},
    exchange::{Access, Attempt, Installed, Line},
    ground::{ApiKey, Call, Error, KeyPair, ServerKey, User, UserKind},
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

pub(crate) async fn install(line: &Line, key_pair: &KeyPair) -> Result<Reply<Installation>, Error> {
    let call = Call::CreateInstallation;
    let pem = key_pair
        .public_spki_pem()
        .map_err(|_| Error::Build { call, reason: "the public key cannot be written as PEM" })?;
    let attempt = Attempt::open(call).json(&InstallationBody { client_public_key: &pem })?;
    read_installation(line.exchange(attempt).await?)
}

pub(crate) async fn register_device(
    line: &Line,
    installed: &Installed<'_>,
    description: &str,
    api_key: &ApiKey,
    permitted_ips: &[Ipv4Addr],
) -> Result<Reply<DeviceId>, Error> {
    let attempt = Attempt::installed(Call::CreateDeviceServer, installed)
        .hiding(api_key.expose())
        .json(&DeviceBody { description, secret: api_key.expose(), permitted_ips })?;
    read_device(line.exchange(attempt).await?)
}

pub(crate) async fn open_session(
    line: &Line,
    installed: &Installed<'_>,
    api_key: &ApiKey,
) -> Result<Reply<Session>, Error> {
    let attempt = Attempt::installed(Call::CreateSession, installed)
        .hiding(api_key.expose())
        .json(&SessionBody { secret: api_key.expose() })?;
    read_session(line.exchange(attempt).await?)
}

pub(crate) async fn user(line: &Line, access: &Access<'_>) -> Result<Reply<User>, Error> {
    let path = format!("user/{}", access.user_id);
    let attempt = Attempt::access(Call::GetUser, path, access);
    read_user(line.exchange(attempt).await?, access.user_id)
}

pub(crate) async fn close_session(line: &Line, access: &Access<'_>) -> Result<Reply<()>, Error> {
    let attempt = Attempt::access(Call::DeleteSession, "session/0".to_owned(), access);
    let answer = line.exchange(attempt).await?;
    Ok(answer.reply(()))
}

/// Token and server key, in whatever order they stand.
pub(crate) fn read_installation(answer: Believed) -> Result<Reply<Installation>, Error> {
    let mut token = None;
    let mut key = None;
    for item in answer.envelope()?.items {
        token = token.or(item.token);
        key = key.or(item.server_public_key);
    }
    let (Some(token), Some(key)) = (token, key) else {
        return Err(answer.senseless("it lacks the token or the server key"));
    };
    let server_key = ServerKey::from_spki_pem(&key.server_public_key)
        .map_err(|_| answer.senseless("its server key is not an RSA key in PEM"))?;
    Ok(answer.reply(Installation { token: token.token, server_key }))
}

/// The id of a device.
pub(crate) fn read_device(answer: Believed) -> Result<Reply<DeviceId>, Error> {
    let id = answer.envelope()?.id().ok_or_else(|| answer.senseless("it lacks the device's id"))?;
    Ok(answer.reply(DeviceId(id)))
}

/// Token and user, in whatever order they stand.
pub(crate) fn read_session(answer: Believed) -> Result<Reply<Session>, Error> {
    let mut token = None;
    let mut user = None;
    for mut item in answer.envelope()?.items {
        user = user.or_else(|| user_of(&mut item));
        token = token.or(item.token);
    }
    let (Some(token), Some((user, timeout))) = (token, user) else {
        return Err(answer.senseless("it lacks the token or the user"));
    };
    Ok(answer.reply(Session { token: token.token, user, timeout }))
}

/// The user of this number; another one is not believed.
pub(crate) fn read_user(answer: Believed, id: u64) -> Result<Reply<User>, Error> {
    let mut items = answer.envelope()?.items;
    let user = items.iter_mut().find_map(user_of).map(|(user, _)| user);
    let user = user.ok_or_else(|| answer.senseless("it lacks the user"))?;
    if user.id != id {
        return Err(answer.other_object());
    }
    Ok(answer.reply(user))
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
