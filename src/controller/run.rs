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
use tokio::{sync::watch, task::JoinSet};

use super::{
    census,
    context::{Banks, Config, Operator},
    listen::listen,
    reconcile::reconcile,
    sweep,
    wake::Waker,
};
use crate::{
    api::BunqOAuthClient,
    bunq::{Bank, Transport},
    clock::SharedClock,
    telemetry::{self, Telemetry},
};

/// Objects worked on at the same time (D16).
const CONCURRENCY: u16 = 32;
/// For a pass that is under way when the process is told to stop.
const DRAIN: Duration = Duration::from_secs(20);
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
    /// The API server does not answer.
    #[error("reach the API server")]
    Reach {
        /// Its answer, or none.
        #[source]
        source: Box<kube::Error>,
    },
    /// A task that must never end has ended.
    #[error("keep {task} running: it ended")]
    TaskEnded {
        /// Which task.
        task: &'static str,
    },
}

/// Runs until `shutdown` resolves, then lets the passes under way come to an end.
pub async fn run(
    config: Config,
    client: Client,
    transport: Arc<dyn Transport>,
    clock: SharedClock,
    telemetry: Telemetry,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    let address = config.http_address;
    let endpoint = telemetry::http::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
    tracing::info!(http_address = %endpoint.address(), "serving /livez, /readyz and /metrics");
    reach(&client).await?;

    let (stop, stopped) = watch::channel(false);
    let readiness = telemetry.readiness.clone();
    tokio::spawn(async move {
        shutdown.await;
        readiness.shutting_down();
        // Nobody listens only when everything has ended already.
        let _ = stop.send(true);
    });
    let banks = banks(&config, &transport);
    let (store, writer) = reflector::store();
    let (waker, wanted) = Waker::new();
    let (deleted, deletions) = mpsc::unbounded();
    let objects = objects(&config, &client, writer, &telemetry, deleted);
    let operator = Operator::new(config, Arc::clone(&clock), telemetry.clone(), client, store.clone(), banks, waker);
    telemetry.metrics.max_concurrent_reconciles(CONCURRENCY);

    let mut tasks = JoinSet::new();
    tasks.spawn(supervised(&telemetry, "sweeper", sweep::run(Arc::clone(&operator), deletions)));
    tasks.spawn(supervised(&telemetry, "census", census::run(Arc::clone(&operator))));
    tasks.spawn(supervised(&telemetry, "health", endpoint.serve(telemetry.clone(), std::future::pending())));
    let passes = Controller::for_stream(objects, store)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .reconcile_on(wanted)
        // Timers that were set before the clock jumped are late (`F37`).
        .reconcile_all_on(stream::unfold(clock.jumps(), next_jump))
        .graceful_shutdown_on(until(stopped.clone()))
        .run(reconcile, |_, error, _| -> Action { match *error {} }, operator)
        .for_each(|_| std::future::ready(()));

    let ended = tokio::select! {
        () = passes => None,
        task = tasks.join_next() => task.and_then(Result::ok).or(Some("a task that panicked")),
        () = overdue(stopped.clone()) => None,
    };
    match ended {
        Some(task) if !*stopped.borrow() => Err(RunError::TaskEnded { task }),
        None if !*stopped.borrow() => Err(RunError::TaskEnded { task: "the controller" }),
        Some(_) | None => Ok(()),
    }
}

/// A core task: when it ends, /livez fails and the process ends (`L7`).
fn supervised(
    telemetry: &Telemetry,
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = &'static str> + Send + 'static {
    let alive = telemetry.liveness.task(name);
    async move {
        task.await;
        drop(alive);
        name
    }
}

/// One plain question, so that a cluster that cannot be reached is told at once and in one line.
async fn reach(client: &Client) -> Result<(), RunError> {
    let version = client.apiserver_version().await.map_err(|source| RunError::Reach { source: Box::new(source) })?;
    tracing::info!(kubernetes = version.git_version, "reached the API server");
    Ok(())
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // The sender lives in a task that ends only after it has sent.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Passes that do not end in time are dropped: the next process goes on from the journal.
async fn overdue(stopped: watch::Receiver<bool>) {
    until(stopped).await;
    let _ = tokio::time::timeout(DRAIN, std::future::pending::<()>()).await;
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
    telemetry: &Telemetry,
    deleted: mpsc::UnboundedSender<()>,
) -> impl Stream<Item = Result<BunqOAuthClient, watcher::Error>> + Send + 'static {
    let ready = telemetry.readiness.handle("watch");
    let namespaces = config.watch_namespaces.clone();
    // Rights on objects are cluster-wide (D14), so several namespaces are one watch and a filter.
    let api = match namespaces.as_slice() {
        [namespace] => Api::namespaced(client.clone(), namespace),
        _ => Api::all(client.clone()),
    };
    listen(api)
        .default_backoff()
        .try_filter(move |event| std::future::ready(is_watched(&namespaces, event)))
        .modify(strip)
        // Before anybody is told: the sweeper asks the store who lives.
        .reflect(writer)
        .inspect(move |event| match event {
            Ok(Event::Delete(_)) => drop(deleted.unbounded_send(())),
            Ok(Event::InitDone) => {
                ready.set_ready();
                drop(deleted.unbounded_send(()));
            }
            Ok(Event::Apply(_) | Event::Init | Event::InitApply(_)) => {}
            Err(error) => tracing::warn!(%error, "objects cannot be watched; trying again"),
        })
        .applied_objects()
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
