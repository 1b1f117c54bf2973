//! Counts objects by condition and reason for the metrics.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kube::ResourceExt;

use super::context::{Memory, Operator};
use crate::{
    api::{BunqOAuthClient, ConditionStatus},
    clock,
    plan::Reason,
    telemetry::metrics::ClientCensus,
};

const EVERY: Duration = Duration::from_secs(15);

/// Counts again and again, from memory.
pub(crate) async fn run(operator: Arc<Operator>) {
    loop {
        // Only who leads knows; two answers would be added up.
        let (census, confirmed) = match operator.leadership.term() {
            Some(_) => (count(&operator), confirmations(&operator)),
            None => Default::default(),
        };
        operator.telemetry.metrics.clients(census);
        operator.telemetry.metrics.verified(confirmed);
        clock::pause(EVERY).await;
    }
}

/// The status tells these times once a day only, so that objects at rest do not move.
fn confirmations(operator: &Operator) -> Vec<(String, String, f64)> {
    let confirmed = |object: &BunqOAuthClient| {
        let memory = |memory: &mut Memory| memory.verified.as_ref().map(|verified| verified.at);
        let at = operator.remember(&object.uid()?, memory)?;
        Some((object.namespace()?, object.name_any(), at.as_duration().as_secs_f64()))
    };
    operator.store.state().iter().filter_map(|object| confirmed(object)).collect()
}

fn count(operator: &Operator) -> HashMap<ClientCensus, u32> {
    let mut census = HashMap::new();
    for object in operator.store.state() {
        let Some(status) = &object.status else { continue };
        for condition in status.conditions.iter().filter(|condition| condition.type_ == "Ready") {
            // Only reasons that this version knows become labels: the set stays closed.
            let reason = Reason::ALL.iter().find(|reason| reason.as_str() == condition.reason);
            let labels = ClientCensus {
                condition: "Ready",
                status: match condition.status {
                    ConditionStatus::True => "True",
                    ConditionStatus::False => "False",
                    ConditionStatus::Unknown => "Unknown",
                },
                reason: reason.map_or("other", |reason| reason.as_str()),
            };
            *census.entry(labels).or_default() += 1;
        }
    }
    census
}
