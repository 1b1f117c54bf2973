//! When the next pass over an object is due.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::end::End;
use crate::{
    api::{self, BunqOAuthClient},
    controller::{
        manifests::{Memories, draw},
        stop::{Retry, Stop},
    },
    plan::{Verdict, backoff},
};

/// A pass is never further away than this, whatever else is set.
pub(super) const SAFETY_NET: Duration = Duration::from_hours(1);
/// A stalled object is looked at again this often, at most and at least.
const STALLED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(10));

/// A deletion that the bank did not answer is tried again after so long, at most.
const DYING: Duration = Duration::from_secs(20);

/// When the next pass is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) again_in: Duration,
    /// The same, where the status should say so.
    pub(super) next_attempt: Option<Timestamp>,
}

/// What decides about it, beside how the last pass ended.
pub(super) struct Circumstances<'a> {
    pub(super) uid: &'a str,
    pub(super) now: Timestamp,
    pub(super) resync_interval: Duration,
    /// How far off its turn is to ask whether the bank is back; zero while the bank is there.
    pub(super) probe_in: Duration,
    /// When the deletion of the object is given up.
    pub(super) deadline: Option<Timestamp>,
}

/// When the next pass is due. A deletion is never looked at later than when it is given up (`L4`).
pub(super) fn due(end: &End, at: &Circumstances<'_>, memories: &Memories) -> Due {
    let usual = usually_due(end, at, memories);
    match at.deadline.filter(|deadline| *deadline > at.now) {
        Some(deadline) => Due {
            again_in: usual.again_in.min(deadline.duration_since(at.now).unsigned_abs()),
            next_attempt: usual.next_attempt.map(|attempt| attempt.min(deadline)),
        },
        None => usual,
    }
}

fn usually_due(end: &End, at: &Circumstances<'_>, memories: &Memories) -> Due {
    let (uid, now) = (at.uid, at.now);
    let after = |again_in: Duration| Due { again_in, next_attempt: None };
    let until = |time: Timestamp| Due {
        again_in: time.duration_since(now).max(SignedDuration::ZERO).unsigned_abs(),
        next_attempt: Some(time),
    };
    let until_after = |delay: Duration| until(now.saturating_add(delay).unwrap_or(now));
    match end {
        End::Verdict(Verdict::Stalled(_)) => after(memories.back_off(uid).clamp(STALLED.0, STALLED.1)),
        End::Verdict(Verdict::Released) => after(SAFETY_NET),
        End::Verdict(Verdict::Synced | Verdict::Cancelled | Verdict::NothingToCancel) => {
            let age = memories.verified_at(uid).map(|verified| now.duration_since(verified).unsigned_abs());
            after(at.resync_interval.saturating_sub(age.unwrap_or_default()))
        }
        End::Waiting(time, _) => until(*time),
        // Everybody asks in turn whether the bank is back.
        End::Stop(Stop::Bank { .. } | Stop::Outage) if !at.probe_in.is_zero() => {
            until_after(at.probe_in.min(STALLED.1))
        }
        // It has ten minutes, and is done soon after the bank is back (`L4`).
        End::Stop(Stop::Bank { .. }) if at.deadline.is_some() => until_after(memories.back_off(uid).min(DYING)),
        End::Stop(stop) => match stop.retry() {
            Retry::OnChange => after(SAFETY_NET),
            Retry::At(time) => until(time),
            Retry::After(delay) => after(delay),
            Retry::Backoff => until_after(memories.back_off(uid)),
            Retry::Soon => until_after(memories.short_back_off(uid)),
        },
    }
}

