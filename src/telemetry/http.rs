//! The HTTP endpoint: `/livez`, `/readyz` (both with `?verbose`) and `/metrics`.
//!
//! Probes and scrapes are short, so each connection serves one request and ends at a deadline. Where too many are
//! open, the one that was silent longest makes room: whatever hangs on the port, a probe is answered at once.

use std::{
    collections::VecDeque,
    fmt::Write,
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::IntoResponse,
    routing::get,
    serve::Listener,
};
use hyper::{
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinSet, yield_now},
    time::timeout,
};

use super::Telemetry;

/// How long peers are waited for.
#[derive(Debug, Clone, Copy)]
struct Deadlines {
    /// For a request's headers to arrive.
    header: Duration,
    /// For a whole connection.
    connection: Duration,
    /// For open connections to finish when the server stops.
    drain: Duration,
}

const DEADLINES: Deadlines =
    Deadlines { header: Duration::from_secs(5), connection: Duration::from_secs(10), drain: Duration::from_secs(1) };

/// Connections that are open at once.
const MAX_CONNECTIONS: usize = 64;
/// Requests carry nothing but headers.
const MAX_HEADER_BYTES: usize = 16 * 1024;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// A bound endpoint that does not answer yet.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
    deadlines: Deadlines,
}

/// Binds the endpoint. Port 0 takes any free one; [`Endpoint::address`] tells which.
pub async fn bind(address: SocketAddr) -> io::Result<Endpoint> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok(Endpoint { listener, address, deadlines: DEADLINES })
}

/// Binds the endpoint and serves it until `shutdown`.
pub async fn serve(address: SocketAddr, telemetry: Telemetry, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    bind(address).await?.serve(telemetry, shutdown).await;
    Ok(())
}

impl Endpoint {
    /// The address it is bound to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`; then open connections get a second to finish.
    pub async fn serve(self, telemetry: Telemetry, shutdown: impl Future<Output = ()>) {
        let Self { mut listener, deadlines, .. } = self;
        let service = TowerToHyperService::new(router(telemetry));
        let mut connections = Connections::default();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let (stream, _peer) = tokio::select! {
                () = &mut shutdown => break,
                // The listener logs and retries errors of `accept` by itself.
                accepted = Listener::accept(&mut listener) => accepted,
            };
            let (service, asked) = (service.clone(), Arc::new(AtomicBool::new(false)));
            let has_asked = Arc::clone(&asked);
            let answering = service_fn(move |request| {
                asked.store(true, Ordering::Relaxed);
                service.call(request)
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(deadlines.header)
                .max_buf_size(MAX_HEADER_BYTES)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answering);
            connections.open(has_asked, async move {
                // A peer that went away or was too slow is no news to anyone.
                let _ = timeout(deadlines.connection, connection).await;
            });
            // Whoever sent a request along is heard before many that say nothing take its place.
            yield_now().await;
        }
        drop(listener);
        let drained = async { while connections.tasks.join_next().await.is_some() {} };
        let _ = timeout(deadlines.drain, drained).await;
    }
}

/// The connections that are open.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// The oldest first.
    peers: VecDeque<Peer>,
}

/// One of them.
struct Peer {
    /// Whether its request has arrived.
    has_asked: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Connections {
    /// One more. Where there are too many, the oldest without a request is closed, else the oldest.
    fn open(&mut self, has_asked: Arc<AtomicBool>, connection: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.peers.retain(|peer| !peer.task.is_finished());
        if self.peers.len() >= MAX_CONNECTIONS {
            let silent = self.peers.iter().position(|peer| !peer.has_asked.load(Ordering::Relaxed));
            if let Some(peer) = self.peers.remove(silent.unwrap_or(0)) {
                peer.task.abort();
            }
        }
        let task = self.tasks.spawn(connection);
        self.peers.push_back(Peer { has_asked, task });
    }
}

fn router(telemetry: Telemetry) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(telemetry)
}

type Answer = (StatusCode, [(HeaderName, &'static str); 1], String);

async fn livez(State(telemetry): State<Telemetry>, RawQuery(query): RawQuery) -> Answer {
    let failed = telemetry.liveness.failed();
    let checks = telemetry.liveness.names().into_iter().map(|name| {
        let fault = failed.iter().find(|check| check.name == name);
        (name, fault.map(|check| check.reason.clone()))
    });
    verdict("livez", checks.collect(), verbose(query.as_deref()))
}

async fn readyz(State(telemetry): State<Telemetry>, RawQuery(query): RawQuery) -> Answer {
    let checks = telemetry.readiness.checks().into_iter();
    let checks = checks.map(|(name, ready)| (name, (!ready).then(|| "not yet".to_owned())));
    verdict("readyz", checks.collect(), verbose(query.as_deref()))
}

fn verbose(query: Option<&str>) -> bool {
    let mut pairs = query.unwrap_or_default().split('&');
    pairs.any(|pair| pair.split('=').next() == Some("verbose"))
}

/// `ok`, or one line per check as kube-apiserver writes them; a failure is always told in full.
fn verdict(probe: &str, checks: Vec<(&str, Option<String>)>, verbose: bool) -> Answer {
    let passed = checks.iter().all(|(_, fault)| fault.is_none());
    let status = if passed { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut body = String::new();
    if passed && !verbose {
        body.push_str("ok\n");
        return (status, [(header::CONTENT_TYPE, TEXT)], body);
    }
    for (name, fault) in checks {
        // Writing to a String cannot fail.
        let _ = match fault {
            None => writeln!(body, "[+]{name} ok"),
            Some(reason) => writeln!(body, "[-]{name} failed: {reason}"),
        };
    }
    let end = if passed { "passed" } else { "failed" };
    let _ = writeln!(body, "{probe} check {end}");
    (status, [(header::CONTENT_TYPE, TEXT)], body)
}

async fn metrics(State(telemetry): State<Telemetry>, headers: HeaderMap) -> impl IntoResponse {
    let metrics = &telemetry.metrics;
    let (kind, text) = if prefers_openmetrics(&headers) {
        (OPENMETRICS, metrics.openmetrics())
    } else {
        (PROMETHEUS, metrics.prometheus_text())
    };
    text.map_or_else(
        |_| {
            let body = "the metrics could not be written\n".to_owned();
            (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, TEXT)], body)
        },
        |body| (StatusCode::OK, [(header::CONTENT_TYPE, kind)], body),
    )
}

/// Whether `Accept` weighs `OpenMetrics` at least as high as plain text, as Prometheus does.
fn prefers_openmetrics(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).into_iter();
    let accept = accept.filter_map(|value| value.to_str().ok());
    let (mut open, mut plain) = (0.0_f32, 0.0_f32);
    for range in accept.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        let weight = weight.map_or(1.0, |q| q.parse().unwrap_or(0.0));
        match kind {
            "application/openmetrics-text" => open = open.max(weight),
            "text/plain" | "text/*" | "*/*" => plain = plain.max(weight),
            _ => {}
        }
    }
    open > 0.0 && open >= plain
}

#[cfg(test)]
mod tests;
