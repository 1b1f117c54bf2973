//! What passes work with.

use std::sync::Arc;

use crate::{
    clock::SharedClock,
    controller::{
        bank::Gate,
        claim::Claims,
        lead::Duty,
        manifests::{Memories, Objects, SecretWatches},
        session::Sessions,
        tell::Herald,
    },
    telemetry::metrics::Metrics,
};

/// What passes work with; each of them hands its own parts what they need.
pub(crate) struct Parts {
    pub(crate) objects: Objects,
    pub(crate) memories: Arc<Memories>,
    pub(crate) watches: Arc<SecretWatches>,
    pub(crate) claims: Claims,
    pub(crate) gate: Arc<Gate>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) herald: Herald,
    pub(crate) duty: Duty,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Arc<Metrics>,
}
