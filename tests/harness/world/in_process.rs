//! The operator inside this process, with a clock that can be put forward.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bunq_oauth_operator::{
    bunq::{
        BaseUrl, BaseUrlError, Endpoints, HttpOptions, HttpTransport, LimitMode, Request, Response, Transport,
        TransportError,
    },
    clock::Clock,
    controller::{self, Config, RunError},
    telemetry::Telemetry,
};
use futures::future::BoxFuture;
use jiff::SignedDuration;
use tokio::{
    sync::oneshot,
    task::{AbortHandle, JoinHandle},
};

use super::World;
use crate::harness::{
    TestClock,
    deployment::SERVICE_ACCOUNT,
    outcome::{Outcome, chain},
};

/// It looks at its clock every five seconds, and has five more to end.
const ENDED_WITHIN: Duration = Duration::from_secs(10);
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Passes that follow from a pass begin within this time.
const QUIET: Duration = Duration::from_millis(300);

/// The series of passes that ended, and of those under way.
const PASSES: &str = "controller_runtime_reconcile_total{";
const WORKING: &str = "controller_runtime_active_workers{";

/// How long an impatient operator waits for the bank; a call on this machine takes milliseconds.
pub const IMPATIENCE: Duration = Duration::from_secs(5);

/// The real transport with a shorter deadline, so that a bank that is silent costs seconds.
struct Impatient(HttpTransport);

impl Transport for Impatient {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        self.0.send(Request { deadline: IMPATIENCE.min(request.deadline), ..request })
    }
}

/// What the operator touches the world through.
pub struct Seams {
    /// The API server.
    pub client: kube::Client,
    /// The bank.
    pub transport: Arc<dyn Transport>,
    /// Time.
    pub clock: Arc<TestClock>,
}

/// A running operator; ended when dropped.
pub struct InProcess {
    clock: Arc<TestClock>,
    telemetry: Telemetry,
    sandbox: crate::sandbox::Sandbox,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), RunError>>,
    _ended: EndedWithIt,
}

struct EndedWithIt(AbortHandle);

impl Drop for EndedWithIt {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The real transport, as the program has it.
fn patient() -> Outcome<HttpTransport> {
    Ok(HttpTransport::new(HttpOptions { ca_pem: None })?)
}

impl World {
    /// Starts the operator inside this process, with the rights of its service account.
    pub async fn start_in_process(&self) -> Outcome<InProcess> {
        self.start_in_process_with(LimitMode::Off).await
    }

    /// The same, and the bank keeps its limits, and so does the operator.
    pub async fn start_in_process_within_limits(&self) -> Outcome<InProcess> {
        self.sandbox.limit(true);
        self.start_in_process_with(LimitMode::Bunq).await
    }

    /// The same, and it looks at this namespace, too.
    pub async fn start_in_process_within_limits_beside(&self, namespace: &str) -> Outcome<InProcess> {
        self.sandbox.limit(true);
        let transport = Arc::new(patient()?);
        let seams = Seams { client: self.operator_client().await?, transport, clock: TestClock::new() };
        let namespaces = vec![self.namespace.clone(), namespace.to_owned()];
        Ok(self.start_in_process_for(namespaces, seams, LimitMode::Bunq)?)
    }

    /// Starts it without the bank's limits; it waits for an answer no longer than [`IMPATIENCE`].
    pub async fn start_in_process_impatient(&self) -> Outcome<InProcess> {
        self.start_in_process_through(Arc::new(Impatient(patient()?)), LimitMode::Off).await
    }

    async fn start_in_process_with(&self, limits: LimitMode) -> Outcome<InProcess> {
        self.start_in_process_through(Arc::new(patient()?), limits).await
    }

    async fn start_in_process_through(&self, transport: Arc<dyn Transport>, limits: LimitMode) -> Outcome<InProcess> {
        let seams = Seams { client: self.operator_client().await?, transport, clock: TestClock::new() };
        Ok(self.start_in_process_on(seams, limits)?)
    }

    /// A client with the rights of the operator's service account.
    pub async fn operator_client(&self) -> Outcome<kube::Client> {
        Ok(self.bench.control_plane().client_for(&self.kubeconfig).await?)
    }

    /// Starts the operator on seams of the caller's.
    pub fn start_in_process_on(&self, seams: Seams, limits: LimitMode) -> Result<InProcess, BaseUrlError> {
        self.start_in_process_for(vec![self.namespace.clone()], seams, limits)
    }

