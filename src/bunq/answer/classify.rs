//! From a refusal to an [`Error`]: by status, and by text only where the status does not tell
//! (`bunq-api §6`).

use std::time::Duration;

use serde::Deserialize;

use super::by_key::by_key;
use crate::bunq::ground::{Answer, Call, Error, Response, bank_text};

const SHORTEST_WAIT: Duration = Duration::from_secs(3);
const SESSION_WAIT: Duration = Duration::from_secs(30);
/// The longest window that bunq names for its calls.
const LONGEST_WINDOW: Duration = Duration::from_mins(1);
/// A longer wait is not the bank's (`bunq-api §7`) and would let one header stop us.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// What is known about an attempt before its refusal is read.
pub(crate) struct Frame<'a> {
    pub(crate) call: Call,
    pub(crate) request_id: String,
    pub(crate) response_id: Option<String>,
    /// Masked in the bank's text.
    pub(crate) secrets: &'a [&'a str],
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
struct Refusal {
    #[serde(rename = "Error")]
    errors: Vec<RefusalItem>,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
struct RefusalItem {
    error_description: Option<String>,
}

by_key!(Refusal, RefusalItem);

impl Frame<'_> {
    /// Anything but a success.
    pub(crate) fn classify(self, response: &Response) -> Error {
        let texts = texts_of(&response.body);
        let from_bank = texts.is_some();
        let throttle = throttle(self.call, texts.as_deref(), response);
        let joined = texts.unwrap_or_default().join("; ");
        let answer = Answer {
            call: self.call,
            status: response.status,
            text: bank_text::sanitise(&joined, self.secrets),
            request_id: self.request_id,
            response_id: self.response_id,
        };
        if let Some(retry_after) = throttle {
            return Error::Throttle { answer, retry_after };
        }
        match response.status {
            0..=399 => Error::AnswerStrangely(answer),
            // A gateway's 403 or 404 page says nothing about our token or our client (`D4`).
            400..=499 if !from_bank => Error::BeUnavailable(answer),
            408 | 491 | 500.. => Error::BeUnavailable(answer),
            400..=499 => refusal(&joined, answer),
        }
    }
}

/// A 4xx in the bank's own form.
fn refusal(text: &str, answer: Answer) -> Error {
    let lower = text.to_ascii_lowercase();
    let session = answer.call == Call::CreateSession;
    let device = answer.call == Call::CreateDeviceServer;
    if session && lower.contains("already has a user session") {
        return Error::UserSessionExists(answer);
    }
    match answer.status {
        400 if device && lower.contains("device already exists") => Error::DeviceExists(answer),
        400 if (device || session) && lower.contains("user credentials are incorrect") => {
            Error::RefuseCredentials(answer)
        }
        401 | 403 => Error::RejectToken(answer),
        404 => Error::FindNothing(answer),
        405 => Error::RefuseMethod(answer),
        _ => Error::Refuse(answer),
    }
}

/// The descriptions, or `None` when the body does not have the bank's form.
fn texts_of(body: &[u8]) -> Option<Vec<String>> {
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    let texts = refusal.errors.into_iter();
    Some(texts.filter_map(|item| item.error_description).collect())
}

/// How long to wait where the answer throttles: a 409 or 429 that says so, or that carries `Retry-After`. Any other
/// one is about what was asked. The wait is `Retry-After` when it is sane, else the window that the text names, else
/// the smallest known.
fn throttle(call: Call, texts: Option<&[String]>, response: &Response) -> Option<Duration> {
    if !matches!(response.status, 409 | 429) {
        return None;
    }
    let header = response.headers.get(reqwest::header::RETRY_AFTER);
    let says_so = match texts {
        Some(texts) => texts.iter().any(|text| speaks_of_a_limit(text)),
        None => speaks_of_a_limit_somewhere(&response.body),
    };
    if header.is_none() && !says_so {
        return None;
    }
    let least = if call == Call::CreateSession { SESSION_WAIT } else { SHORTEST_WAIT };
    let named = header
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().parse().ok())
        .map(Duration::from_secs)
        .filter(|wait| *wait <= LONGEST_WAIT);
    let window = || {
        let limits = texts.unwrap_or_default().iter().filter(|text| speaks_of_a_limit(text));
        limits.filter_map(|text| window(text)).max().map(|window| window.min(longest_window(call)))
    };
    Some(named.or_else(window).unwrap_or(least).clamp(least, LONGEST_WAIT))
}

/// Whether a text of the bank is about a limit of calls. It must begin with it: further on, the bank may repeat a name
/// that a tenant chose.
fn speaks_of_a_limit(text: &str) -> bool {
    let lower = text.trim_start().to_ascii_lowercase();
    let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| lower.starts_with(beginning));
    let begins_with_calls = || lower.split_whitespace().take(3).any(|word| matches!(word, "call" | "calls"));
    begins(&["too many requests", "rate limit"])
        || window(&lower).is_some()
            && (begins(&["you can do a maximum of", "maximum of", "a maximum of"]) || begins_with_calls())
}

/// The same for a gateway's page, which repeats nothing of ours.
fn speaks_of_a_limit_somewhere(page: &[u8]) -> bool {
    let lower = String::from_utf8_lossy(page).to_ascii_lowercase();
    lower.contains("too many requests") || lower.contains("rate limit")
}

/// The longest window that a text is believed: less where it may repeat what a tenant wrote, for it closes the call
/// for everybody.
fn longest_window(call: Call) -> Duration {
    match call {
        Call::CreateOauthClient | Call::UpdateOauthClient | Call::CreateCallbackUrl | Call::UpdateCallbackUrl => {
            LONGEST_WINDOW
        }
        Call::CreateInstallation
        | Call::CreateDeviceServer
        | Call::CreateSession
        | Call::DeleteSession
        | Call::GetUser
        | Call::ListOauthClients
        | Call::GetOauthClient
        | Call::ListCallbackUrls
        | Call::DeleteCallbackUrl
        | Call::ListCredentialIps => LONGEST_WAIT,
    }
}

/// The seconds in "… maximum of 3 calls per 3 second …" or "… calls per 30 seconds …".
fn window(text: &str) -> Option<Duration> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(4).find_map(|four| match four {
        [calls, "per", number, unit] if calls.starts_with("call") && unit.starts_with("second") => {
            number.parse().ok().map(Duration::from_secs)
        }
        _ => None,
    })
}
