//! What probes and scrapers see.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{Outcome, World, ensure, ensure_eq};

use crate::stage::{Stage, report, scenarios};

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "http":
        probes_answer_and_metrics_count_what_happened,
        four_hundred_idle_connections_cost_a_probe_nothing,
    )
}

async fn probes_answer_and_metrics_count_what_happened(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;

    for probe in ["livez", "readyz"] {
        ensure_eq(world.ask_operator(probe).await?, (200, "ok\n".to_owned()), probe)?;
        let (status, checks) = world.ask_operator(&format!("{probe}?verbose")).await?;
        ensure_eq(status, 200, probe)?;
        ensure(checks.ends_with(&format!("{probe} check passed\n")), || format!("{probe}?verbose says {checks}"))?;
    }
    ensure_eq(world.ask_operator("elsewhere").await?.0, 404, "a path that is not there")?;
    let (status, metrics) = world.ask_operator("metrics").await?;
    ensure_eq(status, 200, "metrics")?;
    for series in
        ["bunq_oauth_operator_build_info{", "controller_runtime_reconcile_total{", "bunq_sessions_opened_total{"]
    {
        ensure(metrics.contains(series), || format!("there is no {series} in\n{metrics}"))?;
    }
    let created = metrics.lines().find(|line| {
        line.starts_with("bunq_api_requests_total{") && line.contains("POST") && line.contains("oauth-client\"")
    });
    ensure(created.is_some_and(|line| line.ends_with(" 1")), || format!("no created client is counted: {created:?}"))
}

async fn four_hundred_idle_connections_cost_a_probe_nothing(world: Arc<World>) -> Outcome {
    world.start_operator().await?;
    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(world.hang_on_operator().await?);
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        for probe in ["livez", "readyz"] {
            let since = Instant::now();
            ensure_eq(world.ask_operator(probe).await?, (200, "ok\n".to_owned()), probe)?;
            slowest = slowest.max(since.elapsed());
        }
    }
    report(&format!("beside 400 idle connections a probe is answered after {slowest:?} at most"));
    ensure(slowest < Duration::from_millis(100), || format!("a probe was answered after {slowest:?}"))
}
