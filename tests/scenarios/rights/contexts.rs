//! The right to delete what nobody uses any more: it is needed after days, so days pass here (F38).

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{
    Outcome, World, ensure, ensure_eq,
    rights::{Place, Right},
};

use crate::stage::{Stage, scenarios};

const A_DAY: Duration = Duration::from_hours(25);
const DELETE: Right = Right { place: Place::Home, verb: "delete", resource: "secrets" };

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "rights": an_unused_context_that_may_not_be_deleted_goes_when_it_may)
}

/// F38: until then it stays as it is, and so does everything else.
async fn an_unused_context_that_may_not_be_deleted_goes_when_it_may(world: Arc<World>) -> Outcome {
    world.user().await?;
    let rights = world.own_roles().await?;
    let operator = world.start_in_process().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    world.delete("my-app").await?;
    world.gone("my-app").await?;
    operator.settle().await?;
    rights.take(DELETE).await?;
    // Time passes for whoever is there to be looked at.
    world.apply_reason(&world.manifest("bystander", &json!({"suspend": true})), "Suspended").await?;
    for _ in 0..3 {
        operator.let_pass(A_DAY).await?;
    }
    ensure_eq(world.contexts().await?.len(), 1, "contexts while none may be deleted")?;

    rights.give_back(DELETE).await?;
    operator.let_pass(A_DAY).await?;

    for _ in 0..100 {
        if world.contexts().await?.is_empty() {
            rights.put_back().await?;
            return operator.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ensure(false, || "the context is still there".to_owned())
}
