//! A bank that stores other bytes than it was sent: it is written to once per cause, and both values
//! are told (F24, protocol §5).

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq,
        world::{InProcess, condition},
    },
    sandbox::behaviour::{PutRedirectUrl, StoredUrl, UrlShape},
};

use crate::stage::{Stage, scenarios};

/// More than a resync interval of one hour with its jitter, less than two.
const A_RESYNC: Duration = Duration::from_mins(80);
const SECOND: &str = "https://myapp.com/oauth/second";

/// What the bank makes of a URL, the URL, and what becomes of it.
const CHANGED: [(StoredUrl, &str, &str); 3] = [
    (StoredUrl::TrailingSlash, "https://myapp.com/oauth/callback", "https://myapp.com/oauth/callback/"),
    (StoredUrl::LowerCase, "https://MyApp.com/OAuth/Callback", "https://myapp.com/oauth/callback"),
    (StoredUrl::UnicodeHost, "https://xn--mnchen-3ya.example/callback", "https://münchen.example/callback"),
];

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "stored_bytes":
        a_bank_with_many_urls_that_changes_them_is_written_to_once,
        a_bank_with_one_url_that_changes_it_is_written_to_once,
        a_bank_that_says_yes_and_does_nothing_is_written_to_once,
    )
}

fn ensure_says(object: &Value, wanted: &[&str]) -> Outcome {
    let message = condition(object, "Ready")["message"].as_str().unwrap_or_default();
    let missing: Vec<_> = wanted.iter().filter(|words| !message.contains(**words)).collect();
    ensure(missing.is_empty(), || format!("the message lacks {missing:?}: {message}"))
}

/// Hours pass, and nothing is sent.
async fn stays_quiet(world: &World, operator: &InProcess) -> Outcome {
    world.sandbox.clear_calls();
    for _ in 0..3 {
        operator.let_pass(A_RESYNC).await?;
    }
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank, hours later")
}

/// One manifest after the other meets the next way to change a URL; each is sent in the creation and
/// once more, and what the message says is done.
async fn every_change_is_told(world: &World) -> Outcome {
    let operator = world.start_in_process().await?;
    let mut members = Vec::new();
    for (number, (behaviour, sent, stored)) in CHANGED.into_iter().enumerate() {
        world.sandbox.behave(|bank| bank.stored_url = behaviour);
        let member = world.join_with(number, &json!({"redirectUrl": sent})).await?;
        let object = world.reason(&member.name, "RedirectUrlNotApplied").await?;
        ensure_says(&object, &["redirect mismatch", sent, stored])?;
        ensure_eq(world.secret_if_any(&member.name).await?.is_some(), false, "a Secret")?;
        members.push((member, stored));
    }
    ensure_eq(world.sandbox.mutations().len(), 2 * CHANGED.len(), "changes at the bank")?;
    operator.settle().await?;
    stays_quiet(world, &operator).await?;

    world.sandbox.behave(|bank| bank.stored_url = StoredUrl::AsSent);
    for (member, stored) in &members {
        let declared = if stored.is_ascii() { stored } else { SECOND };
        let object = world.apply_ready(&world.manifest_of(member, &json!({"redirectUrl": declared}))).await?;
        let urls =
            world.sandbox.with(|bank| bank.urls_of(object["status"]["oauthClientId"].as_u64().unwrap_or_default()));
        ensure(urls.iter().any(|url| url == declared), || format!("{declared} is not among {urls:?}"))?;
        ensure_eq(world.secret(&member.name).await?["redirect_uri"].as_str(), declared, "redirect_uri")?;
    }
    operator.stop().await
}

async fn a_bank_with_many_urls_that_changes_them_is_written_to_once(world: Arc<World>) -> Outcome {
    every_change_is_told(&world).await
}

async fn a_bank_with_one_url_that_changes_it_is_written_to_once(world: Arc<World>) -> Outcome {
    world.sandbox.behave(|bank| bank.url_shape = UrlShape::Scalar);
    every_change_is_told(&world).await
}

async fn a_bank_that_says_yes_and_does_nothing_is_written_to_once(world: Arc<World>) -> Outcome {
    world.sandbox.behave(|bank| {
        bank.url_shape = UrlShape::Scalar;
        bank.put_redirect_url = PutRedirectUrl::Ignore;
    });
    let operator = world.start_in_process().await?;
    let member = world.join(0).await?;
    let object = world.ready(&member.name).await?;
    let client = object["status"]["oauthClientId"].as_u64().unwrap_or_default();
    let before = world.secret(&member.name).await?;
    world.sandbox.clear_calls();

    let moved = world.manifest_of(&member, &json!({"redirectUrl": SECOND}));
    let object = world.apply_reason(&moved, "RedirectUrlNotApplied").await?;
    ensure_says(&object, &[SECOND, "does not show it", "Register it in the bunq app, or edit it"])?;
    ensure_eq(world.sandbox.mutations().len(), 1, "changes at the bank")?;
    ensure(world.secret(&member.name).await? == before, || "the Secret changed".to_owned())?;
    operator.settle().await?;
    stays_quiet(&world, &operator).await?;

    world.sandbox.with(|bank| {
        for old in bank.urls_of(client) {
            bank.remove_url_by_hand(client, &old);
        }
        bank.add_url_by_hand(client, SECOND)
    });
    world.annotate(&member.name, "reconcile.fluxcd.io/requestedAt", "1").await?;
    world.ready(&member.name).await?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure_eq(world.secret(&member.name).await?["redirect_uri"].as_str(), SECOND, "redirect_uri")?;
    operator.stop().await
}
