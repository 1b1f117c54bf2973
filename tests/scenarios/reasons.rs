//! Every reason is reached on the real API server, and left again by the way out that its message
//! names (C53).

mod client;
mod cluster;
mod judgement;
mod key;
mod redirect_url;
mod table;
mod waiting;

use std::collections::BTreeSet;

use libtest_mimic::Trial;
use serde_json::Value;
use testbed::harness::{Outcome, World, ensure, world::condition};

use crate::stage::Stage;

pub(crate) use judgement::every_reason_was_reached_and_left;

const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
const ALLOW_NEW_CLIENT: &str = "bunq-operator.io/allow-new-client";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let stories = [client::trials, cluster::trials, key::trials, redirect_url::trials, waiting::trials];
    stories.iter().flat_map(|story| story(stage)).collect()
}

/// What needs no world: the table against the names of all scenarios, and the judge of the run.
pub(crate) fn checks(stage: &Stage, all: &[Trial]) -> Vec<Trial> {
    let names: BTreeSet<String> = all.iter().map(|trial| trial.name().to_owned()).collect();
    let table = async move { table::every_scenario_exists(&names) };
    vec![
        stage.plain("reasons", "every_reason_names_the_scenarios_that_reach_and_leave_it", table),
        stage.check("reasons", "only_what_was_seen_counts", judgement::only_what_was_seen_counts),
    ]
}

/// Fails unless the message of Ready has all these words.
fn ensure_says(object: &Value, wanted: &[&str]) -> Outcome {
    let message = condition(object, "Ready")["message"].as_str().unwrap_or_default();
    let missing: Vec<_> = wanted.iter().filter(|words| words.is_empty() || !message.contains(**words)).collect();
    ensure(missing.is_empty(), || format!("the message lacks {missing:?}: {message}"))
}

/// The `client_id` in the status.
fn client_id(object: &Value) -> &str {
    object["status"]["clientId"].as_str().unwrap_or_default()
}

/// The annotation that gives the old client up by name.
async fn allow_new_client(world: &World, old: &str) -> Outcome {
    world.annotate("my-app", ALLOW_NEW_CLIENT, old).await
}
