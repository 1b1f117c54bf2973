//! Traces: what a collector is sent when the environment asks for it, and nothing otherwise.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{
        Outcome, World,
        canary::scan_closely,
        collector::{Collector, Span},
        ensure, ensure_eq,
    },
    sandbox::{Fault, FaultKind},
};

use crate::stage::{Stage, report, scenarios};

/// Two seconds for what is left of the spans, and time for a busy machine.
const ENDS_WITHIN: Duration = Duration::from_secs(8);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "traces":
        a_pass_is_a_trace_with_all_its_calls_in_it,
        nobody_is_sent_spans_who_did_not_ask,
        a_collector_that_is_away_disturbs_nothing,
    )
}

async fn a_pass_is_a_trace_with_all_its_calls_in_it(world: Arc<World>) -> Outcome {
    world.user().await?;
    let collector = Collector::start(&world.folder().join("spans.txt")).await?;
    let environment = [
        // Whatever the libraries' own spans are, they change nothing.
        ("RUST_LOG", "info,kube=debug,hyper=debug,tower=trace"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("POD_NAMESPACE", "bunq-operator"),
        ("POD_NAME", "bunq-oauth-operator-0"),
    ];
    world.sandbox.inject(Fault::new("GET", "user/{u}/oauth-client$", FaultKind::Html(503)));
    world.start_operator_in(&environment, &[]).await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let passes = world.passes().await?;
    let log = world.operator_log().await;
    world.stop_operator().await?;

    let spans = collector.spans();
    let roots: BTreeMap<&str, &Span> =
        spans.iter().filter(|span| span.parent.is_empty()).map(|span| (span.trace.as_str(), span)).collect();
    ensure(roots.len() as u64 >= passes, || format!("{} traces for {passes} passes", roots.len()))?;
    for root in roots.values() {
        ensure_eq(root.name.as_str(), "reconcile", "the name of a root")?;
        for (key, wanted) in
            [("controller", "bunqoauthclient"), ("namespace", world.namespace.as_str()), ("name", "my-app")]
        {
            ensure_eq(root.attribute(key), wanted, key)?;
        }
        ensure(!root.attribute("reconcileID").is_empty(), || format!("{root:?} has no reconcileID"))?;
    }
    ensure(roots.values().any(|root| root.is_error), || "no failed pass is marked".to_owned())?;
    for call in spans.iter().filter(|span| !span.parent.is_empty()) {
        let root = roots.get(call.trace.as_str()).ok_or_else(|| format!("{call:?} belongs to no pass"))?;
        ensure_eq(&call.parent, &root.id, "the parent of a call")?;
        judge_call(call)?;
    }
    bank_calls_are_spans(&world, &spans)?;
    let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    for wanted in [
        "GET /apis/bunq-operator.io/v1alpha1/namespaces/{namespace}/bunqoauthclients/{name}",
        "PUT /apis/bunq-operator.io/v1alpha1/namespaces/{namespace}/bunqoauthclients/{name}/status",
        "POST /api/v1/namespaces/{namespace}/secrets",
        "POST /v1/user/{user}/oauth-client",
    ] {
        ensure(names.contains(wanted), || format!("no span {wanted} among {names:#?}"))?;
    }
    resource_is_told(&spans)?;
    lines_name_their_trace(&log, &roots)?;
    let (_, leaks) = scan_closely(world.folder(), &world.bench.secrets())?;
    report(&format!("traces: {} spans in {} traces, {} leaks", spans.len(), roots.len(), leaks.len()));
    ensure(leaks.is_empty(), || format!("leaks: {leaks:?}"))
}

/// As the semantic conventions have it; and no id, no name, no event of a library.
fn judge_call(call: &Span) -> Outcome {
    let wrong = |what: &str| format!("{what}: {call:?}");
    ensure(call.is_client && call.extras == 0, || wrong("not a client's span, or something in it"))?;
    let method_and_template = format!("{} {}", call.attribute("http.request.method"), call.attribute("url.template"));
    ensure_eq(&call.name, &method_and_template, "the name of a call")?;
    ensure_eq(call.attribute("server.address"), "127.0.0.1", "server.address")?;
    ensure(call.attribute("server.port").parse::<u16>().is_ok(), || wrong("no server.port"))?;
    let status: u16 = call.attribute("http.response.status_code").parse().unwrap_or_default();
    let is_failed = status >= 400 && status != 404;
    ensure_eq(call.is_error, is_failed, &wrong("the status of a span"))?;
    ensure_eq(call.attribute("error.type"), if is_failed { status.to_string() } else { String::new() }, "error.type")?;
    ensure(!call.attributes.contains_key("url.full"), || wrong("a whole URL"))
}

fn bank_calls_are_spans(world: &World, spans: &[Span]) -> Outcome {
    let of_bank: BTreeSet<String> = world.sandbox.calls().into_iter().filter_map(|call| call.request_id).collect();
    let of_spans: Vec<&str> =
        spans.iter().map(|span| span.attribute("bunq.request_id")).filter(|id| !id.is_empty()).collect();
    ensure_eq(of_spans.len(), of_bank.len(), "spans of calls to the bank")?;
    ensure(of_spans.iter().all(|id| of_bank.contains(*id)), || format!("{of_spans:?} are not {of_bank:?}"))?;
    ensure(spans.iter().any(|span| span.attribute("error.type") == "503"), || "the failed call is not told".to_owned())
}

fn resource_is_told(spans: &[Span]) -> Outcome {
    let resource = &spans.first().ok_or("no spans")?.resource;
    for (key, wanted) in [
        ("service.name", "bunq-oauth-operator"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("k8s.namespace.name", "bunq-operator"),
        ("k8s.pod.name", "bunq-oauth-operator-0"),
        ("deployment.environment.name", "test"),
    ] {
        ensure_eq(resource.get(key).map(String::as_str), Some(wanted), key)?;
    }
    Ok(())
}

fn lines_name_their_trace(log: &str, roots: &BTreeMap<&str, &Span>) -> Outcome {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let audited: Vec<Value> = lines.filter(|line| line["target"] == "audit").collect();
    ensure(audited.len() >= 4, || format!("only {} audit lines", audited.len()))?;
    for line in audited {
        let root = line["trace_id"].as_str().and_then(|id| roots.get(id));
        let is_its = root.is_some_and(|root| line["reconcileID"] == root.attribute("reconcileID"));
        ensure(is_its, || format!("{line} does not name its trace"))?;
    }
    Ok(())
}

async fn nobody_is_sent_spans_who_did_not_ask(world: Arc<World>) -> Outcome {
    world.user().await?;
    let collector = Collector::start(&world.folder().join("spans.txt")).await?;
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    for (number, off) in
        [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]
            .into_iter()
            .enumerate()
    {
        world.start_operator_in(&[endpoint, off, ("OTEL_BSP_SCHEDULE_DELAY", "50")], &[]).await?;
        world.apply_ready(&world.manifest("my-app", &json!({"displayName": format!("App {number}")}))).await?;
        let log = world.operator_log().await;
        ensure_eq(log.contains("spans are not exported"), off.1 == "grpc", "whether it is told")?;
        world.stop_operator().await?;
        ensure_eq(collector.requests(), 0, &format!("requests to the collector with {off:?}"))?;
    }
    Ok(())
}

async fn a_collector_that_is_away_disturbs_nothing(world: Arc<World>) -> Outcome {
    world.user().await?;
    // A port that was free a moment ago.
    let endpoint = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        format!("http://{}", listener.local_addr()?)
    };
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    world.start_operator_in(&environment, &[]).await?;
    for number in 0..5 {
        world.apply_ready(&world.manifest("my-app", &json!({"displayName": format!("App {number}")}))).await?;
    }
    let since = Instant::now();
    let told = |log: &str| log.matches("spans could not be exported").count();
    while told(&world.operator_log().await) == 0 && since.elapsed() < ENDS_WITHIN {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let log = world.operator_log().await;
    ensure_eq(told(&log), 1, "how often it is told")?;
    ensure(!log.contains("\"target\":\"panic\""), || "something panicked".to_owned())?;
    let since = Instant::now();
    world.stop_operator().await?;
    report(&format!("traces: ended {:?} after it was told to, its collector away", since.elapsed()));
    ensure(since.elapsed() < ENDS_WITHIN, || format!("it took {:?} to end", since.elapsed()))
}
