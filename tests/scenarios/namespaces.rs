//! Namespaces that go with everything in them: nothing hangs, and the clients end as declared
//! (F30, L4).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bunq_oauth_operator::api::BunqOAuthClient;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams},
};
use libtest_mimic::Trial;
use rand::seq::SliceRandom as _;
use serde_json::{Value, json};
use testbed::{
    harness::{
        Outcome, World, deployment, ensure, ensure_eq,
        world::{KEY_SECRET, is_ready},
    },
    sandbox::bank::ClientStatus,
};

use crate::stage::{Stage, scenarios};

const COUNT: usize = 50;
/// They have much to set up first.
const LONGEST: Duration = Duration::from_mins(6);
/// "0 stuck within 2 minutes".
const PATIENCE: Duration = Duration::from_mins(2);
/// Registering fifty clients on a busy machine.
const PUBLISHED: Duration = Duration::from_mins(2);
/// Creations that may be tried in one namespace before its end is known.
const TRIED: usize = 4;
const LABEL: &str = "test-world";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let mut trials = scenarios!(stage, "namespaces": a_namespace_goes_with_its_manifest_and_its_client);
    let many = "fifty_namespaces_go_in_any_order_and_none_is_stuck";
    trials.push(stage.scenario_within("namespaces", many, LONGEST, fifty_namespaces_go_in_any_order_and_none_is_stuck));
    trials
}

/// One tenant: what is there, and what is taken away before the namespace is.
struct Tenant {
    namespace: String,
    user: u64,
    cancels: bool,
    first: First,
}

/// What goes before the namespace does.
#[derive(Clone, Copy, Debug)]
enum First {
    Nothing,
    Key,
    Grant,
    Manifest,
    Published,
}

const FIRST: [First; 5] = [First::Nothing, First::Key, First::Grant, First::Manifest, First::Published];

async fn settle_in(world: &World, number: usize) -> Outcome<Tenant> {
    let namespace = world.another_namespace(&number.to_string()).await?;
    let user = world.sandbox.new_user();
    let key = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": KEY_SECRET, "namespace": namespace},
        "stringData": {"api-key": user.api_key},
    });
    deployment::apply(&world.admin(), &key).await?;
    let cancels = number.is_multiple_of(2);
    let policy = if cancels { "Cancel" } else { "Retain" };
    let mut manifest = world.manifest("my-app", &json!({"deletionPolicy": policy}));
    manifest["metadata"]["namespace"] = json!(namespace);
    manifest["metadata"]["labels"] = json!({LABEL: world.name});
    deployment::apply(&world.admin(), &manifest).await?;
    Ok(Tenant { namespace, user: user.id, cancels, first: FIRST[number / 2 % FIRST.len()] })
}

async fn manifests(world: &World) -> Outcome<Vec<Value>> {
    let api: Api<DynamicObject> = Api::all_with(world.admin(), &ApiResource::erase::<BunqOAuthClient>(&()));
    let found = api.list(&ListParams::default().labels(&format!("{LABEL}={}", world.name))).await?;
    Ok(found.items.iter().map(serde_json::to_value).collect::<Result<_, _>>()?)
}

