//! Somebody deletes or edits a claim: never a second client, never a lost Secret, and a way out
//! that the message names (D8, F32).

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq, until,
        world::{condition, is_ready},
    },
    sandbox::{Fault, FaultKind, User, behaviour::SecondClient},
};

use crate::stage::{Stage, scenarios};

const CREATE: &str = "user/{u}/oauth-client$";
const PATIENCE: Duration = Duration::from_secs(30);
/// How late an answer comes while the claim is being spoilt.
const LATE: Duration = Duration::from_secs(2);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "claim_edits":
        a_claim_deleted_at_rest_is_made_again_without_a_change_at_the_bank,
        a_claim_deleted_while_the_client_is_made_costs_no_second_client,
        a_claim_deleted_while_a_url_is_registered_costs_no_second_url,
        a_claim_given_to_another_manifest_is_obeyed_and_comes_back_when_that_one_goes,
        a_claim_given_to_nobody_is_taken_over,
        an_emptied_journal_is_filled_again_from_the_status,
        an_unreadable_claim_stops_everything_until_it_is_mended,
        an_unreadable_claim_may_be_deleted,
        an_unreadable_claim_holds_a_cancellation_until_it_is_mended,
        whoever_cancels_nothing_goes_whatever_the_claim_says,
    )
}

fn claims(world: &World) -> Api<ConfigMap> {
    Api::namespaced(world.admin(), &world.operator_namespace)
}

fn claim_of(user: &User) -> String {
    format!("bunq-user-sandbox-{}", user.id)
}

async fn edit(world: &World, user: &User, data: &Value) -> Outcome {
    let patch = Patch::Merge(json!({"data": data}));
    Ok(claims(world).patch(&claim_of(user), &PatchParams::default(), &patch).await.map(drop)?)
}

async fn journal(world: &World, user: &User) -> Outcome<Value> {
    let data = claims(world).get(&claim_of(user)).await?.data.unwrap_or_default();
    Ok(serde_json::from_str(data.get("journal").ok_or("the claim has no journal")?)?)
}

/// What a stored claim says its owner is.
fn owner(object: &Value) -> Value {
    let meta = &object["metadata"];
    json!(json!({"uid": meta["uid"], "namespace": meta["namespace"], "name": meta["name"]}).to_string())
}

async fn ask_again(world: &World, name: &str, stamp: &str) -> Outcome<Value> {
    world.annotate(name, "reconcile.fluxcd.io/requestedAt", stamp).await?;
    let handled = |object: &Value| object["status"]["lastHandledReconcileAt"] == stamp;
    world.until(name, "asked again", handled).await
}

/// A published manifest whose bank would make any number of clients.
async fn published(world: &World) -> Outcome<(User, Value)> {
    let user = world.user().await?;
    world.sandbox.behave(|bank| bank.second_client = SecondClient::CreatesSecond);
    world.start_operator().await?;
    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    Ok((user, object))
}

/// The Secret as it was, one client, and nothing sent since the last [`published`].
async fn nothing_is_lost(world: &World, user: &User, secret: Option<&String>) -> Outcome {
    let now = world.secrets().get("my-app").await?.metadata.resource_version;
    ensure_eq(now.as_ref(), secret, "the version of the published Secret")?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")
}

async fn a_claim_deleted_at_rest_is_made_again_without_a_change_at_the_bank(world: Arc<World>) -> Outcome {
    let (user, object) = published(&world).await?;
    let secret = world.secrets().get("my-app").await?.metadata.resource_version;
    world.sandbox.clear_calls();

    claims(&world).delete(&claim_of(&user), &DeleteParams::default()).await?;
    let again = ask_again(&world, "my-app", "1").await?;

    ensure(is_ready(&again), || "it is not Ready".to_owned())?;
    ensure_eq(&journal(&world, &user).await?["oauthClientId"], &object["status"]["oauthClientId"], "the client")?;
    nothing_is_lost(&world, &user, secret.as_ref()).await
}

