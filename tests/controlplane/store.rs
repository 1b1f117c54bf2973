//! The store beneath the API server, asked directly.

use reqwest::Client;
use serde_json::{Value, json};

use super::Error;

/// Any key will do: every answer names the revision of the whole store. This is a zero byte.
const A_KEY: &str = "AA==";

/// Forgets every revision but the last.
pub(super) async fn compact(url: &str) -> Result<(), Error> {
    let failed = || Error::make("a compaction of the store");
    let client = Client::builder().no_proxy().build().map_err(failed())?;
    let ask = |path: &str, body: Value| {
        let request = client.post(format!("{url}/v3/kv/{path}")).header("content-type", "application/json");
        let sent = request.body(body.to_string()).send();
        async move { sent.await?.error_for_status()?.text().await }
    };
    let answer = ask("range", json!({"key": A_KEY})).await.map_err(failed())?;
    let answer: Value = serde_json::from_str(&answer).map_err(Error::make("a revision of the store"))?;
    let revision = &answer["header"]["revision"];
    ask("compaction", json!({"revision": revision, "physical": true})).await.map_err(failed()).map(drop)
}