/// `spec.resyncInterval`, shortened a little so that objects applied together drift apart.
pub(super) fn resync_interval(object: &BunqOAuthClient) -> Duration {
    let interval = object.spec.resync_interval.to_duration();
    backoff::spread(interval.unwrap_or(api::interval::LONGEST), draw(&object.uid().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bunq,
        controller::manifests::{CauseId, Verified},
        plan::{Cause, Client, ClientStatus, Stall, Urls, Waiting},
    };

    const HOUR: Duration = Duration::from_hours(1);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn circumstances() -> Circumstances<'static> {
        Circumstances { uid: "u1", now: at(100), resync_interval: HOUR, probe_in: Duration::ZERO, deadline: None }
    }

    fn verified(second: i64) -> Verified {
        let client = Client {
            id: 5,
            client_id: None,
            status: ClientStatus::Active,
            display_name: None,
            has_secret: true,
            urls: Urls::NotShown,
        };
        Verified { at: at(second), cause: CauseId::of(&Cause::default()), client, bound_ip: None }
    }

    #[test]
    fn every_end_has_its_time() {
        let minutes = Duration::from_mins;
        let seconds = Duration::from_secs;
        let table = [
            (End::Verdict(Verdict::Released), HOUR, None),
            (End::Verdict(Verdict::Synced), HOUR, None),
            (End::Waiting(at(130), Waiting::AnswerLost), seconds(30), Some(at(130))),
            (End::Waiting(at(90), Waiting::AnswerLost), seconds(0), Some(at(90))),
            (End::Stop(Stop::Suspended), HOUR, None),
            (End::Stop(Stop::Ending), seconds(1), None),
            (End::Stop(Stop::NamespaceNotGranted { namespace: String::new() }), seconds(8), None),
            (End::Stop(Stop::CredentialsSecretNotFound { secret: String::new() }), minutes(5), None),
            (End::Stop(Stop::BackingOff { until: at(160) }), seconds(60), Some(at(160))),
            (End::Stop(Stop::InstalledTooOften { until: at(400) }), minutes(5), Some(at(400))),
        ];
        for (end, again_in, next_attempt) in table {
            let found = due(&end, &circumstances(), &Memories::default());
            assert_eq!(found, Due { again_in, next_attempt }, "{end:?}");
        }
    }

    #[test]
    fn the_next_resync_counts_from_the_read_and_not_from_the_pass() {
        let memories = Memories::default();
        memories.of("u1", |memory| memory.verified = Some(verified(40)));
        let found = due(&End::Verdict(Verdict::Synced), &circumstances(), &memories);
        assert_eq!(found.again_in, Duration::from_mins(59));
    }

    #[test]
    fn failures_and_stalls_come_again_with_growing_delays_that_have_an_end() {
        let memories = Memories::default();
        for _ in 0..40 {
            let stalled = due(&End::Verdict(Verdict::Stalled(Stall::SecretNotOwned)), &circumstances(), &memories);
            assert!((STALLED.0..=STALLED.1).contains(&stalled.again_in) && stalled.next_attempt.is_none());
            let failed = due(&End::Stop(Stop::Outage), &circumstances(), &memories);
            assert!(failed.again_in <= STALLED.1 && failed.next_attempt.is_some());
        }
    }

    #[test]
    fn a_deletion_that_the_bank_did_not_answer_is_tried_again_soon_however_often_it_failed() {
        let memories = Memories::default();
        let unanswered = || {
            let source = bunq::Error::Build { call: bunq::Call::GetOauthClient, reason: "any" };
            End::Stop(Stop::Bank { source })
        };
        let dying = Circumstances { deadline: Some(at(700)), ..circumstances() };
        assert!((0..200).all(|_| due(&unanswered(), &dying, &memories).again_in <= DYING));
        assert!((0..200).any(|_| due(&unanswered(), &circumstances(), &memories).again_in > DYING));
    }

    #[test]
    fn whoever_waits_for_its_turn_to_ask_whether_the_bank_is_back_comes_then() {
        let waiting = |seconds| Circumstances { probe_in: Duration::from_secs(seconds), ..circumstances() };
        let found = |at: &Circumstances<'_>| due(&End::Stop(Stop::Outage), at, &Memories::default()).again_in;
        assert_eq!(found(&waiting(60)), Duration::from_mins(1));
        assert_eq!(found(&waiting(86_400)), STALLED.1);
    }

    #[test]
    fn a_deletion_is_looked_at_when_it_is_given_up_at_the_latest() {
        let dying = Circumstances { deadline: Some(at(110)), ..circumstances() };
        let found = due(&End::Stop(Stop::BackingOff { until: at(160) }), &dying, &Memories::default());
        assert_eq!(found, Due { again_in: Duration::from_secs(10), next_attempt: Some(at(110)) });
        let overdue = Circumstances { deadline: Some(at(90)), ..circumstances() };
        let found = due(&End::Stop(Stop::BackingOff { until: at(160) }), &overdue, &Memories::default());
        assert_eq!(found.next_attempt, Some(at(160)), "it is past: the planner gives it up");
    }
}
