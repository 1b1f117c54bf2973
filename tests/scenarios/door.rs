//! The door of the operator's own house: what its memory leaves behind, and what it still hears when a namespace
//! takes its grant back.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use bunq_oauth_operator::bunq::{HttpOptions, HttpTransport, LimitMode};
use hyper::Request;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::{Api, Client, api::DeleteParams, client::Body};
use libtest_mimic::Trial;
use rustix::process::geteuid;
use serde_json::json;
use testbed::harness::{
    Outcome, TestClock, World,
    deployment::{self, TENANT_ROLE, tenant_binding},
    ensure, ensure_eq,
    process::binary,
    world::Seams,
};
use tokio::{net::TcpListener, process::Command};

use crate::stage::{Stage, scenarios};

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// "Granting heals in at most 10 s".
const GRANTED: Duration = Duration::from_secs(10);
/// Seconds that a watch lives.
const A_WATCH: u32 = 50;
const A_SHORT_WATCH: u32 = 2;
/// Somebody without rights on this machine, so that it can be told whose the process's files are.
const NOBODY: u32 = 65_532;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let mut trials = scenarios!(stage, "door":
        a_grant_that_is_taken_back_ends_reading_and_listening,
        a_grant_that_is_taken_back_is_told_when_the_watch_runs_out,
    );
    trials.push(stage.plain("door", "a_crash_writes_no_memory_to_a_disk", a_crash_writes_no_memory_to_a_disk()));
    trials
}

/// A grant that goes is told at the next look, which also ends the open watch; from then on no Secret of that
/// namespace is read, and a new grant heals within seconds (F38, L3).
async fn a_grant_that_is_taken_back_ends_reading_and_listening(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.start_operator().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let published = world.secret("my-app").await?;
    let before = world.audit_trail()?;

    let bindings: Api<RoleBinding> = Api::namespaced(world.admin(), &world.namespace);
    bindings.delete(TENANT_ROLE, &DeleteParams::default()).await?;
    world.annotate("my-app", "reconcile.fluxcd.io/requestedAt", "1").await?;
    world.reason("my-app", "NamespaceNotGranted").await?;
    let watch = format!("watch secrets {}/ (200)", world.namespace);
    until(&world, &before, |answers| answers.contains(&watch), "the open watch did not end").await?;

    let after = world.audit_trail()?;
    let is_refused =
        |answers: &[String]| answers.iter().any(|answer| answer.contains("secrets") && answer.ends_with("(403)"));
    until(&world, &after, is_refused, "nobody looked again").await?;
    world.delete_secret("my-app").await?;
    let looks = world.passes().await?;
    world.until_passes(looks).await?;
    let answers = after.answered(&world.operator_user())?;
    let mut granted = answers.iter().filter(|answer| answer.contains(&world.namespace) && answer.contains(" secrets "));
    ensure(granted.all(|answer| answer.ends_with("(403)")), || format!("Secrets were read: {answers:?}"))?;
    ensure_eq(world.secret_if_any("my-app").await?, None, "the Secret that was deleted meanwhile")?;

    deployment::apply(&world.admin(), &tenant_binding(&world.namespace, &world.operator_namespace)).await?;
    world.ready_within("my-app", GRANTED).await?;
    ensure_eq(world.secret("my-app").await?, published, "the credentials")
}

/// Nobody asks for a look: the API server ends the watch after the time that it was asked for, lets no new one begin,
/// and that is told (F38). Here the time is shorter.
async fn a_grant_that_is_taken_back_is_told_when_the_watch_runs_out(world: Arc<World>) -> Outcome {
    world.user().await?;
    let server = world.operator_client().await?;
    let hurry = tower::service_fn(move |request: Request<Body>| {
        let server = server.clone();
        async move { server.send(hurried(request)?).await.map_err(BoxError::from) }
    });
    let client = Client::new(hurry, world.operator_namespace.clone());
    let transport = Arc::new(HttpTransport::new(HttpOptions::default())?);
    let seams = Seams { client, transport, clock: TestClock::new() };
    let operator = world.start_in_process_on(seams, LimitMode::Off)?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    operator.settle().await?;

    let bindings: Api<RoleBinding> = Api::namespaced(world.admin(), &world.namespace);
    bindings.delete(TENANT_ROLE, &DeleteParams::default()).await?;

    world.reason("my-app", "NamespaceNotGranted").await?;
    operator.stop().await
}

/// The same request; a watch on Secrets that would go on for the 50 seconds that operations.md speaks of is cut short.
fn hurried(mut request: Request<Body>) -> Result<Request<Body>, BoxError> {
    let uri = request.uri().to_string();
    if uri.contains("/secrets?") && uri.contains("watch=true") {
        let hurried = uri.replace(&format!("timeoutSeconds={A_WATCH}"), &format!("timeoutSeconds={A_SHORT_WATCH}"));
        if hurried == uri {
            return Err(format!("a watch is not asked for {A_WATCH} s: {uri}").into());
        }
        *request.uri_mut() = hurried.parse()?;
    }
    Ok(request)
}

/// Waits until the answers that the operator got fit.
async fn until(
    world: &World,
    trail: &testbed::harness::audit_trail::AuditTrail,
    fits: impl Fn(&[String]) -> bool,
    otherwise: &str,
) -> Outcome {
    let since = Instant::now();
    loop {
        let answers = trail.answered(&world.operator_user())?;
        if fits(&answers) {
            return Ok(());
        }
        ensure(since.elapsed() < PATIENCE, || format!("{otherwise}: {answers:?}"))?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Its limit for core files is zero for good, and the kernel keeps others of its user out of its memory (`H06`).
async fn a_crash_writes_no_memory_to_a_disk() -> Outcome {
    // Whoever listens here and says nothing keeps the operator waiting for its cluster.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    let program = folder.path().join("operator");
    fs::copy(binary()?, &program)?;
    let kubeconfig = folder.path().join("kubeconfig");
    let server = format!("https://{}", silent.local_addr()?);
    fs::write(&kubeconfig, cluster(&server))?;
    fs::set_permissions(&kubeconfig, Permissions::from_mode(0o644))?;
    let mut command = Command::new(&program);
    command.args(["run", "--http-address", "127.0.0.1:0"]).env_clear().env("KUBECONFIG", &kubeconfig);
    if geteuid().is_root() {
        // The kernel gives the files of a process that must not be dumped to root.
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
    let process = format!("/proc/{}", child.id().ok_or("the operator has ended")?);

    // When it calls, it has begun.
    let called = tokio::time::timeout(PATIENCE, silent.accept()).await;
    let _connection = called.map_err(|_| format!("the operator did not call within {PATIENCE:?}"))??;
    let limits = fs::read_to_string(format!("{process}/limits"))?;
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default();
    let words: Vec<&str> = core.split_whitespace().collect();
    ensure_eq(words.get(4..6), Some(&["0", "0"][..]), "soft and hard limit for core files")?;
    ensure_eq(fs::metadata(format!("{process}/environ"))?.uid(), 0, "the owner of the process's files")?;
    Ok(child.kill().await?)
}

fn cluster(server: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Config
clusters: [{{name: silent, cluster: {{server: '{server}', insecure-skip-tls-verify: true}}}}]
users: [{{name: none, user: {{}}}}]
contexts: [{{name: silent, context: {{cluster: silent, user: none}}}}]
current-context: silent
"
    )
}
