//! Counts objects by condition and reason for the metrics, and tells how long ago the bank was asked.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::ResourceExt;

use crate::{
    api::ConditionStatus,
    bunq::Environment,
    clock::{self, SharedClock},
    controller::{
        bank::Gate,
        lead::Leadership,
        manifests::{Manifest, Memories, Objects, Shown},
    },
    telemetry::metrics::{ClientCensus, Metrics},
    times::Times,
};

const EVERY: Duration = Duration::from_secs(15);

/// Counts the objects that the leader knows.
pub(crate) struct Census {
    pub(crate) objects: Objects,
    pub(crate) memories: Arc<Memories>,
    pub(crate) leadership: Arc<Leadership>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: SharedClock,
}

impl Census {
    /// Counts again and again, from memory; at once when the clock has jumped, for that changes every age.
    pub(crate) async fn run(self) {
        let mut jumps = self.clock.jumps();
        loop {
            // Only who leads knows; two answers would be added up.
            let (census, (oldest, overdue)) = match self.leadership.term() {
                Some(_) => (self.count(), self.verifications()),
                None => Default::default(),
            };
            self.metrics.clients(census);
            self.metrics.verifications(oldest, overdue);
            // Calls that end at the same moment may have told it in the wrong order.
            for environment in Environment::ALL {
                self.metrics.breaker(environment.as_str(), self.gate.is_away(environment));
            }
            tokio::select! {
                () = clock::pause(EVERY) => {}
                Ok(()) = jumps.changed() => {}
            }
        }
    }

    fn count(&self) -> HashMap<ClientCensus, u32> {
        let mut census = HashMap::new();
        for object in self.objects.all() {
            for condition in object.conditions() {
                *census.entry(labels(*condition)).or_default() += 1;
            }
        }
        census
    }

    /// Of all objects that are Ready: how long ago the longest confirmation is, and by how much the latest
    /// one is late.
    fn verifications(&self) -> (Duration, Duration) {
        let (now, tenure) = (self.clock.now(), self.leadership.leads_since());
        let mut longest = (Duration::ZERO, Duration::ZERO);
        for object in self.objects.all().iter().filter(|object| object.is_published()) {
            let age = self.age(object, now).unwrap_or(tenure);
            // Nobody is late by what an earlier leader did not do.
            let overdue = age.min(tenure).saturating_sub(object.resync_interval());
            longest = (longest.0.max(age), longest.1.max(overdue));
        }
        longest
    }

    /// The status tells the time once a day only, so that objects at rest do not move; memory knows better.
    fn age(&self, object: &Manifest, now: Timestamp) -> Option<Duration> {
        let remembered = self.memories.verified_at(&object.uid()?);
        let mut verified = remembered.or_else(|| object.verified_at())?;
        Times::read_at(now).past(&mut verified);
        Some(now.duration_since(verified).unsigned_abs())
    }
}

/// Only words that this version knows become labels: the set stays closed.
fn labels(condition: Shown) -> ClientCensus {
    ClientCensus {
        condition: condition.type_(),
        status: match condition.status {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        },
        reason: condition.reason.as_str(),
    }
}
