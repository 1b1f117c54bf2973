//! The bank's limits: per address, method and path template (`bunq-api §7`).

use std::{
    collections::{BTreeMap, VecDeque},
    net::Ipv4Addr,
};

use jiff::{SignedDuration, Timestamp};

/// The calls of the windows that are still open.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    seen: BTreeMap<(Ipv4Addr, String, &'static str), VecDeque<Timestamp>>,
}

/// A call beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    calls: usize,
    seconds: i64,
}

impl TooMany {
    /// The bank's own words.
    pub(crate) fn text(self) -> String {
        format!(
            "Too many requests. You can do a maximum of {} calls per {} second to this endpoint.",
            self.calls, self.seconds
        )
    }
}

impl Limits {
    /// Counts a call, or refuses it. Refused calls do not count.
    pub(crate) fn count(
        &mut self,
        caller: Ipv4Addr,
        method: &str,
        template: &'static str,
        now: Timestamp,
    ) -> Result<(), TooMany> {
        let Some(limit) = limit(method, template) else {
            return Ok(());
        };
        let window = self.seen.entry((caller, method.to_owned(), template)).or_default();
        let opened = now - SignedDuration::from_secs(limit.seconds);
        while window.front().is_some_and(|at| *at <= opened) {
            window.pop_front();
        }
        if window.len() >= limit.calls {
            return Err(limit);
        }
        window.push_back(now);
        Ok(())
    }
}

/// The limit of an endpoint; the OAuth pages have none.
fn limit(method: &str, template: &str) -> Option<TooMany> {
    let (calls, seconds) = match (method, template) {
        (_, "auth" | "token") => return None,
        (_, "session-server") => (1, 30),
        ("GET", _) => (3, 3),
        ("PUT", _) => (2, 3),
        _ => (5, 3),
    };
    Some(TooMany { calls, seconds })
}
