//! The end of a manifest: what becomes of the client, whatever is in the way (D6, protocol §10,
//! F29, F30).

use std::{sync::Arc, time::Duration};

use bunq_oauth_operator::api::FINALIZER;
use kube::api::{Patch, PatchParams};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{
        Outcome, World, ensure, ensure_eq,
        world::{InProcess, KEY_SECRET, ready_reason},
    },
    sandbox::{Fault, FaultKind, bank::ClientStatus},
};

use crate::stage::{Stage, scenarios};

const CANCEL: &str = "Cancel";
const RETAIN: &str = "Retain";
const MINUTE: Duration = Duration::from_mins(1);
/// "Done within 30 s of the bank's return" (L4).
const RETURNED: Duration = Duration::from_secs(30);

/// The garbage collector takes half a minute for a Secret, and more on a busy machine.
const LONGEST: Duration = Duration::from_mins(7);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let mut trials = scenarios!(stage, "deletion":
        a_change_to_retain_while_it_is_deleted_lets_it_go_without_a_call,
        a_change_to_cancel_while_it_is_deleted_comes_too_late,
        an_adopted_client_is_not_cancelled_by_a_wrong_confirmation,
        a_bank_that_is_away_keeps_the_manifest_until_it_is_back,
        a_bank_that_stays_away_is_given_up_after_ten_minutes,
        without_its_key_the_client_is_cancelled_by_the_open_session,
        without_its_key_and_session_it_is_given_up_after_ten_minutes,
        with_a_key_of_another_user_it_is_given_up_and_neither_user_is_touched,
        with_a_key_of_production_no_call_goes_there,
        with_a_revoked_key_it_is_given_up_and_the_key_is_not_hammered,
        a_deletion_that_nobody_saw_is_made_good,
        in_a_namespace_that_took_its_grant_back_the_open_session_serves,
        in_a_namespace_that_took_its_grant_back_it_is_given_up_without_a_session,
    );
    let slow = "the_policy_that_stands_when_the_manifest_goes_decides";
    trials.push(stage.scenario_that_waits(
        "deletion",
        slow,
        LONGEST,
        the_policy_that_stands_when_the_manifest_goes_decides,
    ));
    trials
}

fn at_the_bank(world: &World, user: u64) -> Vec<ClientStatus> {
    world.sandbox.with(|bank| bank.clients_of(user).iter().map(|it| it.status).collect())
}

fn with_policy(world: &World, policy: &str) -> Value {
    world.manifest("my-app", &json!({"deletionPolicy": policy}))
}

fn finalizers(object: &Value) -> Value {
    object["metadata"]["finalizers"].clone()
}

/// A user and a published manifest with the policy `Cancel`.
async fn published(world: &World) -> Outcome<u64> {
    let user = world.user().await?.id;
    world.apply_ready(&with_policy(world, CANCEL)).await?;
    world.sandbox.clear_calls();
    Ok(user)
}

async fn delete_and_wait(world: &World) -> Outcome {
    world.delete("my-app").await?;
    world.gone("my-app").await
}

/// Switched either way before the deletion, the last word counts (D6, S13).
async fn the_policy_that_stands_when_the_manifest_goes_decides(world: Arc<World>) -> Outcome {
    world.start_operator().await?;
    for (first, last, fate) in [(RETAIN, CANCEL, ClientStatus::Cancelled), (CANCEL, RETAIN, ClientStatus::Active)] {
        let user = world.user().await?;
        world.apply_ready(&with_policy(&world, first)).await?;
        let object = world.apply_ready(&with_policy(&world, last)).await?;
        let wanted = if last == CANCEL { json!([FINALIZER]) } else { Value::Null };
        ensure_eq(finalizers(&object), wanted, "finalizers")?;
        world.sandbox.clear_calls();

        delete_and_wait(&world).await?;

        ensure_eq(at_the_bank(&world, user.id), [fate], &format!("the client after {first} and {last}"))?;
        ensure_eq(world.sandbox.mutations().len(), usize::from(last == CANCEL), "changes at the bank")?;
        until_let_go(&world).await?;
    }
    Ok(())
}

