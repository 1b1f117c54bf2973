//! The bank at its worst, as the running operator meets it: answers get lost, sessions die, the
//! process is killed in the middle; there is never a second client.

use std::{fs, sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::json;
use testbed::{
    harness::{Outcome, World, ensure, ensure_eq},
    sandbox::{Fault, FaultKind, Options, Sandbox, Tls},
};

use crate::stage::{Stage, scenarios};

const CLIENTS: &str = "user/{u}/oauth-client";
/// The creation only, not what is below a client.
const CREATION: &str = "user/{u}/oauth-client$";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "hostile_bank":
        over_tls_and_within_the_banks_limits_a_manifest_becomes_ready,
        a_lost_reply_never_creates_a_second_client,
        an_unsigned_reply_to_the_creation_never_creates_a_second_client,
        a_request_that_never_arrived_is_repeated_after_a_minute_of_doubt,
        killed_while_the_bank_creates_it_finds_the_client_again,
        a_dead_session_costs_one_session_and_one_replay,
        a_bank_that_knows_other_create_bodies_gets_the_one_it_knows,
    )
}

fn ensure_one_client(world: &World, user: u64) -> Outcome {
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user).len()), 1, "clients at the bank")
}

async fn over_tls_and_within_the_banks_limits_a_manifest_becomes_ready(world: Arc<World>) -> Outcome {
    let bank = Sandbox::start(Options { tls: Some(Tls::Valid), limits: true, ..Options::default() }).await?;
    let user = bank.new_user();
    world.bench.remember_bank(bank.clone());
    world.put_key("bunq-api-key", &user.api_key).await?;
    let ca_file = world.folder().join("bank-ca.pem");
    fs::write(&ca_file, bank.ca_pem().ok_or("the bank has no CA")?)?;
    let ca_file = ca_file.to_str().ok_or("a strange folder")?;

    world.start_operator_within_limits(&bank, &["--bunq-ca-file", ca_file]).await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let moved = json!({"redirectUrl": "https://moved.example/callback"});
    world.apply_ready(&world.manifest("my-app", &moved)).await?;

    let refused: Vec<_> = bank.calls().into_iter().filter(|call| call.status != 200).collect();
    ensure(refused.is_empty(), || format!("the bank refused {refused:?}"))
}

async fn a_lost_reply_never_creates_a_second_client(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.sandbox.inject(Fault::new("POST", CREATION, FaultKind::DropAfterCommit));
    world.start_operator().await?;

    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    ensure_eq(world.sandbox.count("POST", CLIENTS), 1, "creations sent")?;
    ensure_one_client(&world, user.id)
}

async fn an_unsigned_reply_to_the_creation_never_creates_a_second_client(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.sandbox.inject(Fault::new("POST", CREATION, FaultKind::MissingSignature));
    world.start_operator().await?;

    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    ensure_eq(world.sandbox.count("POST", CLIENTS), 1, "creations sent")?;
    ensure_one_client(&world, user.id)
}

async fn a_request_that_never_arrived_is_repeated_after_a_minute_of_doubt(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.sandbox.inject(Fault::new("POST", CREATION, FaultKind::DropBefore));
    let operator = world.start_in_process().await?;

    world.apply_reason(&world.manifest("my-app", &json!({})), "CreateUnconfirmed").await?;
    operator.settle().await?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 0, "clients in doubt")?;
    operator.let_pass(Duration::from_secs(30)).await?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 0, "clients after half a minute")?;
    operator.let_pass(Duration::from_secs(45)).await?;

    world.ready("my-app").await?;
    ensure_one_client(&world, user.id)?;
    operator.stop().await
}

async fn killed_while_the_bank_creates_it_finds_the_client_again(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.sandbox.inject(Fault::new("POST", CREATION, FaultKind::DelayReply(Duration::from_secs(20))));
    world.start_operator().await?;
    world.apply(&world.manifest("my-app", &json!({}))).await?;
    while world.sandbox.with(|bank| bank.clients_of(user.id).is_empty()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    world.kill_operator().await?;
    world.start_operator().await?;
    world.ready("my-app").await?;

    ensure_eq(world.sandbox.count("POST", CLIENTS), 1, "creations sent")?;
    ensure_eq(world.sandbox.count("POST", "device-server"), 1, "devices registered")?;
    ensure_one_client(&world, user.id)
}

async fn a_dead_session_costs_one_session_and_one_replay(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    world.sandbox.clear_calls();
    world.sandbox.with(testbed::sandbox::Bank::end_sessions);

    let moved = json!({"redirectUrl": "https://moved.example/callback"});
    world.apply_ready(&world.manifest("my-app", &moved)).await?;

    ensure_eq(world.sandbox.count("POST", "session-server"), 1, "sessions opened")?;
    ensure_eq(world.sandbox.count("POST", "installation"), 0, "installations")?;
    let refused = world.sandbox.calls().into_iter().filter(|call| call.status != 200).count();
    ensure_eq(refused, 1, "calls refused")
}

async fn a_bank_that_knows_other_create_bodies_gets_the_one_it_knows(world: Arc<World>) -> Outcome {
    use testbed::sandbox::behaviour::CreateBody;
    let user = world.user().await?;
    world.sandbox.behave(|bank| bank.create_body = CreateBody::Superfluous);
    world.start_operator().await?;

    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    let named = object["status"]["redirectUrls"][0]["url"].as_str();
    ensure_eq(named, object["spec"]["redirectUrl"].as_str(), "the registered redirect URL")?;
    ensure_one_client(&world, user.id)
}