    fn start_in_process_for(
        &self,
        watch_namespaces: Vec<String>,
        seams: Seams,
        limits: LimitMode,
    ) -> Result<InProcess, BaseUrlError> {
        let Seams { client, transport, clock } = seams;
        let bank = Endpoints::overridden(BaseUrl::parse(&self.sandbox.base_url())?);
        let config = Config {
            operator_namespace: self.operator_namespace.clone(),
            service_account: SERVICE_ACCOUNT.to_owned(),
            watch_namespaces,
            production: bank.clone(),
            sandbox: bank,
            limits,
            egress_ips: Vec::new(),
            device_description: "testbed".to_owned(),
            http_address: ([127, 0, 0, 1], 0).into(),
            leader_elect: false,
            pod_name: "testbed".to_owned(),
        };
        let monotonic = Arc::clone(&clock);
        let telemetry = Telemetry::new(move || monotonic.monotonic());
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            // Dropped or told: both mean the end.
            let _ = stopped.await;
        };
        let run = controller::run(config, client.into(), transport, clock.clone(), telemetry.clone(), stopped);
        let task = tokio::spawn(run);
        let ended = EndedWithIt(task.abort_handle());
        Ok(InProcess { clock, telemetry, sandbox: self.sandbox.clone(), stop, task, _ended: ended })
    }
}

impl InProcess {
    /// Lets time pass for the operator and for the bank, and waits until everything that had
    /// to happen has happened.
    pub async fn let_pass(&self, time: Duration) -> Outcome {
        let before = self.passes();
        self.sandbox.advance(time);
        self.clock.advance(time);
        self.until_passed(before).await
    }

    /// Makes the operator's wall clock wrong by this much, and waits until everything that follows from it
    /// has happened. No time passes.
    pub async fn mislead(&self, by: SignedDuration) -> Outcome {
        let before = self.passes();
        self.clock.mislead(by);
        self.until_passed(before).await
    }

    /// Waits until nothing has been going on for a moment.
    pub async fn settle(&self) -> Outcome {
        let since = Instant::now();
        let mut seen = (self.passes(), Instant::now());
        while seen.1.elapsed() < QUIET {
            if since.elapsed() > SETTLED_WITHIN {
                return Err(format!("the operator was still at work after {SETTLED_WITHIN:?}").into());
            }
            let text = self.metrics();
            let (passes, working) = (sum(&text, PASSES), sum(&text, WORKING));
            if passes != seen.0 || working > 0 {
                seen = (passes, Instant::now());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Waits until the world `fits`, and then until nothing goes on any more: a busy machine can rest for
    /// a moment in the middle.
    pub async fn settle_when(&self, what: &str, fits: impl Fn() -> bool) -> Outcome {
        let since = Instant::now();
        while !fits() {
            if since.elapsed() > SETTLED_WITHIN {
                return Err(format!("{what}: not within {SETTLED_WITHIN:?}").into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.settle().await
    }

    async fn until_passed(&self, before: u64) -> Outcome {
        let since = Instant::now();
        while self.passes() == before {
            if since.elapsed() > SETTLED_WITHIN {
                return Err("nothing was looked at after the clock was put forward".into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.settle().await
    }

    /// Passes that came to an end.
    #[must_use]
    pub fn passes(&self) -> u64 {
        self.sum_of(PASSES)
    }

    /// Whether it has seen every manifest.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.telemetry.readiness.is_ready()
    }

    /// Whether a pass is under way.
    #[must_use]
    pub fn is_working(&self) -> bool {
        self.sum_of(WORKING) > 0
    }

    /// The sum of all samples whose series begin like this.
    #[must_use]
    pub fn sum_of(&self, series: &str) -> u64 {
        sum(&self.metrics(), series)
    }

    /// Rendered whole: milliseconds of a processor, so nobody asks for it all the time.
    fn metrics(&self) -> String {
        self.telemetry.metrics.openmetrics().unwrap_or_default()
    }

    /// The value of the series that is written like this.
    #[must_use]
    pub fn value(&self, series: &str) -> Option<f64> {
        self.metrics().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    /// Ends it as the kernel would; returns when nothing of it runs any more.
    pub async fn kill(self) {
        self.task.abort();
        // Aborted, panicked or ended: all the same now.
        let _ = self.task.await;
    }

    /// Whether it has ended by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Breaks something that it cannot do without: its clock. Tells what it ended with.
    pub async fn break_down(self) -> Outcome<RunError> {
        self.clock.break_down();
        match tokio::time::timeout(ENDED_WITHIN, self.task).await {
            Ok(ended) => ended?.err().ok_or_else(|| "it ended as if it had been told to".into()),
            Err(_) => Err(format!("it went on for {ENDED_WITHIN:?}").into()),
        }
    }

    /// Ends it in order.
    pub async fn stop(self) -> Outcome {
        let Self { stop, task, _ended, .. } = self;
        // It may have ended by itself; then the task says why.
        let _ = stop.send(());
        task.await?.map_err(|error| chain(&error).into())
    }
}

fn sum(text: &str, series: &str) -> u64 {
    let samples = text.lines().filter(|line| line.starts_with(series));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}
