//! What the operator says about itself: little at rest, with the same keys everywhere, and no secret
//! however much it is asked to say.

use std::{sync::Arc, time::Duration};

use kube::api::ListParams;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{Outcome, World, canary::scan_closely, collector::Collector, ensure, ensure_eq, world::KEY_SECRET},
    sandbox::{Fault, FaultKind},
};

use crate::stage::{Stage, report, scenarios};

/// More than a resync interval of one hour with its jitter, less than two.
const A_RESYNC: Duration = Duration::from_mins(80);
const RESYNCS: usize = 5;
const URLS: &str = "user/{u}/oauth-client/{c}/callback-url";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "logs":
        at_rest_a_resync_is_at_most_one_line,
        every_line_of_a_pass_names_it,
        at_the_lowest_level_of_everything_no_secret_is_said,
    )
}

async fn at_rest_a_resync_is_at_most_one_line(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process_logged().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    operator.settle().await?;
    let before = operator.lines()?.len();
    ensure(before > 0, || "nothing is logged at all".to_owned())?;
    world.sandbox.clear_calls();

    for _ in 0..RESYNCS {
        operator.let_pass(A_RESYNC).await?;
    }

    ensure_eq(world.sandbox.count("GET", "user/{u}/oauth-client/{c}"), RESYNCS, "resyncs")?;
    let lines = operator.lines()?.split_off(before);
    report(&format!("logs: {} lines in {RESYNCS} resyncs at rest", lines.len()));
    ensure(lines.len() <= RESYNCS, || format!("{RESYNCS} resyncs say {lines:#?}"))?;
    operator.stop().await
}

/// Also when only warnings are asked for; and the audit lines come all the same.
async fn every_line_of_a_pass_names_it(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator_in(&[("RUST_LOG", "warn,bunq_oauth_operator::controller::run=info")], &[]).await?;
    world.sandbox.inject(Fault::new("POST", URLS, FaultKind::Status(400, "Not this one.".to_owned())).forever());
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let refused = json!({"additionalRedirectUrls": ["https://myapp.com/refused"]});
    world.apply_reason(&world.manifest("my-app", &refused), "RedirectUrlRefused").await?;

    let log = world.operator_log().await;
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let is_of_a_pass = |line: &&Value| line["target"] == "audit" || line["reason"] == "RedirectUrlRefused";
    let of_passes: Vec<&Value> = lines.iter().filter(is_of_a_pass).collect();
    ensure(of_passes.len() >= 5, || format!("{} lines of passes only:\n{log}", of_passes.len()))?;
    for line in &of_passes {
        ensure_eq(&line["controller"], &json!("bunqoauthclient"), "controller")?;
        ensure_eq(&line["namespace"], &json!(world.namespace), "namespace")?;
        ensure_eq(&line["name"], &json!("my-app"), "name")?;
        ensure(line["generation"].is_u64() && line["reconcileID"].is_string(), || format!("{line} lacks a key"))?;
        ensure(line["trace_id"].is_null(), || format!("{line} has a trace although nobody asked for one"))?;
    }
    let is_asked_for = |line: &Value| {
        line["level"] != "INFO" || line["target"] == "audit" || line["target"] == "bunq_oauth_operator::controller::run"
    };
    let is_quiet = lines.iter().all(is_asked_for);
    ensure(is_quiet, || format!("more than warnings and audit lines:\n{log}"))
}

