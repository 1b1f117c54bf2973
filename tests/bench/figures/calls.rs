//! Calls to the API server from apply to Ready, beyond those that listen.

use std::time::Duration;

use kube::api::DeleteParams;
use testbed::harness::Outcome;

use crate::{ground::Ground, table::Table};

/// Nothing follows later than this.
const QUIET: Duration = Duration::from_secs(2);

pub(super) async fn measure(ground: &Ground, table: &mut Table) -> Outcome {
    let operator = ground.start_operator().await?;
    // Another one first: the namespace is watched from then on.
    ground.ready_tenant("calls", "first").await?;
    ground.key("calls", "key").await?;
    tokio::time::sleep(QUIET).await;
    one(ground, table, "a first handshake", "≤ 12", "3").await?;
    ground.objects("calls").delete("my-app", &DeleteParams::default()).await?;
    ground.objects("calls").delete("first", &DeleteParams::default()).await?;
    ground.no_claims().await?;
    // The garbage collector takes the Secret of a manifest that is gone.
    ground.gone("calls", "my-app").await?;
    tokio::time::sleep(QUIET).await;
    one(ground, table, "a known key (the client is adopted)", "≤ 7", "3").await?;
    operator.stop().await
}

async fn one(ground: &Ground, table: &mut Table, what: &str, goal: &'static str, best: &'static str) -> Outcome {
    let trail = ground.trail()?;
    ground.bank.clear_calls();
    ground.apply("calls", "my-app", "key").await?;
    ground.ready("calls", "my-app").await?;
    tokio::time::sleep(QUIET).await;
    let (until_ready, after) = trail.requests()?.until_last_status();
    let measured = format!("{} and {} after it", until_ready.all.len(), after.all.len());
    table.add(&format!("calls to the API server from apply to Ready, {what}"), measured, goal, best);
    table.note(format!("With {what}: {}; after Ready {}.", until_ready.shown(), after.shown()));
    table.note(format!("In order: {} | {}", until_ready.in_order(), after.in_order()));
    let asked: Vec<String> =
        ground.bank.calls().iter().map(|call| format!("{} {}", call.method, call.template)).collect();
    table.note(format!("The bank was asked: {}.", asked.join(" → ")));
    Ok(())
}
