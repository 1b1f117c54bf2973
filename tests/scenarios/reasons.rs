//! Every reason is reached on the real API server, and left again by the way out that its message
//! names (C53).

mod client;
mod cluster;
mod key;
mod redirect_url;
mod waiting;

use libtest_mimic::Trial;
use serde_json::Value;
use testbed::harness::{Outcome, World, ensure, world::condition};

use crate::stage::Stage;

const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
const ALLOW_NEW_CLIENT: &str = "bunq-operator.io/allow-new-client";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let stories = [client::trials, cluster::trials, key::trials, redirect_url::trials, waiting::trials];
    stories.iter().flat_map(|story| story(stage)).collect()
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
