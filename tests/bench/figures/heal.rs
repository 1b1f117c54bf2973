//! How fast a deleted Secret comes back.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    api::{DeleteParams, WatchEvent, WatchParams},
    core::PartialObjectMeta,
};
use testbed::harness::{Outcome, ensure_eq};

use super::spread_of;
use crate::{ground::Ground, table::Table};

const TIMES: usize = 100;
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two: the pass that follows from the last write is over.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn measure(ground: &Ground, table: &mut Table) -> Outcome {
    let operator = ground.start_operator().await?;
    ground.ready_tenant("heal", "my-app").await?;
    ground.bank.clear_calls();
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        tokio::time::sleep(PAUSE).await;
        times.push(tokio::time::timeout(PATIENCE, once(ground)).await??);
    }
    ensure_eq(ground.bank.calls().len(), 0, "calls to the bank while Secrets were deleted")?;
    let mut sorted = times.clone();
    sorted.sort();
    let p99 = sorted.get(TIMES - 2).map_or(0, Duration::as_millis);
    let (_, middle, most) = spread_of(times);
    table.add(
        "a deleted Secret is back",
        format!("p99 {p99} ms, median {middle} ms, longest {most} ms of {TIMES}; no call to the bank"),
        "p99 ≤ 100 ms, no call",
        "140–170 ms",
    );
    ground.objects("heal").delete("my-app", &DeleteParams::default()).await?;
    operator.stop().await
}

/// From the request that deletes it to the news that it is there again.
async fn once(ground: &Ground) -> Outcome<Duration> {
    let api = ground.secrets("heal");
    let version = api.get_metadata("my-app").await?.metadata.resource_version.unwrap_or_default();
    let params = WatchParams::default().fields("metadata.name=my-app");
    let mut news = api.watch_metadata(&params, &version).await?.boxed();
    let since = Instant::now();
    api.delete("my-app", &DeleteParams::default()).await?;
    while let Some(event) = news.try_next().await? {
        if matches!(event, WatchEvent::<PartialObjectMeta<Secret>>::Added(_)) {
            return Ok(since.elapsed());
        }
    }
    Err("the watch ended".into())
}
