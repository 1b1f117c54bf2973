//! HTTP/1.1 over TCP or TLS, on hyper itself: faults close connections.

use std::{
    fmt,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use http_body_util::{BodyExt, Limited};
use hyper::{
    Request, Response,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    header::HeaderMap,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Notify,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    behaviour::{Connections, HeaderCase},
    reply::Ask,
    route::route,
    state::State,
    wire::Wire,
};

/// Larger request bodies are cut off.
const MAX_BODY: usize = 1 << 20;

/// The state, shared by the connections.
pub(super) type Shared = Arc<Mutex<State>>;

/// The state; a panic in another test's closure does not matter.
pub(super) fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until it is dropped; then all connections end.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Shared) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        while connections.try_join_next().is_some() {}
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            match tls {
                None => connection(stream, shared).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, shared).await;
                    }
                }
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, shared: Shared) {
    let (title_case, connections) = {
        let behaviour = &lock(&shared).bank.behaviour;
        (behaviour.header_case == HeaderCase::Title, behaviour.connections)
    };
    let _open = Open::count(&shared);
    // Told when the head of a reply is written: what ends the connection then is not announced in it.
    let answering = Arc::new(Notify::new());
    let service = service_fn(|request| {
        let (answer, answering) = (answer(request, Arc::clone(&shared)), Arc::clone(&answering));
        async move { answer.await.map(|response| response.map(|sent| Sent { answering: Some(answering), ..sent })) }
    });
    let mut http = http1::Builder::new();
    http.title_case_headers(title_case).keep_alive(connections != Connections::Closed);
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), service));
    if connections == Connections::ClosedIdle {
        tokio::select! {
            biased;
            () = answering.notified() => served.as_mut().graceful_shutdown(),
            _ = &mut served => return,
        }
    }
    // Broken connections are everyday work here.
    let _ = served.await;
}

/// Counts a connection for as long as it is open.
struct Open(Shared);

impl Open {
    fn count(shared: &Shared) -> Self {
        lock(shared).connections += 1;
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.0).connections -= 1;
    }
}

/// Closes the connection without a reply.
#[derive(Debug)]
struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

async fn answer(request: Request<Incoming>, shared: Shared) -> Result<Response<Sent>, Dropped> {
    let (parts, body) = request.into_parts();
    let found = route(parts.uri.path());
    let method = parts.method.as_str().to_owned();
    let Some(body) = body_of(body).await else {
        return Err(Dropped);
    };
    let query = parts.uri.query().unwrap_or_default();
    let ask = Ask {
        method,
        path: parts.uri.path().to_owned(),
        route: found,
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        token: header(&parts.headers, "x-bunq-client-authentication"),
        signature: header(&parts.headers, "x-bunq-client-signature"),
        request_id: header(&parts.headers, "x-bunq-client-request-id"),
        accepts_gzip: header(&parts.headers, "accept-encoding").is_some_and(|it| it.contains("gzip")),
        body,
    };
    let answered = lock(&shared).answer(ask);
    if let Some(wait) = answered.delay() {
        tokio::time::sleep(wait).await;
    }
    answered.wire().ok_or(Dropped).and_then(response)
}

/// The whole body; `None` when it does not come or is too large.
async fn body_of(body: Incoming) -> Option<Bytes> {
    let read = Limited::new(body, MAX_BODY).collect().await;
    read.ok().map(http_body_util::Collected::to_bytes)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn response(wire: Wire) -> Result<Response<Sent>, Dropped> {
    let mut builder = Response::builder().status(wire.status);
    for (name, value) in &wire.headers {
        builder = builder.header(*name, value);
    }
    let sent = Sent {
        length: wire.body.len() as u64,
        rest: Some(if wire.cut { wire.body.slice(..wire.body.len() / 2) } else { wire.body }),
        cut: wire.cut,
        answering: None,
    };
    builder.body(sent).map_err(|_| Dropped)
}

/// A body that may break off before its announced length.
struct Sent {
    length: u64,
    rest: Option<Bytes>,
    cut: bool,
    /// Told when the first of it is asked for.
    answering: Option<Arc<Notify>>,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        if let Some(answering) = self.answering.take() {
            answering.notify_one();
        }
        match self.rest.take() {
            Some(bytes) if !bytes.is_empty() => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(_) | None if self.cut => Poll::Ready(Some(Err(Dropped))),
            Some(_) | None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
