//! What alerts and dashboard ask for is there, and what is deployed for it fits the operator's pod.

use std::{collections::BTreeMap, fs, sync::Arc};

use libtest_mimic::Trial;
use serde::Deserialize as _;
use serde_json::{Value, json};
use testbed::{
    harness::{Bench, Outcome, World, bench::repository, ensure, ensure_eq},
    prometheus::{Format, Prometheus},
};

use super::{LONGEST, counted, rules, scrape};
use crate::stage::Stage;

/// Labels that every series gets from the one who scrapes.
const OF_THE_TARGET: &[&str] = &["job", "namespace", "pod"];
/// Series that an operator without an election does not have; the page of metrics lists them.
const OF_AN_ELECTION: &[&str] = &["leader_election_master_status"];

/// What dashboards made for controller-runtime and client-go ask for; `workqueue_*` is left out, for nothing
/// here could observe a queue honestly (C48).
const KNOWN_ELSEWHERE: &[(&str, &[&str])] = &[
    ("controller_runtime_active_workers", &["controller"]),
    ("controller_runtime_max_concurrent_reconciles", &["controller"]),
    ("controller_runtime_reconcile_errors_total", &["controller"]),
    ("controller_runtime_reconcile_panics_total", &["controller"]),
    ("controller_runtime_reconcile_time_seconds_bucket", &["controller", "le"]),
    ("controller_runtime_reconcile_time_seconds_count", &["controller"]),
    ("controller_runtime_reconcile_time_seconds_sum", &["controller"]),
    ("controller_runtime_reconcile_timeouts_total", &["controller"]),
    ("controller_runtime_reconcile_total", &["controller", "result"]),
    ("controller_runtime_terminal_reconcile_errors_total", &["controller"]),
    ("process_cpu_seconds_total", &[]),
    ("process_open_fds", &[]),
    ("process_resident_memory_bytes", &[]),
    ("rest_client_requests_total", &["code", "host", "method"]),
];

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    vec![
        stage.scenario_within(
            "monitoring",
            "everything_that_alerts_and_dashboards_ask_for_is_in_a_scrape",
            LONGEST,
            everything_is_in_a_scrape,
        ),
        stage.with_bench("monitoring", "the_pod_monitor_finds_the_pod_and_the_base_does_without_it", it_fits_the_pod),
    ]
}

/// Every name in alert rules and dashboard is a series of a running operator, with the labels that it is
/// chosen and grouped by (C48, C50).
async fn everything_is_in_a_scrape(world: Arc<World>) -> Outcome {
    let judge = Prometheus::ready().await?;
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    counted(&world, 1).await?;
    let read = judge.read(Format::Classic, &scrape(&world, "text/plain").await?)?;

    for (name, labels) in KNOWN_ELSEWHERE {
        let mut found = read.series.get(*name).cloned().unwrap_or_default();
        found.sort();
        ensure_eq(found.iter().map(String::as_str).collect::<Vec<_>>(), labels.to_vec(), name)?;
    }
    let queries = queries()?;
    let mut faults = Vec::new();
    for named in judge.names(&queries)? {
        if OF_AN_ELECTION.contains(&named.metric.as_str()) {
            continue;
        }
        let Some(labels) = read.series.get(&named.metric) else {
            faults.push(format!("there is no {}: {}", named.metric, named.query));
            continue;
        };
        let is_there = |label: &&String| labels.contains(label) || OF_THE_TARGET.contains(&label.as_str());
        let missing: Vec<&String> = named.labels.iter().filter(|label| !is_there(label)).collect();
        if !missing.is_empty() {
            faults.push(format!("{} has no {missing:?}: {}", named.metric, named.query));
        }
    }
    ensure(queries.len() > 30, || format!("only {} queries were found", queries.len()))?;
    ensure(faults.is_empty(), || faults.join("\n"))
}

/// The queries of all alerts and all panels, with the dashboard's variables filled in.
fn queries() -> Outcome<Vec<String>> {
    let mut queries: Vec<String> = rules()?.iter().filter_map(|rule| Some(rule["expr"].as_str()?.to_owned())).collect();
    for panel in dashboard()?["panels"].as_array().ok_or("the dashboard has no panels")? {
        let targets = panel["targets"].as_array().into_iter().flatten();
        queries.extend(targets.filter_map(|target| Some(target["expr"].as_str()?.to_owned())));
    }
    Ok(queries.iter().map(|query| query.replace("$__rate_interval", "5m").replace("$job", ".*")).collect())
}

fn dashboard() -> Outcome<Value> {
    Ok(serde_json::from_slice(&fs::read(repository().join("deploy/monitoring/dashboard.json"))?)?)
}

/// What `kubectl apply -k` would apply.
async fn rendered(bench: &Bench, folder: &str) -> Outcome<Vec<Value>> {
    let folder = repository().join(folder).display().to_string();
    let text = bench.control_plane().kubectl().run(&["kustomize", &folder]).await?;
    let documents = serde_yaml_ng::Deserializer::from_str(&text);
    Ok(documents.map(Value::deserialize).collect::<Result<_, _>>()?)
}

async fn it_fits_the_pod(bench: Arc<Bench>) -> Outcome {
    let judge = Prometheus::ready().await?;
    let base = rendered(&bench, "deploy").await?;
    let monitoring: BTreeMap<String, Value> = rendered(&bench, "deploy/monitoring")
        .await?
        .into_iter()
        .map(|object| (object["kind"].as_str().unwrap_or_default().to_owned(), object))
        .collect();
    let needs = |object: &Value| object["apiVersion"].as_str().is_some_and(|api| api.contains("coreos"));
    ensure(!base.iter().any(needs), || "the base needs Prometheus' operator".to_owned())?;

    let deployment = base.iter().find(|object| object["kind"] == "Deployment").ok_or("there is no Deployment")?;
    let (pod, monitor) = (&deployment["spec"]["template"], &monitoring["PodMonitor"]);
    for (label, value) in monitor["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten() {
        ensure_eq(&pod["metadata"]["labels"][label], value, label)?;
    }
    let job = monitor["spec"]["jobLabel"].as_str().unwrap_or_default();
    ensure_eq(&pod["metadata"]["labels"][job], &json!("bunq-oauth-operator"), "the label job, which alerts choose by")?;
    let port = &monitor["spec"]["podMetricsEndpoints"][0]["port"];
    ensure_eq(&pod["spec"]["containers"][0]["ports"][0]["name"], port, "the port that is scraped")?;
    for (kind, object) in &monitoring {
        ensure_eq(&object["metadata"]["namespace"], &deployment["metadata"]["namespace"], kind)?;
    }
    for kind in ["PodMonitor", "PrometheusRule"] {
        ensure_eq(judge.manifest(&monitoring[kind])?, kind, "what Prometheus' operator reads")?;
    }
    let config = &monitoring["ConfigMap"];
    ensure_eq(&config["metadata"]["labels"]["grafana_dashboard"], &json!("1"), "the label that Grafana looks for")?;
    let shown: Value = serde_json::from_str(config["data"]["bunq-oauth-operator.json"].as_str().unwrap_or_default())?;
    ensure_eq(shown, dashboard()?, "the dashboard")
}
