//! A key that the bank refused: when it may be tried again (`S8`), and what a person needs to know of it.

use jiff::Timestamp;

use super::caller::Caller;
use crate::{
    bunq::Priority,
    controller::{
        context::Entry,
        stop::{Refused, Rejection, Stop},
    },
    plan::backoff,
};

/// Refusals that are remembered: after the fifth the delay no longer grows.
const REMEMBERED: usize = 10;

/// A key that the bank refused is not tried before its time, whatever was edited meanwhile, also after a
/// restart. Only a person's request goes first.
pub(super) fn await_turn(entry: &Entry, caller: &Caller, now: Timestamp) -> Result<(), Stop> {
    match backoff::after_rejection(&entry.stored.refusals) {
        Some(until) if until > now && !caller.is_asked => Err(match caller.priority {
            Priority::Resync => Stop::BackingOff { until },
            Priority::NewKey | Priority::Deletion | Priority::Change => {
                rejection(Refused::Key, entry, caller, now, until)
            }
        }),
        Some(_) | None => Ok(()),
    }
}

/// Notes that the bank refused the key of this context just now.
pub(super) fn note(of: Refused, entry: &mut Entry, caller: &Caller, now: Timestamp) -> Stop {
    let refusals = &mut entry.stored.refusals;
    refusals.push(now);
    let surplus = refusals.len().saturating_sub(REMEMBERED);
    refusals.drain(..surplus);
    let until = backoff::after_rejection(refusals).unwrap_or(now);
    entry.touch();
    rejection(of, entry, caller, now, until)
}

fn rejection(of: Refused, entry: &Entry, caller: &Caller, now: Timestamp, until: Timestamp) -> Stop {
    Stop::CredentialsRejected(Box::new(Rejection {
        of,
        environment: entry.environment,
        object: caller.object.clone(),
        credentials: caller.credentials.clone(),
        credentials_age: caller.credentials_created.map(|created| now.duration_since(created)),
        bound_ip: entry.stored.bound_ip.clone(),
        until,
    }))
}
