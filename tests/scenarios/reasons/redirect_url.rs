//! Reasons of redirect URLs, at banks that are less simple than the manifest.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::json;
use testbed::{
    harness::{Outcome, World, ensure_eq},
    sandbox::behaviour::{StoredUrl, UrlShape},
};

use super::ensure_says;
use crate::stage::{Stage, scenarios};

const OURS: &str = "https://myapp.com/oauth/callback";
const FOREIGN: &str = "https://somebody.example/callback";

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "reasons":
        bytes_that_the_bank_changed_are_shown_and_declaring_them_heals,
        the_only_place_for_a_url_is_taken_over_by_pruning,
        one_place_for_a_url_is_enough_when_only_one_is_declared,
    )
}

/// The URLs of the user's ACTIVE client.
fn urls(world: &World, user: u64) -> Vec<String> {
    world.sandbox.with(|bank| {
        let client = bank.active_clients(user).first().map(|it| it.id);
        client.map(|id| bank.urls_of(id)).unwrap_or_default()
    })
}

async fn bytes_that_the_bank_changed_are_shown_and_declaring_them_heals(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.sandbox.behave(|bank| bank.stored_url = StoredUrl::TrailingSlash);
    world.start_operator().await?;

    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "RedirectUrlNotApplied").await?;
    let stored = format!("{OURS}/");
    ensure_says(&object, &["redirect mismatch", OURS, &format!("Declare {stored}, byte by byte")])?;

    world.apply_ready(&world.manifest("my-app", &json!({"redirectUrl": stored}))).await?;
    ensure_eq(world.secret("my-app").await?["redirect_uri"].as_str(), stored.as_str(), "redirect_uri")
}

async fn the_only_place_for_a_url_is_taken_over_by_pruning(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.sandbox.behave(|bank| bank.url_shape = UrlShape::Scalar);
    world.sandbox.with(|bank| bank.create_by_hand(user.id, Some("By hand"), &[FOREIGN]));
    world.start_operator().await?;

    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "RedirectUrlOccupied").await?;
    ensure_says(&object, &[FOREIGN, "pruneRedirectUrls: true"])?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;

    world.apply_ready(&world.manifest("my-app", &json!({"pruneRedirectUrls": true}))).await?;
    ensure_eq(urls(&world, user.id), [OURS], "the URLs at the bank")
}

async fn one_place_for_a_url_is_enough_when_only_one_is_declared(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.sandbox.behave(|bank| bank.url_shape = UrlShape::Scalar);
    world.start_operator().await?;
    let two = json!({"additionalRedirectUrls": ["https://myapp.com/oauth/second"]});

    let object = world.apply_reason(&world.manifest("my-app", &two), "OneRedirectUrlOnly").await?;
    ensure_says(&object, &["room for one", "Remove spec.additionalRedirectUrls"])?;

    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    ensure_eq(urls(&world, user.id), [OURS], "the URLs at the bank")
}
