//! What holds for every answer, whatever stands in it (`F22`): no panic, nothing about another
//! object, nothing that the bytes do not say, and no secret in the text of an error.
//!
//! The decoders are reached behind the signature, which no fuzzer could make.

use reqwest::header::HeaderMap;
use secrecy::ExposeSecret;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    answer::{Believed, Frame},
    calls::{
        callback::{self, CallbackUrl},
        credential_ip, handshake,
        oauth_client::{self, ClientStatus, OauthClient},
    },
    ground::{Call, Error, Response},
};

/// The client that is asked for.
pub const CLIENT: u64 = 42;
/// The user that is asked for.
pub const USER: u64 = 7;
/// What our requests carried: it must not come back in an error.
pub const SECRETS: [&str; 2] = ["session-token-canary", "sandbox_api-key-canary"];
/// Stands for every secret in a body.
pub const CANARY: &str = "canary";

const CLIENTS: &str = "user/7/oauth-client";
const CALLBACKS: &str = "user/7/oauth-client/42/callback-url";
const STATUSES: [u16; 16] = [200, 201, 299, 302, 400, 401, 403, 404, 405, 409, 429, 466, 490, 491, 500, 503];

/// An answer as one piece of data: the call, the status, and the body.
#[must_use]
pub fn parse(data: &[u8]) -> Option<(Call, u16, &[u8])> {
    let [call, status, body @ ..] = data else { return None };
    // The first letters are the calls, the digits the first statuses: so files can be read.
    let call = Call::ALL[usize::from(call.wrapping_sub(b'a')) % Call::ALL.len()];
    let status = STATUSES[usize::from(status.wrapping_sub(b'0')) % STATUSES.len()];
    Some((call, status, body))
}

/// The target of the fuzzer.
///
/// # Panics
///
/// Where something does not hold: so the fuzzer sees it.
pub fn envelope(data: &[u8]) {
    let Some((call, status, body)) = parse(data) else { return };
    assert_eq!(judge(call, status, body), Ok(()), "{call}, HTTP {status}");
}

/// Decodes `body` as the answer to `call` and holds what came of it against the bytes.
pub fn judge(call: Call, status: u16, body: &[u8]) -> Result<(), String> {
    if !(200..=299).contains(&status) {
        return refused(call, status, body);
    }
    let answer = believed(call, status, body);
    // Reads more than our decoders do: where it fails, there is nothing to compare with.
    let json: Option<Value> = serde_json::from_slice(body).ok();
    match read(answer, json.as_ref()) {
        Ok(found) => found,
        Err(error) => quiet(&error, CANARY),
    }
}

pub(super) fn believed(call: Call, status: u16, body: &[u8]) -> Believed {
    let body = Zeroizing::new(body.to_vec());
    Believed { call, status, request_id: "request".to_owned(), response_id: None, body }
}

/// What a call makes of the answer, and whether that is what `json` says.
fn read(answer: Believed, json: Option<&Value>) -> Result<Result<(), String>, Error> {
    Ok(match answer.call {
        Call::CreateInstallation => {
            let installation = handshake::read_installation(answer)?.value;
            compare(json, |json| {
                same(Some(installation.token.expose_secret()), first(json, "Token", "token").and_then(Value::as_str))?;
                let pem = first(json, "ServerPublicKey", "server_public_key").and_then(Value::as_str);
                same(Some(installation.server_key.as_pem()), pem)
            })
        }
        Call::CreateDeviceServer => {
            let device = handshake::read_device(answer)?.value;
            compare(json, |json| same(Some(device.0), first(json, "Id", "id").and_then(Value::as_u64)))
        }
        Call::CreateSession => {
            let session = handshake::read_session(answer)?.value;
            compare(json, |json| {
                ensure(!session.timeout.is_zero(), "a session that lives no second")?;
                same(Some(session.token.expose_secret()), first(json, "Token", "token").and_then(Value::as_str))?;
                let user =
                    items(json).iter().find_map(|item| item.get(session.user.kind.as_str())?.get("id")?.as_u64());
                same(Some(session.user.id), user)
            })
        }
        Call::GetUser => {
            let user = handshake::read_user(answer, USER)?.value;
            same(user.id, USER).and_then(|()| {
                compare(json, |json| same(Some(USER), first(json, user.kind.as_str(), "id").and_then(Value::as_u64)))
            })
        }
        Call::ListOauthClients => {
            let page = oauth_client::read_page(&answer, CLIENTS)?;
            compare(json, |json| {
                same(page.items.len(), items(json).len())?;
                page.items.iter().zip(items(json)).try_for_each(|(client, item)| is_client(client, item))?;
                is_next(page.older.as_deref(), CLIENTS, json)
            })
        }
        Call::GetOauthClient => {
            let client = oauth_client::read_client(answer, CLIENT)?.value;
            same(client.id, CLIENT).and_then(|()| {
                compare(json, |json| match items(json) {
                    [item] => is_client(&client, item),
                    items => Err(format!("one client of {}", items.len())),
                })
            })
        }
        Call::CreateOauthClient => {
            let id = oauth_client::read_created(answer)?.value;
            compare(json, |json| {
                let told = first(json, "Id", "id").or_else(|| first(json, "OauthClient", "id"));
                same(id, told.and_then(Value::as_u64))
            })
        }
        Call::ListCallbackUrls => {
            let page = callback::read_page(&answer, CALLBACKS)?;
            compare(json, |json| {
                same(page.items.len(), items(json).len())?;
                let pairs = page.items.iter().zip(items(json));
                pairs.map(|(url, item)| (url, item.get("OauthCallbackUrl"))).try_for_each(is_url)?;
                is_next(page.older.as_deref(), CALLBACKS, json)
            })
        }
        Call::CreateCallbackUrl => {
            let id = callback::read_created(answer)?.value;
            compare(json, |json| same(id, first(json, "Id", "id").and_then(Value::as_u64)))
        }
        Call::ListCredentialIps => {
            let devices = credential_ip::read_devices(answer)?.value;
            compare(json, |json| {
                let has_ip = |item: &&Value| item["CredentialPasswordIp"]["permitted_device"]["ip"].is_string();
                same(devices.len(), items(json).iter().filter(has_ip).count())
            })
        }
        // Nothing of these is read.
        Call::DeleteSession | Call::UpdateOauthClient | Call::UpdateCallbackUrl | Call::DeleteCallbackUrl => Ok(()),
    })
}

