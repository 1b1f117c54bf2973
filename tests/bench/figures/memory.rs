//! What further namespaces and other people's Secrets cost.

use std::{ops::Range, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hyper::Request;
use serde_json::json;
use testbed::harness::Outcome;

use crate::{
    ground::Ground,
    operator::{Memory, megabytes},
    table::Table,
};

const FIRST_NAMESPACES: u64 = 40;
const NAMESPACES: u64 = 100;
const LOOK_EVERY: Duration = Duration::from_millis(100);
const SECRETS: usize = 5000;
/// 100 kB in base64, in the data and once more in the annotation.
const SECRET_BYTES: usize = 75_000;
/// Requests under way at the same time.
const AT_ONCE: usize = 8;

/// Each namespace has one object, as it would: the figure is for both. There are enough of them before, so that what
/// comes with the first few, such as the connections of passes at the same time, is not counted.
pub(super) async fn namespaces(ground: &Ground, table: &mut Table) -> Outcome {
    let before = with_namespaces(ground, 0..FIRST_NAMESPACES).await?;
    let after = with_namespaces(ground, FIRST_NAMESPACES..FIRST_NAMESPACES + NAMESPACES).await?;
    let each = after.total().saturating_sub(before.total()) * 1024 / NAMESPACES / 1000;
    table.add(
        "resident memory, each further namespace (with one object)",
        format!("{each} kB (of {NAMESPACES}; {} MB in all)", megabytes(after.total())),
        "≤ 50 kB",
        "",
    );
    Ok(())
}

/// Adds namespaces and tells the memory of an operator that has just started beside all of them.
async fn with_namespaces(ground: &Ground, more: Range<u64>) -> Outcome<Memory> {
    let all = more.end;
    for number in more {
        let namespace = format!("ns-{number}");
        ground.tenant(&namespace).await?;
        // Without a key there is no handshake: what grows is what a watched namespace costs.
        ground.apply(&namespace, "my-app", "bunq-api-key").await?;
    }
    let operator = ground.start_operator().await?;
    while operator.passes().await? < all {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let memory = operator.memory().await?;
    operator.stop().await?;
    Ok(memory)
}

pub(super) async fn foreign_secrets(ground: &Ground, table: &mut Table) -> Outcome {
    let operator = ground.start_operator().await?;
    ground.ready_tenant("large", "my-app").await?;
    operator.stop().await?;
    let operator = ground.start_operator().await?;
    let before = operator.memory().await?;
    fill(ground, "large").await?;
    let beside = operator.memory().await?;
    operator.stop().await?;
    let operator = ground.start_operator().await?;
    let restarted = operator.memory().await?;
    let more = |after: u64| format!("{} MB more", megabytes(after.saturating_sub(before.total())));
    table.add(
        "resident memory beside 5,000 foreign Secrets of 100 kB, as they came",
        format!("{} (peak {} MB)", more(beside.total()), megabytes(beside.peak)),
        "< 2 MB more",
        "",
    );
    table.add(
        "the same, after a restart",
        format!("{} (peak {} MB)", more(restarted.total()), megabytes(restarted.peak)),
        "< 2 MB more",
        "+4 MB (2,000 of 75 kB)",
    );
    operator.stop().await
}

/// As `kubectl apply` writes them: the whole object stands once more in an annotation.
async fn fill(ground: &Ground, namespace: &str) -> Outcome {
    let data = STANDARD.encode(vec![b'x'; SECRET_BYTES]);
    let applied = json!({"apiVersion": "v1", "kind": "Secret", "data": {"blob": data}}).to_string();
    let made = stream::iter(0..SECRETS).map(|number| {
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": format!("large-{number}"),
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied},
            },
            "data": {"blob": data},
        });
        let request = Request::post(format!("/api/v1/namespaces/{namespace}/secrets"))
            .header("content-type", "application/json")
            .body(secret.to_string().into_bytes());
        let client = ground.admin.clone();
        async move { Ok(client.request_text(request?).await.map(drop)?) }
    });
    made.buffer_unordered(AT_ONCE).try_collect::<()>().await
}
