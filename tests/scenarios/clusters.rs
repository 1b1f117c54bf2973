//! A cluster that was restored, and two clusters at one bank: the client that is there is adopted,
//! and nobody undoes what the other does (F40).

use std::{sync::Arc, time::Duration};

use kube::api::{DeleteParams, PostParams};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::harness::{
    Outcome, World, ensure, ensure_eq,
    world::{InProcess, KEY_SECRET, condition, is_ready},
};

use crate::stage::{Stage, scenarios};

/// More than a resync interval of one hour with its jitter, less than two.
const A_RESYNC: Duration = Duration::from_mins(80);
/// The garbage collector learns of a new kind of owner within half a minute of its definition.
const COLLECTED: Duration = Duration::from_secs(90);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "clusters":
        a_restored_manifest_adopts_the_client_that_is_there,
        a_restored_manifest_takes_over_the_claim_of_its_former_self,
        a_restored_secret_is_replaced_by_one_of_the_restored_manifest,
        two_clusters_that_declare_the_same_url_share_one_client_and_rest,
        two_clusters_that_declare_two_urls_keep_both_and_rest,
        a_url_that_one_cluster_gives_up_and_the_other_declares_is_not_fought_over,
    )
}

/// A backup: manifest, Secret and claim as they were when the client was published; then
/// everything of it is lost while the operator is down.
async fn lost(world: &World) -> Outcome<(Value, Value, Vec<Value>)> {
    world.user().await?;
    world.start_operator().await?;
    let manifest = world.manifest("my-app", &json!({}));
    let object = world.apply_ready(&manifest).await?;
    let secret = serde_json::to_value(world.secrets().get("my-app").await?)?;
    let claims = world.claims().await?.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    world.stop_operator().await?;
    world.delete("my-app").await?;
    world.gone("my-app").await?;
    if world.secret_if_any("my-app").await?.is_some() {
        // The garbage collector may be faster.
        let _ = world.secrets().delete("my-app", &DeleteParams::default()).await;
    }
    world.sandbox.clear_calls();
    Ok((object, secret, claims))
}

async fn lose_claims(world: &World, claims: &[Value]) -> Outcome {
    for claim in claims {
        let name = claim["metadata"]["name"].as_str().unwrap_or_default();
        world.kubectl(&["-n", &world.operator_namespace, "delete", "configmap", name]).await?;
    }
    Ok(())
}

/// Back with the same pair, and nothing was changed at the bank.
async fn is_back(world: &World, object: &Value, secret: &Value) -> Outcome {
    let again = world.ready_within("my-app", COLLECTED).await?;
    ensure(again["metadata"]["uid"] != object["metadata"]["uid"], || "it is the old object".to_owned())?;
    for field in ["oauthClientId", "clientId"] {
        ensure_eq(&again["status"][field], &object["status"][field], field)?;
    }
    let now = serde_json::to_value(world.secrets().get("my-app").await?)?;
    ensure(now["data"] == secret["data"], || "the credentials changed".to_owned())?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")
}

/// Velero restores neither UID nor status, and nothing of the operator's namespace was saved (F40).
async fn a_restored_manifest_adopts_the_client_that_is_there(world: Arc<World>) -> Outcome {
    let (object, secret, claims) = lost(&world).await?;
    lose_claims(&world, &claims).await?;
    world.apply(&world.manifest("my-app", &json!({}))).await?;

    world.start_operator().await?;

    is_back(&world, &object, &secret).await?;
    world.event("my-app", "ClientAdopted").await.map(drop)
}

/// The claim still names a UID that nobody has (F40).
async fn a_restored_manifest_takes_over_the_claim_of_its_former_self(world: Arc<World>) -> Outcome {
    let (object, secret, claims) = lost(&world).await?;
    ensure_eq(claims.len(), 1, "claims")?;
    world.apply(&world.manifest("my-app", &json!({}))).await?;

    world.start_operator().await?;

    is_back(&world, &object, &secret).await?;
    let claim = serde_json::to_value(world.claims().await?)?;
    let uid = world.object("my-app").await?["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let owner = claim[0]["data"]["owner"].as_str().unwrap_or_default();
    ensure(owner.contains(&uid), || format!("the claim still says {owner}"))
}

/// The restored Secret names an owner that no longer exists: it is left to the garbage collector
/// (F06, S5).
async fn a_restored_secret_is_replaced_by_one_of_the_restored_manifest(world: Arc<World>) -> Outcome {
    let (object, secret, claims) = lost(&world).await?;
    lose_claims(&world, &claims).await?;
    let mut restored = secret.clone();
    for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        restored["metadata"][field] = Value::Null;
    }
    world.secrets().create(&PostParams::default(), &serde_json::from_value(restored)?).await?;
    world.apply(&world.manifest("my-app", &json!({}))).await?;

    world.start_operator().await?;

    is_back(&world, &object, &secret).await
}

/// Everything of a cluster that would move if its operator did anything.
async fn versions(world: &World) -> Outcome<Vec<Option<String>>> {
    let object = world.object("my-app").await?;
    let mut versions = vec![object["metadata"]["resourceVersion"].as_str().map(str::to_owned)];
    versions.push(world.secrets().get("my-app").await?.metadata.resource_version);
    versions.extend(world.claims().await?.into_iter().map(|claim| claim.metadata.resource_version));
    Ok(versions)
}

