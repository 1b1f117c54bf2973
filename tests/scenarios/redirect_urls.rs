//! Redirect URLs: what is declared gets registered, what is not ours stays.

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{Outcome, World, ensure, ensure_eq};

use crate::stage::{Stage, scenarios};

const FIRST: &str = "https://myapp.com/oauth/callback";
const SECOND: &str = "https://myapp.com/oauth/second";
const LOCAL: &str = "http://localhost:3000";
/// More than a resync interval of one hour with its jitter, less than two.
const A_RESYNC: Duration = Duration::from_mins(80);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "redirect_urls":
        a_new_redirect_url_is_added_before_the_old_one_is_removed,
        additional_urls_are_registered_byte_by_byte,
        a_url_that_somebody_removed_at_the_bank_comes_back,
        urls_of_others_stay_unless_pruning_is_asked_for,
    )
}

/// The URLs at the bank, sorted.
fn urls(world: &World, user: u64) -> Vec<String> {
    let mut urls = world.sandbox.with(|bank| {
        let client = bank.active_clients(user).first().map(|it| it.id);
        client.map(|id| bank.urls_of(id)).unwrap_or_default()
    });
    urls.sort();
    urls
}

async fn a_new_redirect_url_is_added_before_the_old_one_is_removed(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    world.sandbox.clear_calls();

    let object = world.apply_ready(&world.manifest("my-app", &json!({"redirectUrl": SECOND}))).await?;

    let sent: Vec<_> = world.sandbox.mutations().iter().map(|call| (call.method.clone(), call.template)).collect();
    let wanted = [
        ("POST".to_owned(), "user/{u}/oauth-client/{c}/callback-url"),
        ("DELETE".to_owned(), "user/{u}/oauth-client/{c}/callback-url/{m}"),
    ];
    ensure_eq(sent, wanted, "what was sent to the bank")?;
    ensure_eq(urls(&world, user.id), [SECOND], "the URLs at the bank")?;
    let published = world.secret("my-app").await?;
    ensure_eq(published.get("redirect_uri").map(String::as_str), Some(SECOND), "redirect_uri")?;
    let shown = object["status"]["authorizationUrl"].as_str().unwrap_or_default();
    ensure_eq(shown.ends_with("redirect_uri=https%3A%2F%2Fmyapp.com%2Foauth%2Fsecond"), true, "the authorization URL")
}

async fn additional_urls_are_registered_byte_by_byte(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;

    let object =
        world.apply_ready(&world.manifest("my-app", &json!({"additionalRedirectUrls": [SECOND, LOCAL]}))).await?;

    ensure_eq(urls(&world, user.id), [LOCAL, FIRST, SECOND], "the URLs at the bank")?;
    let shown = object["status"]["redirectUrls"].as_array().map(Vec::len);
    ensure_eq(shown, Some(3), "URLs in the status")?;
    world.apply_ready(&world.manifest("my-app", &json!({"additionalRedirectUrls": [LOCAL]}))).await?;
    ensure_eq(urls(&world, user.id), [LOCAL, FIRST], "the URLs after one was dropped from the manifest")
}

async fn a_url_that_somebody_removed_at_the_bank_comes_back(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    let operator = world.start_in_process().await?;
    let object = world.apply_ready(&world.manifest("my-app", &json!({"additionalRedirectUrls": [SECOND]}))).await?;
    let id = object["status"]["oauthClientId"].as_u64().unwrap_or_default();
    operator.settle().await?;

    world.sandbox.with(|bank| bank.remove_url_by_hand(id, SECOND));
    operator.let_pass(A_RESYNC).await?;

    ensure_eq(urls(&world, user.id), [FIRST, SECOND], "the URLs at the bank")?;
    let told = world.event("my-app", "DriftRepaired").await?;
    ensure(told.note.contains(SECOND), || format!("the Event does not name the URL: {}", told.note))?;
    ensure_eq(operator.sum_of("bunq_drift_repairs_total"), 1, "repairs that are counted")?;
    operator.stop().await
}

async fn urls_of_others_stay_unless_pruning_is_asked_for(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    let foreign = "https://somebody.example/callback";
    world.sandbox.with(|bank| bank.create_by_hand(user.id, Some("By hand"), &[foreign]));
    world.start_operator().await?;

    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    ensure_eq(urls(&world, user.id), [FIRST, foreign], "the URLs at the bank")?;

    world.apply_ready(&world.manifest("my-app", &json!({"pruneRedirectUrls": true}))).await?;
    ensure_eq(urls(&world, user.id), [FIRST], "the URLs after pruning")
}
