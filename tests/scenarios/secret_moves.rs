//! The published Secret moves as its manifest says: to another name, other keys, another format;
//! what an app mounts is whole all the while (D12, S4).

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{Outcome, World, ensure, ensure_eq, pair_watch::PairWatch},
    sandbox::{Fault, FaultKind, User},
};

use crate::stage::{Stage, scenarios};

/// How late an answer of the bank is while the manifest is edited again.
const LATE: std::time::Duration = std::time::Duration::from_secs(2);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "secret_moves":
        the_old_name_goes_only_after_the_new_one_stands,
        onto_a_foreign_secret_nothing_moves_until_that_is_solved,
        a_name_that_was_given_up_within_a_second_leaves_nothing_behind,
        keys_and_formats_change_in_one_step_both_ways,
    )
}

async fn published(world: &World) -> Outcome<User> {
    let user = world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&named(world, "my-app")).await?;
    world.sandbox.clear_calls();
    Ok(user)
}

fn named(world: &World, secret: &str) -> Value {
    world.manifest("my-app", &json!({"secret": {"name": secret}}))
}

/// There is one Secret besides the credentials, of this name.
async fn ensure_only(world: &World, name: &str) -> Outcome {
    let published = world.kubectl(&["get", "secrets", "-l", "app.kubernetes.io/managed-by", "-o", "name"]).await?;
    ensure_eq(published.trim(), format!("secret/{name}"), "the published Secrets")
}

async fn the_old_name_goes_only_after_the_new_one_stands(world: Arc<World>) -> Outcome {
    let user = published(&world).await?;
    let watch = PairWatch::start(&world).await?;
    let names = ["my-app", "second", "third"];

    for name in &names[1..] {
        world.apply_ready(&named(&world, name)).await?;
        ensure_only(&world, name).await?;
    }

    let versions = watch.versions().await?;
    for two in names.windows(2) {
        let gone = versions.iter().position(|version| version.name == two[0] && version.is_gone);
        let stands = versions.iter().position(|version| version.name == two[1] && !version.is_gone);
        ensure(stands.is_some() && stands < gone, || {
            format!("{} went at {gone:?} and {} stood at {stands:?}", two[0], two[1])
        })?;
    }
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    watch.verdict(user.id).await.map(drop)
}

/// The old one serves until there is a place for the new one (F28).
async fn onto_a_foreign_secret_nothing_moves_until_that_is_solved(world: Arc<World>) -> Outcome {
    let user = published(&world).await?;
    let watch = PairWatch::start(&world).await?;
    let old = world.secrets().get("my-app").await?;
    let foreign = watch.foreign("theirs", "Opaque", &json!({"mine": "since 2019"})).await?;

    world.apply_reason(&named(&world, "theirs"), "SecretNotOwned").await?;
    watch.ensure_untouched(&old).await?;
    watch.ensure_untouched(&foreign).await?;

    world.delete_secret("theirs").await?;
    world.ready("my-app").await?;
    ensure_only(&world, "theirs").await?;
    let versions = watch.versions().await?;
    let gone = versions.iter().position(|version| version.name == "my-app" && version.is_gone);
    let stands = versions.iter().position(|version| version.name == "theirs" && !version.is_gone);
    ensure(stands.is_some() && stands < gone, || format!("it went at {gone:?} and the new one stood at {stands:?}"))?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    watch.verdict(user.id).await.map(drop)
}

/// The edit to a third name arrives while the pass for the second one is under way.
async fn a_name_that_was_given_up_within_a_second_leaves_nothing_behind(world: Arc<World>) -> Outcome {
    let user = published(&world).await?;
    let watch = PairWatch::start(&world).await?;
    world.sandbox.inject(Fault::new("GET", "user/{u}/oauth-client/{c}", FaultKind::DelayReply(LATE)));

    world.apply(&named(&world, "second")).await?;
    for _ in 0..300 {
        if !world.sandbox.calls().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    world.apply_ready(&named(&world, "third")).await?;

    ensure_only(&world, "third").await?;
    watch.verdict(user.id).await.map(drop)
}

async fn keys_and_formats_change_in_one_step_both_ways(world: Arc<World>) -> Outcome {
    let user = published(&world).await?;
    let watch = PairWatch::start(&world).await?;
    let renamed = json!({"keys": {"clientId": "ID", "clientSecret": "SECRET"}});
    let binding = json!({"format": "ServiceBinding"});
    let plain = json!({"format": "Plain"});
    let steps =
        [(&renamed, "ID"), (&binding, "client-id"), (&plain, "client_id"), (&binding, "client-id"), (&renamed, "ID")];

    for (secret, key) in steps {
        world.apply_ready(&world.manifest("my-app", &json!({"secret": secret}))).await?;
        let data = world.secret("my-app").await?;
        ensure(data.contains_key(key), || format!("{key} is not there: {:?}", data.keys()))?;
    }

    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    // One version for each step: nothing lies between two formats.
    ensure_eq(watch.verdict(user.id).await?, steps.len() + 1, "versions")
}
