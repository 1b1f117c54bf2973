//! A watch is asked about its right when it begins, so an open one outlives it: not for long (F38).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{
    Outcome, World, ensure,
    rights::{Place, Right},
};

use crate::stage::{Stage, report, scenarios};

/// The server ends it after 50 seconds; the rest is for a busy machine.
const OUTLIVED: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "rights": an_open_watch_outlives_its_right_by_less_than_a_minute)
}

/// F38, L3: then it is told, and its return is noticed without a restart.
async fn an_open_watch_outlives_its_right_by_less_than_a_minute(world: Arc<World>) -> Outcome {
    world.user().await?;
    let rights = world.own_roles().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    let watch = Right { place: Place::Everywhere, verb: "watch", resource: "bunqoauthclients" };
    rights.take(watch).await?;
    let since = Instant::now();
    while !world.operator_log().await.contains("cannot watch resource") {
        ensure(since.elapsed() < OUTLIVED, || format!("it went on for {:?}", since.elapsed()))?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    report(&format!("an open watch outlived its right by {:?}", since.elapsed()));

    let url = "https://moved.example/callback";
    world.apply(&world.manifest("my-app", &json!({"redirectUrl": url}))).await?;
    rights.give_back(watch).await?;
    world.secret_until("my-app", SOON, |data| data.get("redirect_uri").is_some_and(|it| it == url)).await?;
    rights.put_back().await
}
