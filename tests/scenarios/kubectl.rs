//! What a person sees who has nothing but kubectl.

use std::{fs, sync::Arc};

use libtest_mimic::Trial;
use testbed::harness::{Outcome, World, bench::repository, ensure, ensure_eq, world::is_ready};

use crate::stage::{Stage, scenarios};

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "kubectl":
        kubectl_waits_for_the_sample_and_shows_it_in_its_columns,
        kubectl_diff_is_empty_once_the_sample_is_ready,
        kubectl_describe_tells_what_is_wrong_and_what_to_do,
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
