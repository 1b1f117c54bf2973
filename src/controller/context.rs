//! What every pass shares.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    future::Future,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::channel::mpsc;
use jiff::Timestamp;
use kube::{
    Api, Client, ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use secrecy::SecretString;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::{
    api_server::ApiServer, claim::Claims, context_store::ContextStore, error::Stop, events::Recorders,
    leadership::Leadership, login::Caller, secret_watch::SecretWatches, status, wake::Waker, windows::Windows,
};
use crate::{
    api::BunqOAuthClient,
    bunq::{Bank, Breaker, Call, Class, Endpoints, Environment, LimitMode, Limiter, Priority},
    clock::SharedClock,
    plan,
    telemetry::{Telemetry, Work, metrics::BankCall},
};

/// No pass takes so long: each has a deadline of 2 minutes.
const STUCK: Duration = Duration::from_secs(150);
/// Calls to the bank at the same time, at most (D16).
const BANK_CALLS: usize = 8;

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// Holds claims and contexts.
    pub operator_namespace: String,
    /// The service account that a tenant grants access to, for the message that says so.
    pub service_account: String,
    /// Where manifests are looked at; empty: everywhere.
    pub watch_namespaces: Vec<String>,
    /// Where the bank of real money lives.
    pub production: Endpoints,
    /// Where the bank's playground lives.
    pub sandbox: Endpoints,
    /// Whether the bank's limits are kept.
    pub limits: LimitMode,
    /// Sent as `permitted_ips`; empty: the bank binds the caller's address (protocol §8).
    pub egress_ips: Vec<Ipv4Addr>,
    /// What the account owner sees in the app.
    pub device_description: String,
    /// Health and metrics.
    pub http_address: SocketAddr,
    /// Whether replicas elect one that works.
    pub leader_elect: bool,
    /// What the Lease shows as its holder, before a random suffix.
    pub pod_name: String,
}

impl Config {
    /// The default bind address of health and metrics.
    #[must_use]
    pub fn default_http_address() -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080)
    }
}

/// What is remembered of an object between passes; losing it costs one read at the bank.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// The last read that ended as declared.
    pub(crate) verified: Option<Verified>,
    /// The last pair that a verified read carried; wiped on drop.
    pub(crate) pair: Option<Pair>,
    /// The names of the output Secrets that were written: the status tells of the last one only
    /// when its pass came to an end.
    pub(crate) outputs: BTreeSet<String>,
    /// Passes that failed in a row.
    pub(crate) failures: u32,
    /// Since when the bank's signatures have been invalid.
    pub(crate) distrusted_since: Option<Timestamp>,
    /// The bank came back: the next pass does not wait for its back-off.
    pub(crate) released: bool,
    /// The last pass panicked.
    pub(crate) panicked: bool,
}

/// A read that ended as declared, and when.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    pub(crate) at: Timestamp,
    pub(crate) cause: plan::Cause,
    pub(crate) client: plan::Client,
    pub(crate) bound_ip: Option<String>,
}

/// A `client_id` and its secret, from one verified read.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) client_id: String,
    pub(crate) secret: SecretString,
}

/// What every pass shares.
pub(crate) struct Operator {
    pub(crate) config: Config,
    pub(crate) clock: SharedClock,
    pub(crate) telemetry: Telemetry,
    pub(crate) client: Client,
    pub(crate) store: Store<BunqOAuthClient>,
    pub(crate) contexts: ContextStore,
    pub(crate) claims: Claims,
    pub(crate) watches: SecretWatches,
    pub(crate) waker: Waker,
    pub(crate) limiter: Limiter,
    pub(crate) breaker: Breaker,
    pub(crate) recorders: Recorders,
    pub(crate) banks: Banks,
    /// Whether this process may work.
    pub(crate) leadership: Arc<Leadership>,
    /// True once the process was told to end.
    pub(crate) stopped: watch::Receiver<bool>,
    pub(crate) deleted: mpsc::UnboundedSender<()>,
    pub(crate) windows: Windows,
    /// Shows that no pass takes for ever.
    pub(crate) workers: Work,
    bank_slots: Semaphore,
    memories: Mutex<HashMap<String, Box<Memory>>>,
}