/// Anything but a success: an error, quiet about what our request carried.
fn refused(call: Call, status: u16, body: &[u8]) -> Result<(), String> {
    let frame = Frame { call, request_id: "request".to_owned(), response_id: None, secrets: &SECRETS };
    let response = Response { status, headers: HeaderMap::new(), body: Zeroizing::new(body.to_vec()) };
    let error = frame.classify(&response);
    same(error.status(), Some(status))?;
    let text = error.answer().map(|answer| answer.text.as_str()).unwrap_or_default();
    ensure(text.chars().count() <= 256, "a text without an end")?;
    ensure(!text.chars().any(char::is_control), "a control character in a text")?;
    SECRETS.iter().try_for_each(|secret| quiet(&error, secret))
}

fn quiet(error: &Error, secret: &str) -> Result<(), String> {
    let text = format!("{error} {error:?}");
    ensure(!text.contains(secret), &format!("a secret in {text}"))
}

fn is_client(client: &OauthClient, item: &Value) -> Result<(), String> {
    let json = item.get("OauthClient").ok_or("a client that is none")?;
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    let filled = |name: &str| text(name).filter(|text| !text.is_empty());
    same(Some(client.id), json["id"].as_u64())?;
    match &client.status {
        ClientStatus::Active | ClientStatus::Cancelled | ClientStatus::CancelledPending => {
            same(Some(client.status.as_str()), text("status"))?;
        }
        ClientStatus::Other(_) => ensure(text("status").is_some(), "a status without a word")?,
    }
    same(client.display_name.as_deref(), text("display_name"))?;
    same(client.client_id.as_deref(), filled("client_id"))?;
    let secret = client.secret.as_ref().map(ExposeSecret::expose_secret);
    ensure(secret == filled("secret").or(filled("client_secret")), "another secret than the bytes hold")?;
    same(client.urls.scalar.as_deref(), text("redirect_url"))?;
    match (&client.urls.array, json.get("callback_url").and_then(Value::as_array)) {
        (Some(urls), Some(items)) => {
            same(urls.len(), items.len())?;
            urls.iter().zip(items).map(|(url, item)| (url, Some(item))).try_for_each(is_url)
        }
        (array, items) => ensure(array.is_none() && items.is_none(), "URLs that are not there"),
    }
}

fn is_url((url, item): (&CallbackUrl, Option<&Value>)) -> Result<(), String> {
    let item = item.ok_or("a callback URL that is none")?;
    same(url.id, item["id"].as_u64())?;
    same(Some(url.url.as_str()), item["url"].as_str())
}

/// The next page is a page of the same list, or there is none.
fn is_next(older: Option<&str>, list: &str, json: &Value) -> Result<(), String> {
    let told = json["Pagination"]["older_url"].as_str();
    same(older.map(|path| format!("/v1/{path}")).as_deref(), told)?;
    let rest = older.map(|path| path.strip_prefix(list));
    ensure(rest.is_none_or(|rest| rest.is_some_and(|query| query.starts_with('?'))), "a page of another list")
}

fn items(json: &Value) -> &[Value] {
    json["Response"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A field of the first item of this type.
fn first<'v>(json: &'v Value, name: &str, field: &str) -> Option<&'v Value> {
    items(json).iter().filter_map(|item| item.get(name)).find(|item| !item.is_null())?.get(field)
}

fn compare(json: Option<&Value>, rule: impl FnOnce(&Value) -> Result<(), String>) -> Result<(), String> {
    json.map_or(Ok(()), rule)
}

#[expect(clippy::needless_pass_by_value, reason = "both are compared as they come")]
fn same<T: PartialEq + std::fmt::Debug>(found: T, told: T) -> Result<(), String> {
    ensure(found == told, &format!("read {found:?} where {told:?} stands"))
}

fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}
