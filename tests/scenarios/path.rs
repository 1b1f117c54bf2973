//! The job itself: a manifest becomes a client at the bank and a Secret in the cluster.

use std::{collections::BTreeMap, sync::Arc};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq,
        world::{KEY_SECRET, condition, ready_reason},
    },
    sandbox::bank::ClientStatus,
};

use crate::stage::{Stage, scenarios};

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "path":
        a_manifest_becomes_a_ready_client_and_a_secret,
        the_status_says_what_a_person_wants_to_see,
        a_trailing_newline_of_the_key_is_trimmed,
        a_new_display_name_that_the_bank_cannot_take_is_told_and_blocks_nothing,
        production_is_another_bank_than_the_sandbox,
    )
}

async fn a_manifest_becomes_a_ready_client_and_a_secret(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;

    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    ensure_eq(ready_reason(&object), "Synced", "the reason of Ready")?;
    ensure_eq(world.sandbox.count("POST", "user/{u}/oauth-client"), 1, "clients created")?;
    let (id, client_id, secret, name, urls) = world
        .sandbox
        .with(|bank| {
            let client = bank.active_clients(user.id).first().copied().cloned();
            client.map(|it| (it.id, it.client_id, it.secret, it.display_name, bank.urls_of(it.id)))
        })
        .ok_or("the bank has no ACTIVE client")?;
    ensure_eq(name.as_deref(), Some("My Cool App"), "the name at the bank")?;
    ensure_eq(urls, ["https://myapp.com/oauth/callback"], "the URLs at the bank")?;
    ensure_eq(&object["status"]["oauthClientId"], &json!(id), "status.oauthClientId")?;
    let wanted = [
        ("client_id", client_id.as_str()),
        ("client_secret", &secret),
        ("redirect_uri", "https://myapp.com/oauth/callback"),
        ("authorization_uri", &world.sandbox.authorize_url()),
        ("token_uri", &world.sandbox.token_url()),
        ("type", "oauth2"),
        ("provider", "bunq"),
    ];
    let wanted: BTreeMap<String, String> = wanted.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    // Not shown when they differ: one of the values is the secret.
    ensure(world.secret("my-app").await? == wanted, || "the Secret does not hold what the bank issued".to_owned())?;
    let published = world.secrets().get("my-app").await?;
    ensure_eq(published.type_.as_deref(), Some("servicebinding.io/oauth2"), "the type of the Secret")?;
    world.event("my-app", "ClientCreated").await.map(drop)
}

async fn the_status_says_what_a_person_wants_to_see(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.start_operator().await?;

    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    let status = &object["status"];
    let client_id = status["clientId"].as_str().ok_or("no client_id in the status")?;
    let authorization_url = format!(
        "{}?response_type=code&client_id={client_id}&redirect_uri=https%3A%2F%2Fmyapp.com%2Foauth%2Fcallback",
        world.sandbox.authorize_url()
    );
    let urls: Vec<(&Value, &Value)> =
        status["redirectUrls"].as_array().into_iter().flatten().map(|it| (&it["url"], &it["managed"])).collect();
    ensure_eq(urls, [(&json!("https://myapp.com/oauth/callback"), &json!(true))], "status.redirectUrls")?;
    for (field, wanted) in [
        ("environment", json!("Sandbox")),
        ("userId", json!(user.id)),
        ("clientStatus", json!("ACTIVE")),
        ("boundIP", json!("127.0.0.1")),
        ("binding", json!({"name": "my-app"})),
        ("authorizationUrl", json!(authorization_url)),
        ("nextAttemptTime", Value::Null),
    ] {
        ensure_eq(&status[field], &wanted, field)?;
    }
    for part in ["Ready", "CredentialsValid", "RemoteInSync", "SecretInSync", "DisplayNameSynced"] {
        ensure_eq(&condition(&object, part)["status"], &json!("True"), part)?;
    }
    Ok(())
}

async fn a_trailing_newline_of_the_key_is_trimmed(world: Arc<World>) -> Outcome {
    let user = world.sandbox.new_user();
    world.put_key(KEY_SECRET, &format!("{}\n", user.api_key)).await?;
    world.start_operator().await?;

    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    ensure_eq(world.sandbox.with(|bank| bank.active_clients(user.id).len()), 1, "clients of the user")
}

/// The bank documents no way to change it: that is told, and blocks nothing.
async fn a_new_display_name_that_the_bank_cannot_take_is_told_and_blocks_nothing(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secret("my-app").await?;
    world.sandbox.clear_calls();

    let object = world.apply_ready(&world.manifest("my-app", &json!({"displayName": "My Cooler App"}))).await?;

    let named = condition(&object, "DisplayNameSynced");
    ensure_eq(&named["status"], &json!("False"), "DisplayNameSynced")?;
    let message = named["message"].as_str().unwrap_or_default();
    ensure(message.contains("My Cool App"), || format!("the message does not show the bank's name: {message}"))?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure(world.secret("my-app").await? == before, || "the Secret changed".to_owned())
}

async fn production_is_another_bank_than_the_sandbox(world: Arc<World>) -> Outcome {
    let user = world.sandbox.new_production_user();
    world.put_key(KEY_SECRET, &user.api_key).await?;
    world.start_operator().await?;

    let object = world.apply_ready(&world.manifest("my-app", &json!({"environment": "Production"}))).await?;

    ensure_eq(&object["status"]["environment"], &json!("Production"), "status.environment")?;
    let claims = world.claims().await?;
    let names: Vec<_> = claims.iter().filter_map(|claim| claim.metadata.name.clone()).collect();
    ensure_eq(names, [format!("bunq-user-production-{}", user.id)], "the claims")?;
    let status = world.sandbox.with(|bank| bank.clients_of(user.id).first().map(|it| it.status));
    ensure_eq(status, Some(ClientStatus::Active), "the client at the bank")
}
