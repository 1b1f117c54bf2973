//! From a refusal to an [`Error`]: by status, and by text only where the status does not tell
//! (`bunq-api §6`).

use std::time::Duration;

use serde::Deserialize;

use super::by_key::by_key;
use crate::bunq::ground::{Answer, Call, Error, Response, bank_text};

const SHORTEST_WAIT: Duration = Duration::from_secs(3);
const SESSION_WAIT: Duration = Duration::from_secs(30);
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
        let joined = texts.unwrap_or_default().join("; ");
        let answer = Answer {
            call: self.call,
            status: response.status,
            text: bank_text::sanitise(&joined, self.secrets),
            request_id: self.request_id,
            response_id: self.response_id,
        };
        match response.status {
            409 | 429 => {
                let retry_after = retry_after(self.call, &joined, response);
                Error::Throttle { answer, retry_after }
            }
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

/// `Retry-After` when it is sane, else the window that the text names, else the smallest known.
fn retry_after(call: Call, text: &str, response: &Response) -> Duration {
    let least = if call == Call::CreateSession { SESSION_WAIT } else { SHORTEST_WAIT };
    let header = response
        .headers
        .get(reqwest::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().parse().ok())
        .map(Duration::from_secs)
        .filter(|wait| *wait <= LONGEST_WAIT);
    header.or_else(|| window(text)).unwrap_or(least).clamp(least, LONGEST_WAIT)
}

/// The seconds in "… maximum of 3 calls per 3 second …" or "… calls per 30 seconds …".
fn window(text: &str) -> Option<Duration> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(3).find_map(|three| match three {
        ["per", number, unit] if unit.starts_with("second") => number.parse().ok().map(Duration::from_secs),
        _ => None,
    })
}