/// The answer to the creation finds no journal to be written into (S1).
async fn a_claim_deleted_while_the_client_is_made_costs_no_second_client(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.sandbox.behave(|bank| bank.second_client = SecondClient::CreatesSecond);
    world.sandbox.inject(Fault::new("POST", CREATE, FaultKind::DelayReply(LATE)));
    world.start_operator().await?;
    world.apply(&world.manifest("my-app", &json!({}))).await?;
    let is_made = || world.sandbox.with(|bank| bank.clients_of(user.id).len()) == 1;
    until("the client is made", PATIENCE, is_made).await?;

    claims(&world).delete(&claim_of(&user), &DeleteParams::default()).await?;
    world.ready("my-app").await?;

    ensure_eq(world.sandbox.count("POST", "user/{u}/oauth-client"), 1, "creations sent")?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")
}

async fn a_claim_deleted_while_a_url_is_registered_costs_no_second_url(world: Arc<World>) -> Outcome {
    let (user, object) = published(&world).await?;
    let id = object["status"]["oauthClientId"].as_u64().unwrap_or_default();
    let template = "user/{u}/oauth-client/{c}/callback-url";
    world.sandbox.inject(Fault::new("POST", template, FaultKind::DelayReply(LATE)));
    world.sandbox.clear_calls();
    let added = "https://myapp.com/added";
    world.apply(&world.manifest("my-app", &json!({"additionalRedirectUrls": [added]}))).await?;
    let is_added = || world.sandbox.with(|bank| bank.urls_of(id)).iter().any(|url| url == added);
    until("the URL is registered", PATIENCE, is_added).await?;

    claims(&world).delete(&claim_of(&user), &DeleteParams::default()).await?;
    world.ready("my-app").await?;

    ensure_eq(world.sandbox.with(|bank| bank.urls_of(id)).len(), 2, "redirect URLs")?;
    ensure_eq(world.sandbox.mutations().len(), 1, "changes at the bank")
}

/// Whoever stands in the claim is the owner, also if a person wrote it there (S3).
async fn a_claim_given_to_another_manifest_is_obeyed_and_comes_back_when_that_one_goes(world: Arc<World>) -> Outcome {
    let (user, _) = published(&world).await?;
    let secret = world.secrets().get("my-app").await?.metadata.resource_version;
    let other = world.apply_reason(&world.manifest("other", &json!({})), "UserAlreadyClaimed").await?;
    world.sandbox.clear_calls();

    edit(&world, &user, &json!({"owner": owner(&other)})).await?;
    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", "1").await?;
    world.reason("my-app", "UserAlreadyClaimed").await?;
    world.annotate("other", "reconcile.fluxcd.io/requestedAt", "1").await?;
    world.ready("other").await?;
    ensure(world.secret("other").await? == world.secret("my-app").await?, || "two pairs".to_owned())?;
    nothing_is_lost(&world, &user, secret.as_ref()).await?;

    world.delete("other").await?;
    world.gone("other").await?;
    world.ready("my-app").await?;
    nothing_is_lost(&world, &user, secret.as_ref()).await
}

async fn a_claim_given_to_nobody_is_taken_over(world: Arc<World>) -> Outcome {
    let (user, object) = published(&world).await?;
    let secret = world.secrets().get("my-app").await?.metadata.resource_version;
    world.sandbox.clear_calls();
    let nobody = json!({"metadata": {"uid": "nobody", "namespace": world.namespace, "name": "nobody"}});

    edit(&world, &user, &json!({"owner": owner(&nobody)})).await?;
    let again = ask_again(&world, "my-app", "1").await?;

    ensure(is_ready(&again), || "it is not Ready".to_owned())?;
    ensure_eq(&journal(&world, &user).await?["oauthClientId"], &object["status"]["oauthClientId"], "the client")?;
    nothing_is_lost(&world, &user, secret.as_ref()).await
}

async fn an_emptied_journal_is_filled_again_from_the_status(world: Arc<World>) -> Outcome {
    let (user, object) = published(&world).await?;
    let secret = world.secrets().get("my-app").await?.metadata.resource_version;
    world.sandbox.clear_calls();

    edit(&world, &user, &json!({"journal": "{}"})).await?;
    let again = ask_again(&world, "my-app", "1").await?;

    ensure(is_ready(&again), || "it is not Ready".to_owned())?;
    ensure_eq(&journal(&world, &user).await?["oauthClientId"], &object["status"]["oauthClientId"], "the client")?;
    world.event("my-app", "ClientRecovered").await?;
    nothing_is_lost(&world, &user, secret.as_ref()).await
}