/// One bank per environment.
pub(crate) struct Banks {
    pub(crate) production: Bank,
    pub(crate) sandbox: Bank,
}

/// What an operator touches the world through.
pub(crate) struct Seams {
    pub(crate) api_server: ApiServer,
    pub(crate) clock: SharedClock,
    pub(crate) telemetry: Telemetry,
    pub(crate) banks: Banks,
}

/// What tells it whether to work.
pub(crate) struct Signals {
    pub(crate) leadership: Arc<Leadership>,
    /// True once the process was told to end.
    pub(crate) stopped: watch::Receiver<bool>,
    /// Asks for a sweep.
    pub(crate) deleted: mpsc::UnboundedSender<()>,
}

impl Operator {
    pub(crate) fn new(
        config: Config,
        seams: Seams,
        signals: Signals,
        store: Store<BunqOAuthClient>,
        waker: Waker,
    ) -> Arc<Self> {
        let Seams { api_server, clock, telemetry, banks } = seams;
        let client = api_server.client().clone();
        let Signals { leadership, stopped, deleted } = signals;
        for environment in Environment::ALL {
            telemetry.metrics.knows_environment(environment.as_str());
        }
        Arc::new(Self {
            contexts: ContextStore::new(client.clone(), &config.operator_namespace),
            claims: Claims::new(client.clone(), &config.operator_namespace),
            watches: SecretWatches::new(api_server, store.clone(), waker.clone()),
            limiter: Limiter::new(config.limits),
            breaker: Breaker::default(),
            recorders: Recorders::new(client.clone()),
            windows: Windows::new(clock.monotonic()),
            workers: telemetry.liveness.work("workers", STUCK),
            bank_slots: Semaphore::new(BANK_CALLS),
            memories: Mutex::default(),
            leadership,
            stopped,
            deleted,
            config,
            clock,
            telemetry,
            client,
            store,
            waker,
            banks,
        })
    }

