//! What Prometheus and Grafana make of the operator: its metrics are read, its alerts are played, and
//! everything that they and the dashboard ask for is there (C48–C50, H16).

mod asked;
mod told;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
    time::Duration,
};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{Bench, Outcome, World, bench::repository, ensure, ensure_eq},
    prometheus::{Format, Prometheus, Scrape, reference},
};

use crate::stage::{Stage, report};

/// The first time, Prometheus' packages are built.
const LONGEST: Duration = Duration::from_mins(15);
/// What a scrape may hold beside ten series for each manifest (C49).
const SERIES: usize = 200;

/// Every label there may be; no word more without a look at what its values can be (H16).
const LABELS: &[&str] = &[
    "code",
    "condition",
    "controller",
    "endpoint",
    "environment",
    "host",
    "le",
    "method",
    "name",
    "outcome",
    "reason",
    "result",
    "revision",
    "status",
    "version",
];

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    macro_rules! long {
        ($($play:ident),+ $(,)?) => {
            vec![$(stage.scenario_within("monitoring", stringify!($play), LONGEST, $play)),+]
        };
    }
    let mut trials = long![
        prometheus_reads_both_formats_and_finds_nothing_to_complain_of,
        the_number_of_series_does_not_grow_with_the_number_of_manifests,
    ];
    trials.push(stage.with_bench("monitoring", "each_alert_fires_when_it_should_and_at_no_other_time", alerts_fire));
    trials.extend(told::trials(stage));
    trials.extend(asked::trials(stage));
    trials
}