/// Lets a resync pass in both clusters.
async fn resync(here: &InProcess, there: &InProcess) -> Outcome {
    here.let_pass(A_RESYNC).await?;
    there.let_pass(A_RESYNC).await
}

/// Plays one manifest in each of two clusters that use the same key of the same user; returns the
/// redirect URLs at the bank after two resyncs in which nothing moved.
async fn two_clusters(world: &World, urls: [&str; 2]) -> Outcome<Vec<String>> {
    let other = world.another_cluster().await?;
    let played = at_rest(world, &other, urls).await;
    let (played, urls) = match played {
        Ok(urls) => (Ok(()), urls),
        Err(error) => (Err(error), Vec::new()),
    };
    other.finish(played).await.map(|()| urls)
}

async fn at_rest(world: &World, other: &World, urls: [&str; 2]) -> Outcome<Vec<String>> {
    let user = world.user().await?;
    other.put_key(KEY_SECRET, &world.sandbox.new_key(user.id)).await?;
    let (here, there) = (world.start_in_process().await?, other.start_in_process().await?);
    let object = world.apply_ready(&world.manifest("my-app", &json!({"redirectUrl": urls[0]}))).await?;
    let adopted = other.apply_ready(&other.manifest("my-app", &json!({"redirectUrl": urls[1]}))).await?;
    ensure_eq(&adopted["status"]["oauthClientId"], &object["status"]["oauthClientId"], "the client")?;
    other.event("my-app", "ClientAdopted").await?;
    // The first one sees what the second one did.
    resync(&here, &there).await?;

    let before = (versions(world).await?, versions(other).await?);
    world.sandbox.clear_calls();
    for _ in 0..2 {
        resync(&here, &there).await?;
    }
    ensure_eq((versions(world).await?, versions(other).await?), before, "versions after two resyncs")?;
    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank")?;
    ensure(world.sandbox.count("GET", "user/{u}/oauth-client/{c}") >= 4, || "there was no resync".to_owned())?;
    for cluster in [world, other] {
        let object = cluster.object("my-app").await?;
        ensure(is_ready(&object), || format!("{} is not Ready", cluster.name))?;
    }
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(user.id).len()), 1, "clients")?;
    let pair =
        |data: &std::collections::BTreeMap<String, String>| (data["client_id"].clone(), data["client_secret"].clone());
    let (ours, theirs) = (world.secret("my-app").await?, other.secret("my-app").await?);
    ensure(pair(&ours) == pair(&theirs), || "the two clusters publish two pairs".to_owned())?;
    here.stop().await?;
    there.stop().await?;
    let id = object["status"]["oauthClientId"].as_u64().unwrap_or_default();
    Ok(world.sandbox.with(|bank| bank.urls_of(id)))
}

/// Neither undoes what the other did (F40).
async fn two_clusters_that_declare_the_same_url_share_one_client_and_rest(world: Arc<World>) -> Outcome {
    const SAME: &str = "https://myapp.com/oauth/callback";
    let urls = two_clusters(&world, [SAME, SAME]).await?;
    ensure_eq(urls, [SAME], "redirect URLs at the bank")
}

/// Each manages its own URL and leaves the other's (F40).
async fn two_clusters_that_declare_two_urls_keep_both_and_rest(world: Arc<World>) -> Outcome {
    const TWO: [&str; 2] = ["https://blue.myapp.com/callback", "https://green.myapp.com/callback"];
    let urls = two_clusters(&world, TWO).await?;
    ensure_eq(urls, TWO, "redirect URLs at the bank")
}

/// Both declared it; one moves on and removes what it had declared, the other still wants it. The
/// one that removes does so once per edit (protocol §5), so the URL comes back and stays
/// (F40).
async fn a_url_that_one_cluster_gives_up_and_the_other_declares_is_not_fought_over(world: Arc<World>) -> Outcome {
    let other = world.another_cluster().await?;
    let played = moves_on(&world, &other).await;
    other.finish(played).await
}

async fn moves_on(world: &World, other: &World) -> Outcome {
    let shared = json!({"redirectUrl": "https://myapp.com/oauth/callback"});
    let user = world.user().await?;
    other.put_key(KEY_SECRET, &world.sandbox.new_key(user.id)).await?;
    let (here, there) = (world.start_in_process().await?, other.start_in_process().await?);
    let object = world.apply_ready(&world.manifest("my-app", &shared)).await?;
    other.apply_ready(&other.manifest("my-app", &shared)).await?;
    other.apply_ready(&other.manifest("my-app", &json!({"redirectUrl": "https://myapp.com/new"}))).await?;

    for _ in 0..3 {
        resync(&here, &there).await?;
    }
    world.sandbox.clear_calls();
    for _ in 0..3 {
        resync(&here, &there).await?;
    }

    ensure_eq(world.sandbox.mutations().len(), 0, "changes at the bank in three more resyncs")?;
    let id = object["status"]["oauthClientId"].as_u64().unwrap_or_default();
    let urls = world.sandbox.with(|bank| bank.urls_of(id));
    ensure_eq(urls.len(), 2, "redirect URLs at the bank")?;
    let object = world.object("my-app").await?;
    ensure(is_ready(&object), || format!("it is not Ready: {}", condition(&object, "Ready")))?;
    here.stop().await?;
    there.stop().await
}