    /// Another process led until now: what this one remembers of an earlier term may be out of date.
    pub(crate) async fn take_over(&self) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.contexts.forget_all().await;
        self.windows.begin(self.clock.monotonic()).await;
    }

    /// An object that went while a pass held its claim: the claim may be younger than the sweep that its deletion
    /// asked for.
    pub(crate) fn sweep_if_gone(&self, object: &BunqOAuthClient) {
        let known = self.store.get(&ObjectRef::from_obj(object));
        if known.is_none_or(|known| known.uid() != object.uid()) {
            // It fails only while the process ends.
            let _ = self.deleted.unbounded_send(());
        }
    }

    /// Whether the next effect may begin; asked between any two of them (`F10`).
    pub(crate) fn go_on(&self) -> Result<(), Stop> {
        if *self.stopped.borrow() { Err(Stop::Ending) } else { Ok(()) }
    }

    pub(crate) fn bank(&self, environment: Environment) -> &Bank {
        match environment {
            Environment::Production => &self.banks.production,
            Environment::Sandbox => &self.banks.sandbox,
        }
    }

    /// The bank as this caller talks to it: what changes something there is noted in the caller's name.
    pub(crate) fn bank_for(&self, caller: &Caller, environment: Environment) -> Bank {
        self.bank(environment).audited_by(caller.author.clone())
    }

    pub(crate) fn objects(&self, namespace: &str) -> Api<BunqOAuthClient> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Takes a slot in the bank's window, or says when to come back; never waits for it (D16).
    pub(crate) async fn take_turn(
        &self,
        who: &str,
        environment: Environment,
        call: Call,
        priority: Priority,
    ) -> Result<(), Stop> {
        if !self.breaker.closed_in(environment, self.clock.monotonic()).is_zero() {
            return Err(Stop::Outage);
        }
        self.follow_earlier_process().await?;
        let wait = self.limiter.reserve(who, environment, call, priority, self.clock.monotonic());
        if wait.is_zero() {
            self.telemetry.metrics.limiter_waited_for(self.limiter.drain_waited());
            // While the bank is away, this makes the call the probe.
            return match self.breaker.admit(environment, self.clock.monotonic()) {
                Duration::ZERO => Ok(()),
                _ => Err(Stop::Outage),
            };
        }
        self.telemetry.metrics.limiter_waited();
        let until = self.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        Err(Stop::Limit { until, call: call.to_string() })
    }

    /// One of the few calls that may be under way at the same time.
    pub(crate) async fn bank_slot(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed; if it were, the calls would merely not be counted.
        self.bank_slots.acquire().await.ok()
    }

    /// Counts a call's outcome and tells everybody when the bank throttles.
    pub(crate) async fn timed<T>(
        &self,
        environment: Environment,
        call: Call,
        answer: impl Future<Output = Result<T, crate::bunq::Error>>,
    ) -> Result<T, Stop> {
        let sent = self.clock.monotonic();
        let result = answer.await;
        if result.as_ref().is_err_and(crate::bunq::Error::is_withheld) {
            return Err(Stop::Withheld);
        }
        let failure = result.as_ref().err().map(crate::bunq::Error::class);
        self.count(environment, call, failure, self.clock.monotonic().saturating_sub(sent));
        if self.breaker.report(environment, failure, self.clock.monotonic()) {
            self.release(environment);
        }
        self.telemetry.metrics.breaker(environment.as_str(), self.breaker.is_open(environment));
        if let Err(crate::bunq::Error::Throttle { retry_after, .. }) = &result {
            self.limiter.throttled(environment, call, self.clock.monotonic() + *retry_after);
        }
        result.map_err(|source| Stop::Bank { source })
    }

    fn count(&self, environment: Environment, call: Call, failure: Option<Class>, took: Duration) {
        let metrics = &self.telemetry.metrics;
        let environment = environment.as_str();
        let outcome = failure.map_or("success", outcome);
        let (method, endpoint) = (call.method().as_str(), call.template());
        metrics.bank_call(BankCall { environment, method, endpoint, outcome }, took);
        if failure == Some(Class::Unverified) {
            metrics.bank_answer_unverified(environment);
        }
    }

    /// The bank is back: everybody who waited for it comes, spread by the limiter.
    fn release(&self, environment: Environment) {
        tracing::info!(environment = environment.as_str(), "the bank is back");
        let waits = |object: &BunqOAuthClient| object.status.as_ref().is_some_and(status::tells_of_an_outage);
        for object in self.store.state_filter(waits) {
            self.remember(&object.uid().unwrap_or_default(), |memory| {
                memory.released = true;
                memory.failures = 0;
            });
            self.waker.wake(&object);
        }
    }

    pub(crate) fn remember<T>(&self, uid: &str, change: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        change(memories.entry(uid.to_owned()).or_default())
    }

    /// A pass ended in order; nothing is remembered of an object because of that alone.
    pub(crate) fn calmed(&self, uid: &str) {
        if let Some(memory) = self.memories.lock().unwrap_or_else(PoisonError::into_inner).get_mut(uid) {
            memory.panicked = false;
        }
    }

    pub(crate) fn forget(&self, uid: &str) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// Wipes what is remembered of objects that are gone.
    pub(crate) fn forget_gone(&self) {
        let living: HashSet<String> = self.store.state().iter().filter_map(|object| object.uid()).collect();
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| living.contains(uid));
    }
}

/// The label of the metric: a closed set.
fn outcome(class: Class) -> &'static str {
    match class {
        Class::Credentials => "credentials",
        Class::Session => "session",
        Class::NotFound => "not_found",
        Class::MethodNotAllowed => "method_not_allowed",
        Class::Refused => "refused",
        Class::DeviceExists => "device_exists",
        Class::UserSessionExists => "user_session_exists",
        Class::Throttled { .. } => "throttled",
        Class::Unavailable => "unavailable",
        Class::Unexpected => "unexpected",
        Class::Unverified => "unverified",
        Class::Malformed => "malformed",
        Class::Network { .. } => "network",
        Class::Local => "local",
    }
}