/// Strict parsers read both formats, the linter of promtool is content, every label is one of few and
/// holds no identifier (C49, H16).
async fn prometheus_reads_both_formats_and_finds_nothing_to_complain_of(world: Arc<World>) -> Outcome {
    let judge = Prometheus::ready().await?;
    let user = world.user().await?;
    world.start_operator().await?;
    let object = world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    counted(&world, 1).await?;

    let text = judge.read(Format::Classic, &scrape(&world, "text/plain;version=0.0.4").await?)?;
    let open = scrape(&world, "application/openmetrics-text;version=1.0.0").await?;
    let families = reference::families(&open)?;
    let open = judge.read(Format::OpenMetrics, &open)?;

    ensure(text.problems.is_empty(), || text.problems.join("\n"))?;
    ensure_eq(families, open.families.len(), "families, as OpenMetrics' own parser reads them")?;
    let names = |scrape: &Scrape| (words(&scrape.series), words(&scrape.labels));
    ensure_eq(names(&text), names(&open), "series and labels in both formats")?;
    let known: BTreeSet<&str> = LABELS.iter().copied().collect();
    let unknown: Vec<&String> = text.labels.keys().filter(|label| !known.contains(label.as_str())).collect();
    ensure(unknown.is_empty(), || format!("labels that nobody has looked at: {unknown:?}"))?;

    let id = |field: &str| object["status"][field].as_str().unwrap_or_default().to_owned();
    let number = |field: &str| object["status"][field].to_string();
    let identifiers = [
        world.namespace.clone(),
        world.operator_namespace.clone(),
        "my-app".to_owned(),
        id("clientId"),
        number("oauthClientId"),
        user.id.to_string(),
        object["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
    ];
    for (label, values) in text.labels.iter().filter(|(label, _)| !["host", "le", "revision"].contains(&label.as_str()))
    {
        // A short number may stand in a word by chance.
        let held = |value: &&String| {
            identifiers.iter().any(|id| *value == id || (id.len() > 5 && value.contains(id)) || value.contains("://"))
        };
        let leak = values.iter().find(held);
        ensure(leak.is_none(), || format!("the label {label} holds {leak:?}"))?;
    }
    ensure_eq(text.labels["host"].len(), 1, "hosts of the API server")?;
    ensure(text.labels["host"][0].contains(':'), || format!("{} has no port", text.labels["host"][0]))?;
    ensure(!text.labels["reason"].contains(&"other".to_owned()), || "a reason is not known to the census".to_owned())?;
    bounded(&text, 1)
}

/// With twenty manifests there are as many series as with one, requests to the API server apart: an
/// answer that only a crowd provokes is one more (C49).
async fn the_number_of_series_does_not_grow_with_the_number_of_manifests(world: Arc<World>) -> Outcome {
    let judge = Prometheus::ready().await?;
    world.start_operator().await?;
    world.join(0).await?;
    counted(&world, 1).await?;
    let one = scrape(&world, "text/plain").await?;

    for number in 1..20 {
        world.join(number).await?;
    }
    counted(&world, 20).await?;
    let twenty = scrape(&world, "text/plain").await?;

    ensure_eq(series(&twenty), series(&one), "series with twenty manifests and with one")?;
    bounded(&judge.read(Format::Classic, &twenty)?, 1)
}

fn words<T>(map: &BTreeMap<String, T>) -> Vec<String> {
    map.keys().cloned().collect()
}

/// Whether one manifest's share is kept.
fn bounded(scrape: &Scrape, manifests: usize) -> Outcome {
    report(&format!("metrics: {} series of {} names", scrape.count, scrape.series.len()));
    let most = SERIES + 10 * manifests;
    ensure(scrape.count <= most, || format!("{} series are more than {most}", scrape.count))
}

fn series(scrape: &str) -> BTreeSet<&str> {
    let lines =
        scrape.lines().filter(|line| !line.starts_with('#') && !line.starts_with("rest_client_requests_total{"));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect()
}

/// Every alert fires in at least one story and in no other, by Prometheus' own engine (C50).
async fn alerts_fire(bench: Arc<Bench>) -> Outcome {
    let judge = Prometheus::ready().await?;
    let file = bench.folder().join("alert-rules.json");
    fs::write(&file, serde_json::to_vec(&rule_groups()?)?)?;
    let cases = repository().join("tests/scenarios/monitoring/alerts.yaml");

    let heard = judge.alerts(&file, &cases)?;

    ensure(heard.faults.is_empty(), || heard.faults.join("\n"))?;
    let names: Vec<String> = rules()?.iter().filter_map(|rule| Some(rule["alert"].as_str()?.to_owned())).collect();
    let untried = |alert: &&String| !heard.fired.contains_key(*alert) || !heard.silent.contains_key(*alert);
    let untried: Vec<&String> = names.iter().filter(untried).collect();
    ensure(untried.is_empty(), || format!("no case lets these fire and be silent: {untried:?}"))?;
    report(&format!("alerts: {} in {} cases", names.len(), heard.cases));
    Ok(())
}

/// The groups of rules, as a file of rules has them.
fn rule_groups() -> Outcome<Value> {
    let manifest = fs::read_to_string(repository().join("deploy/monitoring/prometheus-rule.yaml"))?;
    let manifest: Value = serde_yaml_ng::from_str(&manifest)?;
    Ok(manifest["spec"].clone())
}

/// The rules of all groups.
fn rules() -> Outcome<Vec<Value>> {
    let groups = rule_groups()?;
    let groups = groups["groups"].as_array().ok_or("there are no groups of rules")?;
    Ok(groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect())
}

async fn scrape(world: &World, accept: &str) -> Outcome<String> {
    let (status, text) = world.ask_operator_as("metrics", accept).await?;
    ensure_eq(status, 200, "metrics")?;
    Ok(text)
}

/// Waits until the census says that exactly so many manifests are there, and all of them are Ready.
async fn counted(world: &World, manifests: u64) -> Outcome {
    let all = |text: &str, begin: &str| -> u64 {
        let lines = text.lines().filter(|line| line.starts_with(begin));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    for _ in 0..300 {
        let text = scrape(world, "text/plain").await?;
        let ready = all(&text, "bunq_oauth_clients{condition=\"Ready\",status=\"True\"");
        let moving = all(&text, "bunq_oauth_clients{condition=\"Reconciling\"");
        if (ready, moving) == (manifests, 0) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Err(format!("the census did not show {manifests} manifests Ready within a minute").into())
}
