//! The process, from its start to its end.
//!
//! | file | holds |
//! |---|---|
//! | `wiring` | builds the parts, and hands each what it needs |
//! | `tasks` | tasks that must never end |

mod tasks;
mod wiring;

use std::{future::Future, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use kube::runtime::{
    Controller,
    controller::{self, Action},
    reflector,
};
use thiserror::Error;
use tokio::sync::{oneshot, watch};

use self::{
    tasks::{Ended, Tasks},
    wiring::{Wiring, World},
};
use super::{
    api_server::{ApiServer, until_served},
    config::Config,
    lead::Leadership,
    manifests,
    pass::reconcile,
};
use crate::{
    bunq::Transport,
    clock::{self, SharedClock},
    telemetry::{self, Heartbeat, Telemetry},
};

/// Objects worked on at the same time (D16).
const CONCURRENCY: u16 = 32;
/// For the effect of each pass that is under way when the process is told to stop.
const DRAIN: Duration = Duration::from_secs(20);
/// For giving the lease back.
const RESIGN: Duration = Duration::from_secs(4);
/// The clock is looked at more often than this.
const STALE_CLOCK: Duration = Duration::from_mins(1);

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
        () = until_served(&config.watch_namespaces, &client) => {}
        () = until(stopped.clone()) => return Ok(()),
    }

    let leadership =
        if config.leader_elect { Leadership::none(Arc::clone(&clock)) } else { Leadership::always(Arc::clone(&clock)) };
    let (store, writer) = reflector::store();
    let (listed, is_listed) = watch::channel(false);
    let caught_up = move || {
        ready.set_ready();
        listed.send_replace(true);
    };
    let is_electing = config.leader_elect;
    let namespaces = config.watch_namespaces.clone();
    let world = World { api_server, transport, clock: Arc::clone(&clock), telemetry: telemetry.clone() };
    let (wiring, asked) = Wiring::new(config, world, Arc::clone(&leadership), stopped.clone(), store.clone());
    let objects = manifests::watched(namespaces, &client, writer, caught_up, wiring.objects());
    telemetry.metrics.max_concurrent_reconciles(CONCURRENCY);

    tasks.spawn("sweeper", wiring.sweeper().run(asked.sweeps));
    tasks.spawn("census", wiring.census().run());
    let (resign, resigning) = oneshot::channel();
    if is_electing {
        tasks.spawn("lease", wiring.candidate(client, is_listed).run(resigning));
    }
    // Timers that were set before the clock jumped are late (`F37`), and an election changes everything.
    let everything = stream::select(stream::unfold(clock.jumps(), next_jump), leadership.elections());
    let passes = Controller::for_stream(objects, store)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .reconcile_on(asked.passes)
        .reconcile_all_on(everything)
        .graceful_shutdown_on(until(stopped.clone()))
        .run(reconcile, |_, error, _| -> Action { match *error {} }, Arc::new(wiring.frame()))
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
    failure.map_or(Ok(()), |Ended { task, how }| Err(RunError::TaskEnded { task, how }))
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

/// Yields once per jump of the clock.
async fn next_jump(mut jumps: watch::Receiver<u64>) -> Option<((), watch::Receiver<u64>)> {
    jumps.changed().await.ok().map(|()| ((), jumps))
}
