//! One manifest: memory, and how long a start takes.

use testbed::harness::Outcome;

use super::spread_of;
use crate::{ground::Ground, table::Table};

const STARTS: usize = 11;

pub(super) async fn measure(ground: &Ground, table: &mut Table) -> Outcome {
    let operator = ground.start_operator().await?;
    table.add("resident memory, no manifest", operator.memory().await?.shown(), "", "7.3–7.9 MB (a bare watch)");
    ground.ready_tenant("one", "my-app").await?;
    table.add("resident memory, 1 client", operator.memory().await?.shown(), "≤ 10 MB", "37.8 MB");
    operator.stop().await?;
    let mut times = Vec::with_capacity(STARTS);
    for start in 0..STARTS {
        let operator = ground.start_operator().await?;
        times.push(operator.ready_after);
        if start + 1 == STARTS {
            table.add("the same, after a restart", operator.memory().await?.shown(), "≤ 10 MB", "37.8 MB");
        }
        operator.stop().await?;
    }
    let (least, middle, most) = spread_of(times);
    table.add(
        "start to ready, 1 client",
        format!("{middle} ms (of {STARTS} starts: {least}–{most} ms)"),
        "≤ 150 ms",
        "92–120 ms (a bare watch)",
    );
    ground.objects("one").delete("my-app", &kube::api::DeleteParams::default()).await?;
    Ok(())
}
