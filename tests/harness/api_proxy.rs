//! Stands between an operator and the API server: it counts what is asked, and where a test says so it is
//! silent, slow, refuses, or loses an answer.

mod line;
mod trouble;

use std::{
    collections::BTreeSet,
    convert::Infallible,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use http_body_util::BodyExt as _;
use hyper::{
    Request, Response, Version,
    body::{Bytes, Frame, Incoming},
    header::RETRY_AFTER,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use kube::{
    Client,
    client::Body,
    config::{AuthInfo, KubeConfigOptions, Kubeconfig},
};
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::outcome::Outcome;
use crate::sandbox::{Tls, tls::Identity};

use line::Line;
pub use trouble::{Asked, Trouble};
use trouble::{Planned, Troubles};

/// A running proxy; it ends when dropped, with all its connections.
pub struct ApiProxy {
    address: SocketAddr,
    ca_pem: String,
    desk: Arc<Desk>,
    task: AbortHandle,
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How connections are served.
type Http = auto::Builder<TokioExecutor>;

/// What all connections share.
struct Desk {
    server: Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    troubles: Troubles,
    asked: Vec<Asked>,
    answers: Vec<Answer>,
    /// Whether each connection so far has gone dead.
    dead: Vec<Arc<AtomicBool>>,
}

/// An answer that is being passed on.
struct Answer {
    asked: Asked,
    is_silent: Arc<AtomicBool>,
}

impl ApiProxy {
    /// Starts one before the API server that a kubeconfig names. Whoever asks shows a token of their own, in one of
    /// these protocols (of TLS' ALPN). So many requests at once may share a connection of HTTP/2.
    pub async fn start(kubeconfig: &Path, protocols: &[&str], sharing: u32) -> Outcome<Self> {
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        config.auth_info = AuthInfo::default();
        config.default_retry = false;
        let desk = Arc::new(Desk { server: Client::try_from(config)?, state: Mutex::default() });
        let identity = Identity::new(Tls::Valid)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut tls = ServerConfig::clone(identity.acceptor.config());
        tls.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http2().max_concurrent_streams(sharing);
        let serving = serve(listener, TlsAcceptor::from(Arc::new(tls)), http, Arc::clone(&desk));
        let task = tokio::spawn(serving).abort_handle();
        Ok(Self { address, ca_pem: identity.ca_pem, desk, task })
    }

    /// Writes a kubeconfig that leads through the proxy, and is like `original` in everything else. It stands beside
    /// that one: it holds the token, too, so it does not belong where the worlds keep what was said.
    pub fn lead_through(&self, original: &Path) -> Outcome<PathBuf> {
        let (ca_file, path) = (original.with_extension("proxy-ca.pem"), original.with_extension("proxied.kubeconfig"));
        std::fs::write(&ca_file, &self.ca_pem)?;
        let mut kubeconfig: Value = serde_yaml_ng::from_str(&std::fs::read_to_string(original)?)?;
        kubeconfig["clusters"][0]["cluster"] =
            json!({"server": format!("https://{}", self.address), "certificate-authority": ca_file});
        std::fs::write(&path, serde_yaml_ng::to_string(&kubeconfig)?)?;
        Ok(path)
    }

    /// From now on this happens to every request that `concerns` names.
    pub fn trouble(&self, trouble: Trouble, concerns: impl Fn(&Asked) -> bool + Send + Sync + 'static) {
        self.trouble_times(usize::MAX, trouble, concerns);
    }

    /// The same, for so many requests.
    pub fn trouble_times(
        &self,
        times: usize,
        trouble: Trouble,
        concerns: impl Fn(&Asked) -> bool + Send + Sync + 'static,
    ) {
        self.desk.state().troubles.add(Planned::new(times, trouble, concerns));
    }

    /// Answers that are being passed on, watches above all, fall silent for good, and nobody closes them.
    pub fn silence_open(&self, concerns: impl Fn(&Asked) -> bool) {
        for answer in self.desk.state().answers.iter().filter(|answer| concerns(&answer.asked)) {
            answer.is_silent.store(true, Ordering::Relaxed);
        }
    }

    /// This connection goes dead: nothing comes through any more, and nobody closes it.
    pub fn let_die(&self, connection: usize) {
        if let Some(is_dead) = self.desk.state().dead.get(connection) {
            is_dead.store(true, Ordering::Relaxed);
        }
    }

    /// What is asked from now on gets its answer.
    pub fn mend(&self) {
        self.desk.state().troubles.clear();
    }

    /// How many requests so far `which` names, whatever became of them.
    pub fn count(&self, which: impl Fn(&Asked) -> bool) -> usize {
        self.desk.state().asked.iter().filter(|asked| which(asked)).count()
    }

    /// The connections by which came what `which` names.
    pub fn connections(&self, which: impl Fn(&Asked) -> bool) -> BTreeSet<usize> {
        self.desk.state().asked.iter().filter(|asked| which(asked)).map(|asked| asked.connection).collect()
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn another_connection(&self) -> (usize, Arc<AtomicBool>) {
        let (mut state, is_dead) = (self.state(), Arc::<AtomicBool>::default());
        state.dead.push(Arc::clone(&is_dead));
        (state.dead.len() - 1, is_dead)
    }

    async fn answer(self: Arc<Self>, connection: usize, request: Request<Incoming>) -> Result<Response<Passed>, Cut> {
        let asked = Asked::of(&request, connection);
        let trouble = {
            let mut state = self.state();
            state.asked.push(asked.clone());
            state.troubles.take(&asked)
        };
        match trouble {
            None => self.pass_on(asked, request).await,
            Some(Trouble::Silence) => std::future::pending().await,
            Some(Trouble::Reset) => Err(Cut),
            Some(Trouble::Late(by)) => {
                tokio::time::sleep(by).await;
                self.pass_on(asked, request).await
            }
            Some(Trouble::Lost) => {
                let answer = self.pass_on(asked, request).await?;
                // Read to its end: then the API server has done what was asked.
                answer.into_body().collect().await.map_err(|_| Cut)?;
                Err(Cut)
            }
            Some(Trouble::Refusal { status, retry_after }) => refusal(status, retry_after),
        }
    }

    async fn pass_on(&self, asked: Asked, request: Request<Incoming>) -> Result<Response<Passed>, Cut> {
        let (mut parts, body) = request.into_parts();
        // However it came, it goes on by HTTP/1.
        parts.version = Version::HTTP_11;
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let answer = self.server.send(Request::from_parts(parts, Body::from(body))).await.map_err(|_| Cut)?;
        let is_silent = Arc::new(AtomicBool::new(false));
        let mut state = self.state();
        // An answer that nobody reads any more has no other holder.
        state.answers.retain(|answer| Arc::strong_count(&answer.is_silent) > 1);
        state.answers.push(Answer { asked, is_silent: Arc::clone(&is_silent) });
        Ok(answer.map(|inner| Passed { inner, is_silent }))
    }
}

/// What the API server says when it is overloaded.
fn refusal(status: u16, retry_after: u32) -> Result<Response<Passed>, Cut> {
    let told = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status,
        "reason": "TooManyRequests", "message": "too many requests, please try again later",
    });
    let body = Passed { inner: Body::from(told.to_string().into_bytes()), is_silent: Arc::default() };
    let answer = Response::builder().status(status).header(RETRY_AFTER, retry_after);
    answer.header("content-type", "application/json").body(body).map_err(|_| Cut)
}

/// A body on its way, until it falls silent.
struct Passed {
    inner: Body,
    is_silent: Arc<AtomicBool>,
}

impl hyper::body::Body for Passed {
    type Data = Bytes;
    type Error = kube::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, kube::Error>>> {
        if self.is_silent.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        // It may have fallen silent while nothing came.
        if self.is_silent.load(Ordering::Relaxed) { Poll::Pending } else { polled }
    }
}

/// The connection ends without an answer.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// Serves until it is dropped; then all connections end.
async fn serve(listener: TcpListener, tls: TlsAcceptor, http: Http, desk: Arc<Desk>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(stream, tls.clone(), http.clone(), Arc::clone(&desk)));
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, http: Http, desk: Arc<Desk>) {
    if let Ok(stream) = tls.accept(stream).await {
        let (number, is_dead) = desk.another_connection();
        let service = service_fn(move |request| Arc::clone(&desk).answer(number, request));
        // Broken connections are everyday work here.
        let line = TokioIo::new(Line::new(stream, is_dead));
        let _ = http.serve_connection(line, service).await;
    }
}