/// Spoils the claim; the message says whom to ask, and no call is made on a guess.
async fn is_unreadable(world: &World, user: &User, data: &Value, stamp: &str) -> Outcome {
    edit(world, user, data).await?;
    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", stamp).await?;
    let handled = |object: &Value| object["status"]["lastHandledReconcileAt"] == stamp;
    let told = world.until("my-app", "asked again", handled).await?;
    let ready = condition(&told, "Ready");
    ensure_eq(&ready["reason"], &json!("OperatorStateUnreadable"), "the reason of Ready")?;
    let message = ready["message"].as_str().unwrap_or_default();
    for part in [claim_of(user).as_str(), "mend or delete", world.operator_namespace.as_str()] {
        ensure(message.contains(part), || format!("the message does not say {part}: {message}"))?;
    }
    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")
}

async fn an_unreadable_claim_stops_everything_until_it_is_mended(world: Arc<World>) -> Outcome {
    let (user, _) = published(&world).await?;
    let secret = world.secrets().get("my-app").await?.metadata.resource_version;
    let good = claims(&world).get(&claim_of(&user)).await?.data.unwrap_or_default();
    world.sandbox.clear_calls();

    let spoilt = [
        json!({"journal": "{\"oauthClientId\":"}),
        json!({"journal": null}),
        json!({"owner": "me"}),
        json!({"environment": "Elsewhere"}),
        json!({"userId": "one"}),
    ];
    for (number, data) in spoilt.iter().enumerate() {
        is_unreadable(&world, &user, data, &format!("spoilt-{number}")).await?;
        edit(&world, &user, &json!(good)).await?;
        let again = ask_again(&world, "my-app", &format!("mended-{number}")).await?;
        ensure(is_ready(&again), || format!("it is not Ready after {data} was mended"))?;
        nothing_is_lost(&world, &user, secret.as_ref()).await?;
        world.sandbox.clear_calls();
    }
    Ok(())
}

async fn an_unreadable_claim_may_be_deleted(world: Arc<World>) -> Outcome {
    let (user, _) = published(&world).await?;
    let secret = world.secrets().get("my-app").await?.metadata.resource_version;
    world.sandbox.clear_calls();

    is_unreadable(&world, &user, &json!({"journal": "lost"}), "1").await?;
    claims(&world).delete(&claim_of(&user), &DeleteParams::default()).await?;
    let again = ask_again(&world, "my-app", "2").await?;

    ensure(is_ready(&again), || "it is not Ready".to_owned())?;
    nothing_is_lost(&world, &user, secret.as_ref()).await
}

/// A published manifest with the policy `Cancel`, deleted while its claim is unreadable.
async fn deleted_with_an_unreadable_claim(world: &World) -> Outcome<User> {
    let user = world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({"deletionPolicy": "Cancel"}))).await?;
    world.sandbox.clear_calls();
    is_unreadable(world, &user, &json!({"userId": "one"}), "1").await?;
    world.delete("my-app").await?;
    world.until("my-app", "deleted", |object| !object["metadata"]["deletionTimestamp"].is_null()).await?;
    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", "2").await?;
    world.until("my-app", "asked again", |object| object["status"]["lastHandledReconcileAt"] == "2").await?;
    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;
    Ok(user)
}

async fn an_unreadable_claim_holds_a_cancellation_until_it_is_mended(world: Arc<World>) -> Outcome {
    let user = deleted_with_an_unreadable_claim(&world).await?;

    edit(&world, &user, &json!({"userId": user.id.to_string()})).await?;
    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", "3").await?;
    world.gone("my-app").await?;

    ensure_eq(world.sandbox.with(|bank| bank.active_clients(user.id).len()), 0, "ACTIVE clients")
}

/// With the policy `Retain`, or suspended, nothing has to be known (D6, L4).
async fn whoever_cancels_nothing_goes_whatever_the_claim_says(world: Arc<World>) -> Outcome {
    let user = deleted_with_an_unreadable_claim(&world).await?;

    let retain = Patch::Merge(json!({"spec": {"deletionPolicy": "Retain"}}));
    world.objects().patch("my-app", &PatchParams::default(), &retain).await?;
    world.gone("my-app").await?;

    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;
    ensure_eq(world.sandbox.with(|bank| bank.active_clients(user.id).len()), 1, "ACTIVE clients")
}
