//! The bank's limits once more, read off its log: a second opinion beside the emulator's own, which
//! only sees a window when somebody overruns it (`S7`).

use std::collections::BTreeMap;

use jiff::{SignedDuration, civil::DateTime};

use super::outcome::{Outcome, ensure};
use crate::sandbox::Call;

/// Fails if in any stretch of the log an endpoint was called more often than the bank allows
/// (`bunq-api §7`), or if the bank itself said so.
pub fn ensure_every_window_was_kept(calls: &[Call]) -> Outcome {
    let refused: Vec<String> =
        calls.iter().filter(|call| matches!(call.status, 409 | 429)).map(ToString::to_string).collect();
    ensure(refused.is_empty(), || format!("the bank refused {refused:?}"))?;
    let mut endpoints: BTreeMap<(&str, &str), Vec<DateTime>> = BTreeMap::new();
    for call in calls {
        endpoints.entry((&call.method, call.template)).or_default().push(call.at.parse()?);
    }
    for ((method, template), mut times) in endpoints {
        times.sort_unstable();
        let (most, length) = limit(method, template);
        let overrun =
            times.iter().zip(times.iter().skip(most)).find(|(first, last)| last.duration_since(**first) < length);
        ensure(overrun.is_none(), || format!("more than {most} calls {method} {template} in {length:#}: {overrun:?}"))?;
    }
    Ok(())
}

/// So many calls in any stretch of so long.
fn limit(method: &str, template: &str) -> (usize, SignedDuration) {
    match (method, template) {
        (_, "session-server") => (1, SignedDuration::from_secs(30)),
        ("GET", _) => (3, SignedDuration::from_secs(3)),
        ("PUT", _) => (2, SignedDuration::from_secs(3)),
        _ => (5, SignedDuration::from_secs(3)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn call(method: &str, template: &'static str, at: &str, status: u16) -> Call {
        Call {
            seq: 0,
            at: format!("2026-01-01 {at}"),
            method: method.to_owned(),
            path: String::new(),
            template,
            user: None,
            status,
            committed: true,
            mutation: false,
            request_id: None,
            response_id: String::new(),
            body: Value::Null,
        }
    }

    #[test]
    fn a_fourth_read_within_three_seconds_is_found_and_one_after_them_is_not() {
        let read = |at| call("GET", "user/{u}/oauth-client", at, 200);
        let mut calls = vec![read("00:00:01"), read("00:00:02"), read("00:00:03"), read("00:00:04")];
        assert!(ensure_every_window_was_kept(&calls).is_ok());
        calls.push(read("00:00:03.9"));
        assert!(ensure_every_window_was_kept(&calls).is_err());
    }

    #[test]
    fn two_sessions_within_thirty_seconds_are_found_whoever_opened_them() {
        let open = |at| call("POST", "session-server", at, 200);
        assert!(ensure_every_window_was_kept(&[open("00:00:00"), open("00:00:30")]).is_ok());
        assert!(ensure_every_window_was_kept(&[open("00:00:00"), open("00:00:29.9")]).is_err());
    }

    #[test]
    fn a_call_that_the_bank_throttled_is_found() {
        assert!(ensure_every_window_was_kept(&[call("GET", "user/{u}", "00:00:00", 429)]).is_err());
    }
}