/// The claim is freed; the Secret is collected, see `ending`.
async fn until_let_go(world: &World) -> Outcome {
    for _ in 0..1500 {
        if world.secret_if_any("my-app").await?.is_none() && world.claims().await?.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err("after two and a half minutes there is still the Secret or the claim".into())
}

/// The way out while the bank is away: no call, and the manifest goes (D6).
async fn a_change_to_retain_while_it_is_deleted_lets_it_go_without_a_call(world: Arc<World>) -> Outcome {
    world.start_operator().await?;
    let user = published(&world).await?;
    world.sandbox.inject(Fault::new("*", "", FaultKind::DropBefore).forever());
    world.delete("my-app").await?;
    world.event("my-app", "BankUnavailable").await?;

    let retain = Patch::Merge(json!({"spec": {"deletionPolicy": RETAIN}}));
    world.objects().patch("my-app", &PatchParams::default(), &retain).await?;
    world.gone("my-app").await?;

    world.event("my-app", "ClientRetained").await?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure_eq(at_the_bank(&world, user), [ClientStatus::Active], "the client")
}

/// No finalizer can be added once the deletion began; somebody else's keeps the manifest (D6).
async fn a_change_to_cancel_while_it_is_deleted_comes_too_late(world: Arc<World>) -> Outcome {
    const HOLD: &str = "example.com/hold";
    let user = world.user().await?;
    world.start_operator().await?;
    let mut manifest = with_policy(&world, RETAIN);
    manifest["metadata"]["finalizers"] = json!([HOLD]);
    world.apply_ready(&manifest).await?;
    world.sandbox.clear_calls();
    world.delete("my-app").await?;

    let passes = world.passes().await?;
    let cancel = Patch::Merge(json!({"spec": {"deletionPolicy": CANCEL}}));
    world.objects().patch("my-app", &PatchParams::default(), &cancel).await?;
    world.until_passes(passes).await?;
    ensure_eq(finalizers(&world.object("my-app").await?), json!([HOLD]), "finalizers")?;
    let freed = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    world.objects().patch("my-app", &PatchParams::default(), &freed).await?;
    world.gone("my-app").await?;

    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;
    ensure_eq(at_the_bank(&world, user.id), [ClientStatus::Active], "the client")
}

async fn an_adopted_client_is_not_cancelled_by_a_wrong_confirmation(world: Arc<World>) -> Outcome {
    let user = world.user().await?;
    world.sandbox.with(|bank| bank.create_by_hand(user.id, Some("Portal App"), &[]));
    world.start_operator().await?;
    world.apply_ready(&with_policy(&world, CANCEL)).await?;
    world.sandbox.clear_calls();

    world.annotate("my-app", "bunq-operator.io/confirm-cancel", "another-client").await?;
    delete_and_wait(&world).await?;

    let told = world.event("my-app", "ClientRetained").await?;
    ensure(told.note.contains("confirm-cancel"), || format!("the Event does not say how: {}", told.note))?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure_eq(at_the_bank(&world, user.id), [ClientStatus::Active], "the client")
}

/// It waits with its finalizer and says so, and needs nobody when the bank is back (F29, L4).
async fn a_bank_that_is_away_keeps_the_manifest_until_it_is_back(world: Arc<World>) -> Outcome {
    world.start_operator().await?;
    let user = published(&world).await?;
    world.sandbox.inject(Fault::new("*", "", FaultKind::DropBefore).forever());

    world.delete("my-app").await?;
    world.event("my-app", "BankUnavailable").await?;
    // Long enough for the breaker to open.
    let since = std::time::Instant::now();
    while world.sandbox.calls().len() < 5 && since.elapsed() < RETURNED {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ensure_eq(finalizers(&world.object("my-app").await?), json!([FINALIZER]), "finalizers")?;

    world.sandbox.clear_faults();
    let since = std::time::Instant::now();
    world.gone("my-app").await?;
    ensure(since.elapsed() < RETURNED, || format!("it took {:?}", since.elapsed()))?;
    ensure_eq(at_the_bank(&world, user), [ClientStatus::Cancelled], "the client")?;
    world.event("my-app", "ClientCancelled").await.map(drop)
}

/// Deletes it and lets ten minutes pass: until then the manifest stays, then it goes, and an Event
/// tells that the client may still be ACTIVE (L4).
async fn is_given_up_after_ten_minutes(world: &World, operator: &InProcess, user: u64) -> Outcome {
    world.delete("my-app").await?;
    operator.settle().await?;
    for minute in 1..=9 {
        operator.let_pass(MINUTE).await?;
        let object = world.objects().get_opt("my-app").await?;
        ensure(object.is_some(), || format!("it was given up after {minute} minutes"))?;
    }
    operator.let_pass(2 * MINUTE).await?;
    world.gone("my-app").await?;

    let told = world.event("my-app", "CancelGivenUp").await?;
    ensure(told.type_ == "Warning" && told.note.contains("bunq app"), || format!("the Event says {told:?}"))?;
    ensure_eq(world.sandbox.mutations().iter().filter(|call| call.committed).count(), 0, "changes at the bank")?;
    ensure_eq(at_the_bank(world, user), [ClientStatus::Active], "the client")
}

async fn a_bank_that_stays_away_is_given_up_after_ten_minutes(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process().await?;
    let user = published(&world).await?;
    world.sandbox.inject(Fault::new("*", "", FaultKind::DropBefore).forever());
    is_given_up_after_ten_minutes(&world, &operator, user).await?;
    operator.stop().await
}

async fn without_its_key_the_client_is_cancelled_by_the_open_session(world: Arc<World>) -> Outcome {
    world.start_operator().await?;
    let user = published(&world).await?;
    world.delete_secret(KEY_SECRET).await?;

    delete_and_wait(&world).await?;

    ensure_eq(at_the_bank(&world, user), [ClientStatus::Cancelled], "the client")?;
    ensure_eq(world.sandbox.count("POST", "session-server"), 0, "sessions")?;
    world.event("my-app", "ClientCancelled").await.map(drop)
}

async fn without_its_key_and_session_it_is_given_up_after_ten_minutes(world: Arc<World>) -> Outcome {
    world.sandbox.behave(|bank| bank.session_timeout = Some(600));
    let operator = world.start_in_process().await?;
    let user = published(&world).await?;
    world.delete_secret(KEY_SECRET).await?;
    operator.settle().await?;
    operator.let_pass(20 * MINUTE).await?;
    world.sandbox.clear_calls();
    is_given_up_after_ten_minutes(&world, &operator, user).await?;
    ensure_eq(world.sandbox.calls().len(), 0, "calls to the bank")?;
    operator.stop().await
}

/// Neither the old user's client nor the new one's is ours to touch with that key (S3).
async fn with_a_key_of_another_user_it_is_given_up_and_neither_user_is_touched(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process().await?;
    let user = published(&world).await?;
    let other = world.sandbox.new_user();
    world.sandbox.with(|bank| bank.create_by_hand(other.id, Some("Theirs"), &[]));
    world.put_key(KEY_SECRET, &other.api_key).await?;
    world.reason("my-app", "UserChanged").await?;

    is_given_up_after_ten_minutes(&world, &operator, user).await?;

    ensure_eq(at_the_bank(&world, other.id), [ClientStatus::Active], "the other user's client")?;
    let asked = world.sandbox.calls().iter().filter(|call| call.user == Some(other.id)).count();
    let told = world.sandbox.calls().iter().filter(|call| call.template.starts_with("user/{u}/oauth-client")).count();
    ensure_eq(told, 0, &format!("calls about clients, of {asked} with the other user's session"))?;
    operator.stop().await
}

/// The environment is pinned in the claim, also for a deletion (D10).
async fn with_a_key_of_production_no_call_goes_there(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process().await?;
    let user = published(&world).await?;
    let other = world.sandbox.new_production_user();
    world.put_key(KEY_SECRET, &other.api_key).await?;
    world.reason("my-app", "EnvironmentMismatch").await?;
    operator.settle().await?;
    world.sandbox.clear_calls();

    delete_and_wait(&world).await?;

    // The session that is still open belongs to the client's own environment.
    ensure_eq(at_the_bank(&world, user), [ClientStatus::Cancelled], "the client")?;
    ensure_eq(world.sandbox.count("POST", "installation"), 0, "installations with the other key")?;
    operator.stop().await
}

/// Ten minutes of attempts are not ten minutes of log-ins (S8).
async fn with_a_revoked_key_it_is_given_up_and_the_key_is_not_hammered(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process().await?;
    let user = world.user().await?;
    world.apply_ready(&with_policy(&world, CANCEL)).await?;
    world.sandbox.with(|bank| {
        bank.revoke_key(&user.api_key);
        bank.end_sessions();
    });
    world.sandbox.clear_calls();

    is_given_up_after_ten_minutes(&world, &operator, user.id).await?;

    let attempts = world.sandbox.count("POST", "session-server") + world.sandbox.count("POST", "device-server");
    ensure((1..=5).contains(&attempts), || format!("{attempts} attempts to log in"))?;
    operator.stop().await
}

async fn a_deletion_that_nobody_saw_is_made_good(world: Arc<World>) -> Outcome {
    world.start_operator().await?;
    let user = published(&world).await?;
    world.stop_operator().await?;
    world.delete("my-app").await?;
    ensure_eq(finalizers(&world.object("my-app").await?), json!([FINALIZER]), "finalizers")?;

    world.start_operator().await?;

    world.gone("my-app").await?;
    ensure_eq(at_the_bank(&world, user), [ClientStatus::Cancelled], "the client")?;
    world.event("my-app", "ClientCancelled").await.map(drop)
}

async fn take_the_grant_back(world: &World) -> Outcome {
    world.kubectl(&["delete", "rolebinding", "bunq-oauth-operator-tenant"]).await?;
    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", "1").await?;
    world.reason("my-app", "NamespaceNotGranted").await.map(drop)
}

/// The key can no longer be read (D14); the session in the operator's namespace still serves.
async fn in_a_namespace_that_took_its_grant_back_the_open_session_serves(world: Arc<World>) -> Outcome {
    world.start_operator().await?;
    let user = published(&world).await?;
    take_the_grant_back(&world).await?;

    delete_and_wait(&world).await?;

    ensure_eq(at_the_bank(&world, user), [ClientStatus::Cancelled], "the client")?;
    world.event("my-app", "ClientCancelled").await.map(drop)
}

async fn in_a_namespace_that_took_its_grant_back_it_is_given_up_without_a_session(world: Arc<World>) -> Outcome {
    world.sandbox.behave(|bank| bank.session_timeout = Some(600));
    let operator = world.start_in_process().await?;
    let user = published(&world).await?;
    take_the_grant_back(&world).await?;
    operator.let_pass(20 * MINUTE).await?;
    ensure_eq(ready_reason(&world.object("my-app").await?), "NamespaceNotGranted", "the reason of Ready")?;

    is_given_up_after_ten_minutes(&world, &operator, user).await?;
    operator.stop().await
}
