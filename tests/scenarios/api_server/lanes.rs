//! By how many connections the operator watches, and what becomes of them (M1).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::DeleteParams};
use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{
    Outcome, World,
    api_proxy::{ApiProxy, Asked},
    deployment, ensure, ensure_eq, until,
    world::KEY_SECRET,
};

use super::{CLIENTS, LOOK_EVERY};
use crate::stage::{Stage, report, scenarios};

const LONGEST: Duration = Duration::from_mins(6);
/// More than share a connection.
const NAMESPACES: usize = 40;
/// Forty registrations on a busy machine.
const PUBLISHED: Duration = Duration::from_mins(2);
/// A connection has 25 s to give a sign of life. A watch alone would be given up 55 s after its last word.
const NOTICED: Duration = Duration::from_secs(45);
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    let mut trials = scenarios!(stage, "api_server":
        behind_a_gateway_that_speaks_http_1_only_it_watches_all_the_same,
        where_few_requests_may_share_a_connection_the_watches_take_more_of_them,
    );
    let many = "forty_namespaces_are_watched_by_two_connections_and_a_dead_one_is_noticed";
    trials.push(stage.scenario_within(
        "api_server",
        many,
        LONGEST,
        forty_namespaces_are_watched_by_two_connections_and_a_dead_one_is_noticed,
    ));
    trials
}

fn is_watch_of_secrets(asked: &Asked) -> bool {
    asked.is_watch && asked.path.ends_with("/secrets")
}

/// The connection by which the Secrets of this namespace were watched last.
fn line_of(proxy: &ApiProxy, namespace: &str) -> Outcome<usize> {
    let path = format!("/api/v1/namespaces/{namespace}/secrets");
    let lines = proxy.connections(|asked| asked.is_watch && asked.path == path);
    Ok(lines.last().copied().ok_or_else(|| format!("nobody watches {path}"))?)
}

/// Waits for the published Secret, for another than this one; tells how long that took.
async fn until_published(secrets: &Api<Secret>, gone: Option<&str>, within: Duration) -> Outcome<Duration> {
    let since = Instant::now();
    loop {
        let found = secrets.get_opt("my-app").await?;
        if found.is_some_and(|secret| secret.metadata.uid.as_deref() != gone) {
            return Ok(since.elapsed());
        }
        ensure(since.elapsed() < within, || format!("no Secret within {within:?}"))?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Takes the published Secret away and tells how long it was gone.
async fn healed(world: &World, namespace: &str, within: Duration) -> Outcome<Duration> {
    let secrets: Api<Secret> = Api::namespaced(world.admin(), namespace);
    let gone = secrets.get("my-app").await?.metadata.uid;
    secrets.delete("my-app", &DeleteParams::default()).await?;
    until_published(&secrets, gone.as_deref(), within).await
}

/// So many namespaces with a manifest and a user each.
async fn apply_in(world: &World, namespaces: usize) -> Outcome<Vec<String>> {
    let mut names = Vec::with_capacity(namespaces);
    for number in 0..namespaces {
        let namespace = world.another_namespace(&number.to_string()).await?;
        let key = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": KEY_SECRET, "namespace": namespace},
            "stringData": {"api-key": world.sandbox.new_user().api_key},
        });
        deployment::apply(&world.admin(), &key).await?;
        let mut manifest = world.manifest("my-app", &json!({}));
        manifest["metadata"]["namespace"] = json!(namespace);
        deployment::apply(&world.admin(), &manifest).await?;
        names.push(namespace);
    }
    Ok(names)
}

/// Starts the operator, and waits until everything is published.
async fn start_through(world: &World, proxy: &ApiProxy, namespaces: &[String]) -> Outcome {
    let watched: Vec<&str> = namespaces.iter().flat_map(|namespace| ["--watch-namespace", namespace]).collect();
    world.start_operator_through_with(proxy, &watched).await?;
    for namespace in namespaces {
        until_published(&Api::namespaced(world.admin(), namespace), None, PUBLISHED).await?;
    }
    Ok(())
}

async fn forty_namespaces_are_watched_by_two_connections_and_a_dead_one_is_noticed(world: Arc<World>) -> Outcome {
    let namespaces = apply_in(&world, NAMESPACES).await?;
    let proxy = world.proxy().await?;
    start_through(&world, &proxy, &namespaces).await?;
    let lines = proxy.connections(is_watch_of_secrets);
    ensure_eq(lines.len(), 2, "connections for the watches of Secrets")?;
    ensure_eq(proxy.count(|asked| is_watch_of_secrets(asked) && !asked.is_http2), 0, "watches that share none")?;

    let lost = line_of(&proxy, &namespaces[0])?;
    let others = namespaces.iter().map(|namespace| Ok((namespace, line_of(&proxy, namespace)?)));
    let others: Vec<_> = others.collect::<Outcome<_>>()?;
    let other = others.iter().find(|(_, line)| *line != lost).ok_or("all share one connection")?.0;
    proxy.let_die(lost);
    let meanwhile = healed(&world, other, PATIENCE).await?;
    let after = healed(&world, &namespaces[0], NOTICED).await?;
    report(&format!("back after {after:?} beside a dead connection, after {meanwhile:?} beside a good one"));

    let back = |namespace: &String| line_of(&proxy, namespace).is_ok_and(|line| line != lost);
    until("all watches elsewhere", PATIENCE, || namespaces.iter().all(back)).await?;
    ensure_eq(proxy.connections(is_watch_of_secrets).len(), 3, "connections, the lost one and the one in its place")?;
    ensure_eq(world.sandbox.count("POST", CLIENTS), NAMESPACES, "creations")
}

/// A watch beyond what the server lets share a connection would wait for ever, and nothing would say so.
async fn where_few_requests_may_share_a_connection_the_watches_take_more_of_them(world: Arc<World>) -> Outcome {
    let namespaces = apply_in(&world, 14).await?;
    let proxy = world.proxy_sharing(5).await?;
    start_through(&world, &proxy, &namespaces).await?;
    ensure_eq(proxy.connections(is_watch_of_secrets).len(), 3, "connections for the watches of Secrets")?;
    let mut slowest = Duration::ZERO;
    for namespace in &namespaces {
        slowest = slowest.max(healed(&world, namespace, Duration::from_secs(10)).await?);
    }
    report(&format!("14 namespaces where five requests share a connection: back after {slowest:?} at most"));
    Ok(())
}

async fn behind_a_gateway_that_speaks_http_1_only_it_watches_all_the_same(world: Arc<World>) -> Outcome {
    let proxy = world.http1_proxy().await?;
    let members = world.crowd(1).await?;
    world.start_operator_through(&proxy).await?;
    world.ready(&members[0].name).await?;
    ensure_eq(proxy.count(|asked| asked.is_http2), 0, "requests by HTTP/2")?;
    until("a watch of Secrets", PATIENCE, || proxy.count(is_watch_of_secrets) > 0).await?;
    world.delete_secret(&members[0].name).await?;
    world.secret_until(&members[0].name, PATIENCE, |_| true).await?;
    ensure_eq(world.sandbox.count("POST", CLIENTS), 1, "creations")
}
