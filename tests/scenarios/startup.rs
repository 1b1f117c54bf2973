//! The operator comes first, and what it needs comes later (F44, C37), or breaks (M3).

use std::{sync::Arc, time::Duration};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, api::DeleteParams};
use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{Outcome, World, deployment, ensure_eq, replica::Said, until};

use crate::stage::{Stage, scenarios};

const LONGEST: Duration = Duration::from_mins(5);
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Several questions are asked meanwhile.
const A_WHILE: Duration = Duration::from_secs(4);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let name = "started_before_the_definition_it_waits_says_so_once_and_works_when_it_is_there";
    let mut trials = scenarios!(stage, "startup": a_task_that_it_cannot_do_without_ends_it_and_is_named);
    // A definition is everybody's: this one comes and goes on a control plane of its own.
    trials.push(stage.scenario_alone("startup", name, LONGEST, before_the_definition));
    trials
}

/// M3, L7: nothing goes on half alive.
async fn a_task_that_it_cannot_do_without_ends_it_and_is_named(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let error = operator.break_down().await?;
    ensure_eq(error.to_string().as_str(), "keep clock running: it panicked", "what it ended with")
}

async fn before_the_definition(world: Arc<World>) -> Outcome {
    let definitions: Api<CustomResourceDefinition> = Api::all(world.admin());
    let installed =
        world.bench.deployment().shared().find(|object| object["kind"] == "CustomResourceDefinition").cloned();
    let installed = installed.ok_or("deploy/ installs no definition")?;
    let name = installed["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    definitions.delete(&name, &DeleteParams::default()).await?;
    while definitions.get_opt(&name).await?.is_some() {
        tokio::time::sleep(LOOK_EVERY).await;
    }

    let early = world.spawn_replica("early").await?;
    until("a line about waiting", PATIENCE, || waits(&early.said()) > 0).await?;
    tokio::time::sleep(A_WHILE).await;
    ensure_eq(waits(&early.said()), 1, "lines about waiting")?;
    ensure_eq(early.process().get("livez").await?.0, 200, "/livez while it waits")?;
    ensure_eq(early.process().get("readyz").await?.0, 503, "/readyz while it waits")?;

    deployment::apply(&world.admin(), &installed).await?;
    let member = tokio::time::timeout(PATIENCE, async {
        loop {
            match world.join(0).await {
                Ok(member) => break member,
                // The API server takes a moment to serve it.
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    })
    .await?;
    world.ready(&member.name).await?;
    ensure_eq(early.process().get("readyz").await?.0, 200, "/readyz when it works")?;
    early.stop().await.map(drop)
}

/// Lines that say that the definition is missing.
fn waits(said: &Said) -> usize {
    said.count("waiting: the definition of BunqOAuthClients is not installed")
}
