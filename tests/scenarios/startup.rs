//! The operator comes first, and what it needs comes later (F44, C37).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, api::DeleteParams};
use libtest_mimic::Trial;
use testbed::harness::{Bench, Outcome, World, deployment, ensure, ensure_eq, replica::Said};

use crate::stage::Stage;

const LONGEST: Duration = Duration::from_mins(5);
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Several questions are asked meanwhile.
const A_WHILE: Duration = Duration::from_secs(4);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let name = "started_before_the_definition_it_waits_says_so_once_and_works_when_it_is_there";
    vec![stage.with_bench("startup", name, |bench| async move {
        // A definition is everybody's: this one comes and goes on a control plane of its own.
        let own = Arc::new(bench.another().await?);
        let world = World::new(Arc::clone(&own), "startup").await?;
        let played = tokio::time::timeout(LONGEST, before_the_definition(&own, &world)).await;
        let played = played.unwrap_or_else(|_| Err(format!("it did not end within {LONGEST:?}").into()));
        let finished = world.finish(played).await;
        drop(world);
        let own = Arc::into_inner(own).ok_or("the world still plays")?;
        own.stop().await.and(finished)
    })]
}

async fn before_the_definition(bench: &Bench, world: &World) -> Outcome {
    let definitions: Api<CustomResourceDefinition> = Api::all(bench.admin());
    let installed = bench.deployment().shared().find(|object| object["kind"] == "CustomResourceDefinition").cloned();
    let installed = installed.ok_or("deploy/ installs no definition")?;
    let name = installed["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    definitions.delete(&name, &DeleteParams::default()).await?;
    while definitions.get_opt(&name).await?.is_some() {
        tokio::time::sleep(LOOK_EVERY).await;
    }

    let early = world.spawn_replica("early").await?;
    until(|| waits(&early.said()) > 0).await?;
    tokio::time::sleep(A_WHILE).await;
    ensure_eq(waits(&early.said()), 1, "lines about waiting")?;
    ensure_eq(early.process().get("livez").await?.0, 200, "/livez while it waits")?;
    ensure_eq(early.process().get("readyz").await?.0, 503, "/readyz while it waits")?;

    deployment::apply(&bench.admin(), &installed).await?;
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

async fn until(fits: impl Fn() -> bool) -> Outcome {
    let since = Instant::now();
    while !fits() {
        ensure(since.elapsed() < PATIENCE, || format!("it did not come to pass within {PATIENCE:?}"))?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
