//! A manifest that was stored before the definition had its rules: on a control plane of its own,
//! because the definition is everybody's.

use std::{sync::Arc, time::Duration};

use kube::api::{DynamicObject, PostParams};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::harness::{
    Outcome, World, deployment, ensure, ensure_eq,
    world::{condition, ready_reason},
};

use crate::stage::Stage;

const LONGEST: Duration = Duration::from_mins(3);
const DEFINITION: &str = "bunqoauthclients.bunq-operator.io";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let name = "a_manifest_stored_under_older_rules_is_told_which_field_to_mend";
    vec![stage.scenario_alone(
        "older_rules",
        name,
        LONGEST,
        a_manifest_stored_under_older_rules_is_told_which_field_to_mend,
    )]
}

/// It is read, and told what is wrong; nothing else about it keeps it from being mended (F39).
async fn a_manifest_stored_under_older_rules_is_told_which_field_to_mend(world: Arc<World>) -> Outcome {
    world.user().await?;
    let broken = json!({"redirectUrl": "http://shop.example/callback"});
    install(&world, without_rules).await?;
    until_accepted(&world, &world.manifest("my-app", &broken), true).await?;
    world.apply(&world.manifest("my-app", &broken)).await?;
    install(&world, |_| ()).await?;
    until_accepted(&world, &world.manifest("another", &broken), false).await?;

    world.start_operator().await?;
    let object = world.reason("my-app", "InvalidSpec").await?;
    let message = condition(&object, "Ready")["message"].as_str().unwrap_or_default();
    let is_told = message.contains("spec.redirectUrl: must be an https URL") && message.contains("Mend the manifest");
    ensure(is_told, || format!("the message does not name the field: {message}"))?;
    ensure_eq(&condition(&object, "Stalled")["status"], &json!("True"), "Stalled")?;
    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;

    // What breaks no rule can be edited; it does not mend what does.
    let renamed = json!({"redirectUrl": "http://shop.example/callback", "displayName": "Another"});
    world.apply_reason(&world.manifest("my-app", &renamed), "InvalidSpec").await?;
    let mended = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    ensure_eq(ready_reason(&mended), "Synced", "the reason of Ready")
}

/// Installs the definition with a change to it.
async fn install(world: &World, change: impl Fn(&mut Value)) -> Outcome {
    let mut shared = world.bench.deployment().shared();
    let mut definition =
        shared.find(|object| object["metadata"]["name"] == DEFINITION).cloned().ok_or("there is no definition")?;
    change(&mut definition);
    deployment::apply(&world.admin(), &definition).await.map(drop)
}

fn without_rules(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("x-kubernetes-validations");
            fields.values_mut().for_each(without_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(without_rules),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Waits until the server would accept the manifest, or would not: a definition takes a moment.
async fn until_accepted(world: &World, manifest: &Value, wanted: bool) -> Outcome {
    let object: DynamicObject = serde_json::from_value(manifest.clone())?;
    let trial = PostParams { dry_run: true, ..PostParams::default() };
    while world.objects().create(&trial, &object).await.is_ok() != wanted {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
