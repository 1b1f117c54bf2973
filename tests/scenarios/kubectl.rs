//! What a person sees who has nothing but kubectl.

use std::{collections::BTreeMap, fs, sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::json;
use testbed::{
    harness::{
        Outcome, World,
        bench::repository,
        ensure, ensure_eq,
        world::{condition, is_ready},
    },
    sandbox::{Fault, FaultKind},
};

use crate::stage::{Stage, scenarios};

/// Looks at the bank fail in all of them.
const MINUTES: usize = 10;
const A_RESYNC: Duration = Duration::from_mins(80);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "kubectl":
        kubectl_waits_for_the_sample_and_shows_it_in_its_columns,
        kubectl_diff_is_empty_once_the_sample_is_ready,
        kubectl_describe_tells_what_is_wrong_and_what_to_do,
        kubectl_describe_shows_one_event_per_reason_after_an_outage,
    )
}

/// The committed sample, in this world's namespace.
fn sample(world: &World) -> Outcome<String> {
    let text = fs::read_to_string(repository().join("deploy/samples/bunqoauthclient.yaml"))?;
    Ok(text.replace("namespace: shop", &format!("namespace: {}", world.namespace)))
}

async fn kubectl_waits_for_the_sample_and_shows_it_in_its_columns(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.bench.control_plane().kubectl().apply_stdin(&sample(&world)?).await?;

    world.kubectl(&["wait", "--for=condition=Ready", "bunqoauthclient/my-app", "--timeout=60s"]).await?;

    let shown = world.kubectl(&["get", "boc"]).await?;
    let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    ensure_eq(rows[0].as_slice(), ["NAME", "READY", "STATUS", "SECRET", "AGE"], "the columns")?;
    ensure_eq(&rows[1][..4], ["my-app", "True", "ACTIVE", "my-app"], "the row")?;
    let wide = world.kubectl(&["get", "bunq", "-o", "wide"]).await?;
    for wanted in ["CLIENT-ID", "REASON", "URL", "Synced", "https://myapp.com/oauth/callback"] {
        ensure(wide.contains(wanted), || format!("kubectl get bunq -o wide shows no {wanted}:\n{wide}"))?;
    }
    Ok(())
}

async fn kubectl_diff_is_empty_once_the_sample_is_ready(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    let kubectl = world.bench.control_plane().kubectl();
    let sample = sample(&world)?;
    kubectl.run_with_stdin(&["apply", "-f", "-"], &sample).await?;
    world.until("my-app", "Ready", is_ready).await?;

    // It fails when there is a difference, too.
    let difference = kubectl.run_with_stdin(&["diff", "-f", "-"], &sample).await?;

    ensure_eq(difference.as_str(), "", "kubectl diff")
}

async fn kubectl_describe_tells_what_is_wrong_and_what_to_do(world: Arc<World>) -> Outcome {
    world.start_operator().await?;
    world.bench.control_plane().kubectl().apply_stdin(&sample(&world)?).await?;
    world.reason("my-app", "CredentialsSecretNotFound").await?;
    world.event("my-app", "CredentialsSecretNotFound").await?;

    let description = world.kubectl(&["describe", "boc", "my-app"]).await?;

    for wanted in ["Reason:                CredentialsSecretNotFound", "bunq-api-key", "Events:"] {
        ensure(description.contains(wanted), || format!("kubectl describe does not say {wanted}:\n{description}"))?;
    }
    let events = description.split("Events:").nth(1).unwrap_or_default();
    ensure(events.contains("CredentialsSecretNotFound"), || format!("no Event is described:\n{description}"))
}

/// An outage is one thing that happened, however often it was met (C27).
async fn kubectl_describe_shows_one_event_per_reason_after_an_outage(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process().await?;
    world.apply_ready(&world.manifest("published", &json!({}))).await?;
    operator.settle().await?;
    world.sandbox.inject(Fault::new("*", "", FaultKind::Html(503)).forever());
    operator.let_pass(A_RESYNC).await?;
    // One that is new meanwhile waits for the bank, and says so in Ready.
    let member = world.join(1).await?;
    for _ in 0..MINUTES {
        operator.let_pass(Duration::from_mins(1)).await?;
    }
    let waiting = world.object(&member.name).await?;
    ensure_eq(&condition(&waiting, "Ready")["reason"], &json!("BankUnavailable"), "the reason of the new one")?;
    world.sandbox.clear_faults();
    for _ in 0..MINUTES {
        operator.let_pass(Duration::from_mins(1)).await?;
    }
    world.ready(&member.name).await?;
    operator.settle().await?;

    for (name, wanted) in [("published", "Synced"), (member.name.as_str(), "BankUnavailable")] {
        world.event(name, wanted).await?;
        let description = world.kubectl(&["describe", "boc", name]).await?;
        let counts = reasons(&description);
        ensure(counts.contains_key(wanted), || format!("{name}: no Event {wanted} is described:\n{description}"))?;
        ensure(counts.values().all(|count| *count == 1), || format!("{name}: {counts:?}:\n{description}"))?;
    }
    operator.stop().await
}

/// How many Events of each reason a description shows.
fn reasons(description: &str) -> BTreeMap<String, usize> {
    let events = description.split("Events:").nth(1).unwrap_or_default();
    let mut counts = BTreeMap::new();
    for line in events.lines() {
        let mut words = line.split_whitespace();
        if let (Some("Normal" | "Warning"), Some(reason)) = (words.next(), words.next()) {
            *counts.entry(reason.to_owned()).or_default() += 1;
        }
    }
    counts
}