async fn until_published(world: &World, count: usize) -> Outcome {
    let since = Instant::now();
    loop {
        let ready = manifests(world).await?.iter().filter(|object| is_ready(object)).count();
        if ready == count {
            return Ok(());
        }
        ensure(since.elapsed() < PUBLISHED, || format!("{ready} of {count} were Ready after {PUBLISHED:?}"))?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Takes away what goes first, then the namespace.
async fn take_away(world: &World, tenant: &Tenant) -> Outcome {
    let namespace = tenant.namespace.as_str();
    let kubectl = world.bench.control_plane().kubectl();
    let first: &[&str] = match tenant.first {
        First::Nothing => &[],
        First::Key => &["secret", KEY_SECRET],
        First::Grant => &["rolebinding", "bunq-oauth-operator-tenant"],
        First::Manifest => &["bunqoauthclient", "my-app"],
        First::Published => &["secret", "my-app"],
    };
    if !first.is_empty() {
        kubectl.run(&[&["--namespace", namespace, "delete", "--wait=false"], first].concat()).await?;
    }
    let namespaces: Api<Namespace> = Api::all(world.admin());
    Ok(namespaces.delete(namespace, &DeleteParams::default()).await.map(drop)?)
}

async fn until_gone(world: &World, tenants: &[Tenant]) -> Outcome {
    let namespaces: Api<Namespace> = Api::all(world.admin());
    let ours: BTreeSet<&str> = tenants.iter().map(|tenant| tenant.namespace.as_str()).collect();
    let since = Instant::now();
    loop {
        let left = namespaces.list_metadata(&ListParams::default()).await?.items;
        let mut left: Vec<String> = left.into_iter().filter_map(|namespace| namespace.metadata.name).collect();
        left.retain(|name| ours.contains(name.as_str()));
        if left.is_empty() {
            return Ok(());
        }
        let stuck = manifests(world).await?;
        let told = || format!("after {PATIENCE:?} {left:?} are still there, with {} manifests: {stuck:?}", stuck.len());
        ensure(since.elapsed() < PATIENCE, told)?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Key or session was there in all of them, so each client ends as declared (S13, L4).
fn judge_clients(world: &World, tenants: &[Tenant]) -> Outcome {
    for tenant in tenants {
        let wanted = if tenant.cancels { ClientStatus::Cancelled } else { ClientStatus::Active };
        let found: Vec<ClientStatus> =
            world.sandbox.with(|bank| bank.clients_of(tenant.user).iter().map(|client| client.status).collect());
        ensure_eq(
            found,
            [wanted],
            &format!("the client of {}, where {:?} went first", tenant.namespace, tenant.first),
        )?;
    }
    Ok(())
}

/// No Event can be made in a namespace that goes: the log tells of each finalizer.
fn judge_log(log: &str, tenants: &[Tenant]) -> Outcome {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if line["message"] == "the finalizer goes" || line["fields"]["message"] == "the finalizer goes" {
            let text = line.to_string();
            for tenant in tenants.iter().filter(|tenant| text.contains(&format!("\"{}\"", tenant.namespace))) {
                told.entry(tenant.namespace.clone()).or_default().push(text.clone());
            }
        }
    }
    for tenant in tenants {
        let lines = told.remove(&tenant.namespace).unwrap_or_default();
        ensure_eq(lines.len(), usize::from(tenant.cancels), &format!("lines about {}", tenant.namespace))?;
        ensure(lines.iter().all(|line| line.contains("ClientCancelled")), || format!("the log says {lines:?}"))?;
    }
    Ok(())
}

/// What the operator tried to create once the namespaces were going: a few times, not for ever.
fn judge_creations(writes: &[String], tenants: &[Tenant]) -> Outcome {
    for tenant in tenants {
        let within = format!(" {}/", tenant.namespace);
        let tried: Vec<&String> =
            writes.iter().filter(|write| write.starts_with("create secrets") && write.contains(&within)).collect();
        ensure(tried.len() <= TRIED, || format!("in a namespace that goes it tried {tried:?}"))?;
    }
    Ok(())
}

/// Whatever the namespace controller takes first (F30, L4).
async fn fifty_namespaces_go_in_any_order_and_none_is_stuck(world: Arc<World>) -> Outcome {
    go(&world, COUNT).await
}

/// The same with the five ways of one namespace, and both policies (F30).
async fn a_namespace_goes_with_its_manifest_and_its_client(world: Arc<World>) -> Outcome {
    go(&world, 2 * FIRST.len()).await
}

async fn go(world: &World, count: usize) -> Outcome {
    let namespaces: Vec<String> = (0..count).map(|number| format!("{}-{number}", world.namespace)).collect();
    let watched: Vec<&str> = namespaces.iter().flat_map(|namespace| ["--watch-namespace", namespace]).collect();
    world.start_operator_with(&watched).await?;
    let mut tenants = Vec::new();
    for number in 0..count {
        tenants.push(settle_in(world, number).await?);
    }
    until_published(world, count).await?;

    tenants.shuffle(&mut rand::thread_rng());
    let trail = world.audit_trail()?;
    for tenant in &tenants {
        take_away(world, tenant).await?;
    }
    until_gone(world, &tenants).await?;

    judge_clients(world, &tenants)?;
    judge_log(&world.operator_log().await, &tenants)?;
    judge_creations(&trail.writes_of(&world.operator_user())?, &tenants)?;
    ensure_eq(world.sandbox.count("POST", "user/{u}/oauth-client"), count, "clients created")
}
