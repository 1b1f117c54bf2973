//! What it is all for: an application logs a user in with what was published.

use std::{collections::BTreeMap, sync::Arc};

use libtest_mimic::Trial;
use reqwest::Url;
use serde_json::{Value, json};
use testbed::harness::{Outcome, World, ensure, ensure_eq, process::http_client};

use crate::stage::{Stage, scenarios};

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "login":
        the_published_authorization_url_and_secret_log_a_user_in,
        an_access_token_is_no_api_key_and_reaches_no_client,
    )
}

/// Sends a user to the authorization URL of the status and exchanges the code that comes back,
/// with nothing but what the Secret holds. Returns the access token.
async fn log_in(world: &World, object: &Value) -> Outcome<String> {
    let secret = world.secret("my-app").await?;
    let http = http_client()?;
    let shown = object["status"]["authorizationUrl"].as_str().ok_or("no authorization URL")?;
    // What an application adds by itself.
    let sent = http.get(format!("{shown}&state=st4te")).send().await?;
    ensure_eq(sent.status().as_u16(), 302, "the answer to the user")?;
    let location = sent.headers().get("location").ok_or("no redirect")?.to_str()?;
    ensure(location.starts_with(&secret["redirect_uri"]), || "the user comes back somewhere else".to_owned())?;
    let back: BTreeMap<String, String> = Url::parse(location)?.query_pairs().into_owned().collect();
    ensure_eq(back.get("state").map(String::as_str), Some("st4te"), "the state")?;

    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", back.get("code").ok_or("no code")?),
        ("redirect_uri", &secret["redirect_uri"]),
        ("client_id", &secret["client_id"]),
        ("client_secret", &secret["client_secret"]),
    ];
    let token_url = Url::parse_with_params(&secret["token_uri"], parameters)?;
    let answer: Value = serde_json::from_slice(&http.post(token_url).send().await?.bytes().await?)?;
    let token = answer["access_token"].as_str().map(str::to_owned);
    token.ok_or_else(|| format!("no access token: {}", answer["error"]).into())
}

async fn the_published_authorization_url_and_secret_log_a_user_in(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    let token = log_in(&world, &object).await?;

    let requested_by = world.sandbox.with(|bank| {
        let key = bank.keys.iter().find(|key| key.secret == token);
        key.and_then(|key| key.access_token_of.as_ref()).map(|token| token.requested_by)
    });
    ensure_eq(requested_by, Some(user.id), "the app that the bank's user trusts")
}

/// The session that such a token opens is the proof of the login, and of no use to the operator.
async fn an_access_token_is_no_api_key_and_reaches_no_client(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let token = log_in(&world, &object).await?;
    world.put_key("pasted", &token).await?;
    world.sandbox.clear_calls();

    let credentials = json!({"apiKeySecretRef": {"name": "pasted"}});
    let manifest = world.manifest("mistaken", &json!({"credentials": credentials}));
    let object = world.apply_reason(&manifest, "NotAnApiKey").await?;

    let message = object["status"]["conditions"][0]["message"].as_str().unwrap_or_default();
    ensure(message.contains("access token"), || format!("the message does not say so: {message}"))?;
    let asked: Vec<_> = world.sandbox.calls().iter().map(|call| call.template).collect();
    ensure(!asked.iter().any(|template| template.contains("oauth-client")), || format!("it asked {asked:?}"))?;
    ensure(asked.contains(&"session-server"), || format!("no session was opened: {asked:?}"))?;

    world.put_key("pasted", &world.sandbox.new_user().api_key).await?;
    world.ready("mistaken").await.map(drop)
}
