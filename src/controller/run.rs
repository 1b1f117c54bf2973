//! Wires the streams together and runs until told to stop.

use std::{future::Future, sync::Arc, time::Duration};

use futures::{Stream, StreamExt, TryStreamExt, channel::mpsc, stream};
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        Controller, Predicate, PredicateConfig, WatchStreamExt,
        controller::{self, Action},
        predicates, reflector,
        watcher::{self, Event},
    },
};
use thiserror::Error;
use tokio::sync::{oneshot, watch};

use super::{
    api_server::ApiServer,
    census,
    context::{Banks, Config, Operator, Seams, Signals},
    leadership::{Fenced, Leadership},
    lease::Candidate,
    listen::listen,
    reconcile::reconcile,
    supervise::Tasks,
    sweep,
    waiting::until_served,
    wake::Waker,
    watching::Pauses,
};
use crate::{
    api::BunqOAuthClient,
    bunq::{Bank, Transport},
    clock::{self, SharedClock},
    telemetry::{self, Heartbeat, Telemetry},
};

/// Objects worked on at the same time (D16).
const CONCURRENCY: u16 = 32;
/// For the effect of each pass that is under way when the process is told to stop.
const DRAIN: Duration = Duration::from_secs(20);
/// Between two attempts to watch, at most: everything waits for this watch.
const WATCH_PAUSE: Duration = Duration::from_secs(2);
/// For giving the lease back.
const RESIGN: Duration = Duration::from_secs(4);
/// The clock is looked at more often than this.
const STALE_CLOCK: Duration = Duration::from_mins(1);
/// Where kubectl keeps the whole manifest once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Why the operator cannot run.
#[derive(Debug, Error)]
pub enum RunError {
    /// Health and metrics have no address.
    #[error("listen on {address}")]
    Listen {
        /// The configured address.
        address: std::net::SocketAddr,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A task that must never end has ended.
    #[error("keep {task} running: it {how}")]
    TaskEnded {
        /// Which task.
        task: &'static str,
        /// How.
        how: &'static str,
    },
}

/// Runs until `shutdown` resolves; then passes stop before their next effect, and the lease is given back.
pub async fn run(
    config: Config,
    api_server: ApiServer,
    transport: Arc<dyn Transport>,
    clock: SharedClock,
    telemetry: Telemetry,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    let client = api_server.client().clone();
    let address = config.http_address;
    let endpoint = telemetry::http::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
    tracing::info!(http_address = %endpoint.address(), "serving /livez, /readyz and /metrics");
    let mut tasks = Tasks::new(&telemetry);
    // Until the watch has seen everything.
    let ready = telemetry.readiness.handle("watch");
    tasks.spawn("health", endpoint.serve(telemetry.clone(), std::future::pending()));
    tasks.spawn("clock", watch_clock(Arc::clone(&clock), telemetry.liveness.heartbeat("ticks", STALE_CLOCK)));

    let (stop, stopped) = watch::channel(false);
    let readiness = telemetry.readiness.clone();
    tokio::spawn(async move {
        shutdown.await;
        readiness.shutting_down();
        // Nobody listens only when everything has ended already.
        let _ = stop.send(true);
    });
    tokio::select! {
        () = until_served(&config, &client) => {}
        () = until(stopped.clone()) => return Ok(()),
    }

    let leadership =
        if config.leader_elect { Leadership::none(Arc::clone(&clock)) } else { Leadership::always(Arc::clone(&clock)) };
    let banks = banks(&config, &(Fenced::new(Arc::clone(&leadership), transport) as Arc<dyn Transport>));
    let (store, writer) = reflector::store();
    let (waker, wanted) = Waker::new();
    let (deleted, deletions) = mpsc::unbounded();
    let (listed, is_listed) = watch::channel(false);
    let caught_up = move || {
        ready.set_ready();
        listed.send_replace(true);
    };
    let objects = objects(&config, &client, writer, caught_up, deleted.clone());
    let is_electing = config.leader_elect;
    let operator = Operator::new(
        config,
        Seams { api_server, clock: Arc::clone(&clock), telemetry: telemetry.clone(), banks },
        Signals { leadership: Arc::clone(&leadership), stopped: stopped.clone(), deleted },
        store.clone(),
        waker,
    );
    telemetry.metrics.max_concurrent_reconciles(CONCURRENCY);

    tasks.spawn("sweeper", sweep::run(Arc::clone(&operator), deletions));
    tasks.spawn("census", census::run(Arc::clone(&operator)));
    let (resign, resigning) = oneshot::channel();
    if is_electing {
        tasks.spawn("lease", Candidate::new(Arc::clone(&operator), client, is_listed).run(resigning));
    }
    // Timers that were set before the clock jumped are late (`F37`), and an election changes everything.
    let everything = stream::select(stream::unfold(clock.jumps(), next_jump), leadership.elections());
    let passes = Controller::for_stream(objects, store)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .reconcile_on(wanted)
        .reconcile_all_on(everything)
        .graceful_shutdown_on(until(stopped.clone()))
        .run(reconcile, |_, error, _| -> Action { match *error {} }, operator)
        .for_each(|_| std::future::ready(()));
    tasks.spawn("watch", passes);

    let ended = tokio::select! {
        ended = tasks.next() => Some(ended),
        () = overdue(stopped.clone()) => None,
    };
    let failure = ended.filter(|_| !*stopped.borrow());
    // Passes that did not end in time are dropped, and nothing of theirs reaches the bank any more: the next
    // process goes on from the journal.
    leadership.end();
    if is_electing && resign.send(()).is_ok() {
        let _ = tokio::time::timeout(RESIGN, tasks.until_ended("lease")).await;
    }
    failure.map_or(Ok(()), Err)
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // The sender lives in a task that ends only after it has sent.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn overdue(stopped: watch::Receiver<bool>) {
    until(stopped).await;
    clock::pause(DRAIN).await;
}

/// Looks at the clock again and again, and shows that timers come by.
async fn watch_clock(clock: SharedClock, ticks: Heartbeat) {
    loop {
        clock.check();
        ticks.beat();
        clock::pause(clock::CHECK_EVERY).await;
    }
}

fn banks(config: &Config, transport: &Arc<dyn Transport>) -> Banks {
    let agent = format!("bunq-oauth-operator/{}", telemetry::VERSION);
    let bank = |endpoints: &crate::bunq::Endpoints| Bank::new(endpoints.clone(), Arc::clone(transport), &agent);
    Banks { production: bank(&config.production), sandbox: bank(&config.sandbox) }
}

/// The objects of all watched namespaces: kept in the store, told to the sweeper when they go.
fn objects(
    config: &Config,
    client: &Client,
    writer: reflector::store::Writer<BunqOAuthClient>,
    caught_up: impl Fn() + Send + 'static,
    deleted: mpsc::UnboundedSender<()>,
) -> impl Stream<Item = Result<BunqOAuthClient, watcher::Error>> + Send + 'static {
    let namespaces = config.watch_namespaces.clone();
    // Rights on objects are cluster-wide (D14), so several namespaces are one watch and a filter.
    let api = match namespaces.as_slice() {
        [namespace] => Api::namespaced(client.clone(), namespace),
        _ => Api::all(client.clone()),
    };
    let mut told = None;
    listen(api)
        .backoff(Pauses::up_to(WATCH_PAUSE))
        .try_filter(move |event| std::future::ready(is_watched(&namespaces, event)))
        .modify(strip)
        // Before anybody is told: the sweeper asks the store who lives.
        .reflect(writer)
        .inspect(move |event| match event {
            Ok(Event::Delete(_)) => {
                told = None;
                drop(deleted.unbounded_send(()));
            }
            Ok(Event::InitDone) => {
                told = None;
                caught_up();
                drop(deleted.unbounded_send(()));
            }
            Ok(Event::Apply(_)) => told = None,
            Ok(Event::Init | Event::InitApply(_)) => {}
            // Each trouble once.
            Err(error) => {
                let error = telemetry::chain(error);
                if told.as_ref() != Some(&error) {
                    tracing::warn!(error, "objects cannot be watched; trying again");
                }
                told = Some(error);
            }
        })
        .applied_objects()
        // The controller would pause for an error that it sees, and with it all that others ask for (D15).
        .filter(|object| std::future::ready(object.is_ok()))
        .predicate_filter(
            // Our own status writes change none of these; a finalizer or an annotation bumps no generation.
            predicates::generation.combine(predicates::annotations).combine(predicates::finalizers),
            PredicateConfig::default(),
        )
}

/// Keeps in memory what is asked of it: names, the spec, reasons. A pass reads the object itself.
fn strip(object: &mut BunqOAuthClient) {
    object.metadata.managed_fields = None;
    object.annotations_mut().remove(LAST_APPLIED);
    if let Some(status) = &mut object.status {
        for condition in &mut status.conditions {
            condition.message = String::new();
        }
        status.redirect_urls = Vec::new();
        status.authorization_url = None;
    }
}

fn is_watched(namespaces: &[String], event: &Event<BunqOAuthClient>) -> bool {
    match event {
        Event::Apply(object) | Event::Delete(object) | Event::InitApply(object) => {
            namespaces.is_empty() || object.namespace().is_some_and(|namespace| namespaces.contains(&namespace))
        }
        Event::Init | Event::InitDone => true,
    }
}

/// Yields once per jump of the clock.
async fn next_jump(mut jumps: watch::Receiver<u64>) -> Option<((), watch::Receiver<u64>)> {
    jumps.changed().await.ok().map(|()| ((), jumps))
}
