//! Who may lead, by the rules of client-go: a lease has ended when nobody was *seen* to renew it for its
//! whole length, by our own clock. No time that somebody else wrote is ever compared with it (`F08`).

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::api::ObjectMeta;

use crate::plan::Seen;

/// How long a lease lasts from its last renewal.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// A leader that could not renew for so long stops leading.
pub(super) const RENEW_WITHIN: Duration = Duration::from_secs(10);
/// Between two renewals, or two attempts.
pub(super) const RETRY: Duration = Duration::from_secs(2);
/// What must remain of the lease when a change at the bank begins. It takes 8 s at most, so it has ended
/// before anybody else can lead.
pub(super) const FENCE: Duration = Duration::from_secs(10);

/// A lease of another length was edited by hand: nobody is locked out for longer.
const LONGEST: Duration = Duration::from_mins(1);
/// As client-go leaves it, so that it has ended for everybody.
const RELEASED_SECONDS: i32 = 1;

/// What was last seen of the lease, and when it was last seen to change.
#[derive(Debug, Default)]
pub(super) struct Observation {
    lease: Seen<Lease>,
    changed_at: Duration,
}

impl Observation {
    /// Takes in what the API server showed just now; `None` when there is no lease.
    pub(super) fn see(&mut self, lease: Option<Lease>, now: Duration) {
        if matches!(self.lease, Seen::Unknown) || spec(self.lease()) != spec(lease.as_ref()) {
            self.changed_at = now;
        }
        self.lease = lease.map_or(Seen::Absent, Seen::Present);
    }

    /// When `me` may take it: zero means now, `None` that nothing is known.
    pub(super) fn free_in(&self, me: &str, now: Duration) -> Option<Duration> {
        if matches!(self.lease, Seen::Unknown) {
            return None;
        }
        let Some(spec) = spec(self.lease()) else { return Some(Duration::ZERO) };
        match spec.holder_identity.as_deref() {
            None | Some("") => Some(Duration::ZERO),
            Some(holder) if holder == me => Some(Duration::ZERO),
            Some(_) => Some((self.changed_at + length(spec)).saturating_sub(now)),
        }
    }

    /// The lease as it was last seen.
    pub(super) fn lease(&self) -> Option<&Lease> {
        self.lease.present()
    }

    /// Who leads, for people.
    pub(super) fn holder(&self) -> Option<&str> {
        self.lease()?.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
    }

    /// The lease with `me` as its holder, to be written over what was seen.
    pub(super) fn taken(&self, name: &str, me: &str, wall: Timestamp) -> Lease {
        let known = self.lease();
        let transitions = spec(known).and_then(|spec| spec.lease_transitions);
        let mut lease = known.cloned().unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            ..Lease::default()
        });
        // Nobody's field manager is ours to send back.
        lease.metadata.managed_fields = None;
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(me.to_owned()),
            lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
            acquire_time: Some(MicroTime(wall)),
            renew_time: Some(MicroTime(wall)),
            lease_transitions: Some(if known.is_some() {
                transitions.unwrap_or_default().saturating_add(1)
            } else {
                0
            }),
            ..LeaseSpec::default()
        });
        lease
    }
}

/// The same lease, renewed.
pub(super) fn renewed(mut lease: Lease, wall: Timestamp) -> Lease {
    if let Some(spec) = &mut lease.spec {
        spec.renew_time = Some(MicroTime(wall));
    }
    lease
}

/// The same lease, free for anybody.
pub(super) fn released(mut lease: Lease, wall: Timestamp) -> Lease {
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(RELEASED_SECONDS),
        acquire_time: Some(MicroTime(wall)),
        renew_time: Some(MicroTime(wall)),
        lease_transitions: spec(Some(&lease)).and_then(|spec| spec.lease_transitions),
        ..LeaseSpec::default()
    });
    lease
}

/// Whether `me` holds it, as it was read.
pub(super) fn is_held_by(lease: &Lease, me: &str) -> bool {
    spec(Some(lease)).and_then(|spec| spec.holder_identity.as_deref()) == Some(me)
}

fn spec(lease: Option<&Lease>) -> Option<&LeaseSpec> {
    lease?.spec.as_ref()
}

fn length(spec: &LeaseSpec) -> Duration {
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(LEASE, Duration::from_secs).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "me";

    fn wall(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn held_by(holder: &str, renewed_at: i64) -> Lease {
        renewed(Observation::default().taken("lease", holder, wall(0)), wall(renewed_at))
    }

    fn observed(lease: Option<Lease>, seconds: u64) -> Observation {
        let mut observation = Observation::default();
        observation.see(lease, at(seconds));
        observation
    }

    #[test]
    fn nothing_is_taken_before_it_was_looked_at() {
        assert_eq!(Observation::default().free_in(ME, at(3600)), None);
    }

    #[test]
    fn a_lease_that_is_missing_released_or_mine_is_free() {
        let spare = released(held_by("other", 0), wall(0));
        for lease in [None, Some(spare), Some(held_by(ME, 0)), Some(Lease::default())] {
            assert_eq!(observed(lease, 7).free_in(ME, at(7)), Some(Duration::ZERO));
        }
    }

    #[test]
    fn a_lease_is_free_when_nobody_renewed_it_for_its_length_since_it_was_first_seen() {
        // Its own time says that it ended years ago, or in years: no matter.
        for written in [-100_000_000, 0, 100_000_000] {
            let mut observation = observed(Some(held_by("other", written)), 100);
            assert_eq!(observation.free_in(ME, at(100)), Some(LEASE));
            assert_eq!(observation.free_in(ME, at(114)), Some(at(1)));
            assert_eq!(observation.free_in(ME, at(115)), Some(Duration::ZERO));

            observation.see(Some(held_by("other", written + 2)), at(114));
            assert_eq!(observation.free_in(ME, at(115)), Some(at(14)));
        }
    }

    #[test]
    fn seeing_the_same_again_or_a_changed_label_renews_nothing() {
        let mut observation = observed(Some(held_by("other", 0)), 100);
        let mut labelled = held_by("other", 0);
        labelled.metadata.resource_version = Some("2".to_owned());
        observation.see(Some(labelled), at(110));
        assert_eq!(observation.free_in(ME, at(115)), Some(Duration::ZERO));
    }

    #[test]
    fn a_length_that_somebody_wrote_by_hand_locks_nobody_out() {
        let mut lease = held_by("other", 0);
        if let Some(spec) = &mut lease.spec {
            spec.lease_duration_seconds = Some(i32::MAX);
        }
        assert_eq!(observed(Some(lease), 0).free_in(ME, at(0)), Some(LONGEST));
    }

    #[test]
    fn taking_it_over_counts_a_transition_and_keeps_the_version_to_compare() {
        let mut lease = held_by("other", 0);
        lease.metadata.resource_version = Some("41".to_owned());
        let taken = observed(Some(lease), 0).taken("lease", ME, wall(60));

        assert!(is_held_by(&taken, ME));
        assert_eq!(taken.metadata.resource_version.as_deref(), Some("41"));
        assert_eq!(taken.spec.unwrap().lease_transitions, Some(1));
        assert_eq!(Observation::default().taken("lease", ME, wall(0)).spec.unwrap().lease_transitions, Some(0));
    }

    #[test]
    fn a_change_at_the_bank_has_ended_before_anybody_else_leads() {
        assert!(FENCE >= Duration::from_secs(8 + 2), "its deadline, and a margin");
        assert!(RENEW_WITHIN < LEASE && RETRY < RENEW_WITHIN);
    }
}