/// Every library says everything, spans are exported, and things go wrong: nothing of it tells a secret
/// (`S9`, `H05`).
async fn at_the_lowest_level_of_everything_no_secret_is_said(world: Arc<World>) -> Outcome {
    let user = world.sandbox.new_user();
    put_key_with_annotation(&world, &user.api_key).await?;
    let collector = Collector::start(&world.folder().join("spans.txt")).await?;
    let environment = [
        ("RUST_LOG", "trace"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
    ];
    let bank = &world.sandbox;
    bank.inject(Fault::new("POST", "session-server", FaultKind::Html(503)));
    bank.inject(Fault::new("GET", "user/{u}/oauth-client", FaultKind::WrongSignature));
    bank.inject(Fault::new("GET", "user/{u}/oauth-client/{c}$", FaultKind::NotJson));
    bank.inject(Fault::new("POST", URLS, FaultKind::TruncatedBody));
    world.start_operator_in(&environment, &[]).await?;

    world.apply_ready(&world.manifest("my-app", &json!({"deletionPolicy": "Cancel"}))).await?;
    let second = json!({"deletionPolicy": "Cancel", "additionalRedirectUrls": ["https://myapp.com/second"]});
    world.apply_ready(&world.manifest("my-app", &second)).await?;
    world.delete_secret("my-app").await?;
    world.secret_until("my-app", Duration::from_secs(20), |data| data.contains_key("client_secret")).await?;
    let edited = [("client_secret", "edited-by-hand-0123456789")];
    world.put_secret("my-app", &edited).await?;
    world
        .secret_until("my-app", Duration::from_secs(20), |data| {
            data.get("client_secret").is_some_and(|it| it != edited[0].1)
        })
        .await?;
    let unknown = format!("sandbox_{}", "bad7".repeat(14));
    world.bench.plant(unknown.clone());
    world.put_key(KEY_SECRET, &unknown).await?;
    world.reason("my-app", "CredentialsRejected").await?;
    world.put_key(KEY_SECRET, &bank.new_key(user.id)).await?;
    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", "again").await?;
    world.ready("my-app").await?;
    let contexts = world.contexts().await?;
    let values = contexts.iter().flat_map(|context| context.data.iter().flatten());
    let pieces: usize = values.map(|(_, value)| plant_pieces(&world, &String::from_utf8_lossy(&value.0))).sum();
    ensure(pieces >= 20, || format!("{pieces} lines of a private key were found"))?;
    world.delete("my-app").await?;
    world.gone("my-app").await?;
    let log = world.operator_log().await;
    let (_, metrics) = world.ask_operator("metrics").await?;
    std::fs::write(world.folder().join("metrics.txt"), metrics)?;
    let events = world.events_api().list(&ListParams::default()).await?.items;
    ensure(events.len() > 3, || format!("only {} Events", events.len()))?;
    std::fs::write(world.folder().join("events.json"), serde_json::to_vec_pretty(&events)?)?;
    world.stop_operator().await?;

    ensure(collector.spans().len() > 50, || format!("only {} spans", collector.spans().len()))?;
    let loud = ["hyper_util", "kube_client", "kube_runtime", "reqwest", "tower", "bunq_oauth_operator"];
    let is_heard = |target: &&&str| log.contains(&format!("\"target\":\"{target}"));
    let heard: Vec<_> = loud.iter().filter(is_heard).collect();
    ensure(heard.len() >= 4, || format!("only {heard:?} were heard: the filter was not what it says"))?;
    let (files, leaks) = scan_closely(world.folder(), &world.bench.secrets())?;
    report(&format!("canary: {} bytes of log at trace, {files} files, {} leaks", log.len(), leaks.len()));
    // Log, spans, statuses, metrics, Events.
    ensure_eq(files, 5, "files with what was said")?;
    let told: Vec<String> =
        leaks.iter().map(|leak| format!("{} ({}): {}", leak.path.display(), leak.form, leak.place)).collect();
    ensure(leaks.is_empty(), || format!("{} leaks:\n{}", leaks.len(), told.join("\n")))
}

/// As `kubectl apply` puts it: an annotation repeats the Secret, and so the metadata hold the key.
async fn put_key_with_annotation(world: &World, api_key: &str) -> Outcome {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": KEY_SECRET, "namespace": world.namespace},
        "stringData": {"api-key": api_key},
    });
    let kubectl = world.bench.control_plane().kubectl();
    kubectl.run_with_stdin(&["apply", "-f", "-"], &secret.to_string()).await?;
    let stored = world.secrets().get(KEY_SECRET).await?;
    let repeats = stored.metadata.annotations.into_iter().flatten().any(|(_, value)| value.contains(api_key));
    ensure(repeats, || "no annotation repeats the key".to_owned())
}

/// Each line of a private key is a secret of its own; tells how many there were.
fn plant_pieces(world: &World, text: &str) -> usize {
    let Some((_, key)) = text.split_once("PRIVATE KEY-----\n") else { return 0 };
    let lines = key.lines().map(str::trim).take_while(|line| !line.starts_with("-----"));
    // The first ones are alike in all keys: they say what kind of key it is.
    lines.skip(1).filter(|line| line.len() >= 32).map(|line| world.bench.plant(line)).count()
}
