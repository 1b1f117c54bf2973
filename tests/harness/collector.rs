//! A collector of spans: what an operator exports by OTLP is decoded, kept and written down.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span as Exported, status::StatusCode as SpanStatus},
};
use prost::Message as _;
use tokio::{net::TcpListener, task::AbortHandle};

use super::outcome::Outcome;

const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A span as it came.
#[derive(Clone, Debug, Default)]
pub struct Span {
    /// Which trace it belongs to.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// Its parent's; empty for a root.
    pub parent: String,
    /// Its name.
    pub name: String,
    /// Whether it is a client's.
    pub is_client: bool,
    /// Whether its status is an error.
    pub is_error: bool,
    /// Events and links in it.
    pub extras: usize,
    /// Its attributes as text.
    pub attributes: BTreeMap<String, String>,
    /// Those of whoever sent it.
    pub resource: BTreeMap<String, String>,
}

impl Span {
    /// An attribute; empty without it.
    #[must_use]
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

struct Kept {
    spans: Vec<Span>,
    requests: usize,
    record: File,
}

/// A running collector; it ends with this.
pub struct Collector {
    kept: Arc<Mutex<Kept>>,
    origin: String,
    server: AbortHandle,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Collector {
    /// Listens on this machine; everything that comes is also written to `record`.
    pub async fn start(record: &Path) -> Outcome<Self> {
        let record = File::options().create(true).append(true).open(record)?;
        let kept = Arc::new(Mutex::new(Kept { spans: Vec::new(), requests: 0, record }));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let app = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&kept));
        let server = tokio::spawn(async move {
            // It ends with this process at the latest.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { kept, origin, server: server.abort_handle() })
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.origin
    }

    /// What came so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).spans.clone()
    }

    /// How many requests came so far.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).requests
    }

    /// Waits until the spans `fit`, and returns them.
    pub async fn until(&self, what: &str, fit: impl Fn(&[Span]) -> bool) -> Outcome<Vec<Span>> {
        let since = Instant::now();
        loop {
            let spans = self.spans();
            if fit(&spans) {
                return Ok(spans);
            }
            if since.elapsed() > PATIENCE {
                let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
                return Err(format!("{what}: not within {PATIENCE:?}; there are {names:?}").into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

async fn take(State(kept): State<Arc<Mutex<Kept>>>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.requests += 1;
    // Everything that came, also what `Span` leaves out.
    if writeln!(kept.record, "{request:#?}").is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    for of_one in request.resource_spans {
        let resource = attributes(&of_one.resource.unwrap_or_default().attributes);
        for span in of_one.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            kept.spans.push(span_of(&span, &resource));
        }
    }
    StatusCode::OK
}

fn span_of(span: &Exported, resource: &BTreeMap<String, String>) -> Span {
    use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
    Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name.clone(),
        is_client: span.kind() == SpanKind::Client,
        is_error: span.status.as_ref().is_some_and(|status| status.code() == SpanStatus::Error),
        extras: span.events.len() + span.links.len(),
        attributes: attributes(&span.attributes),
        resource: resource.clone(),
    }
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(flag) => flag.to_string(),
        other => format!("{other:?}"),
    };
    let value = |pair: &KeyValue| pair.value.as_ref().and_then(|any| any.value.as_ref().map(text)).unwrap_or_default();
    pairs.iter().map(|pair| (pair.key.clone(), value(pair))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
