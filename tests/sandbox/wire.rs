//! From an answer to bytes: JSON, signature, headers, and the faults that touch them
//! (`bunq-api §3`, `§4`, `§11.12`).

use std::{fmt::Write as _, io::Write as _};

use flate2::{Compression as Level, write::GzEncoder};
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::{
    behaviour::{Behaviour, Compression, ErrorSignature, Letters, Slashes, UnknownFields},
    fault::FaultKind,
    keys::ServerKey,
    reply::{Outcome, Reply},
};

/// A reply, ready to be sent.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    /// Whether the connection breaks in the middle of the body.
    pub(super) cut: bool,
}

/// What a rendering needs besides the outcome.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) behaviour: &'a Behaviour,
    pub(super) request_id: Option<&'a str>,
    pub(super) response_id: &'a str,
    pub(super) accepts_gzip: bool,
}

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

impl Envelope<'_> {
    /// The reply to a call that the bank saw.
    pub(super) fn render(&self, outcome: &Outcome) -> Wire {
        match outcome {
            Ok(Reply::Items(items)) => self.success(&json!({"Response": self.dress(items)})),
            Ok(Reply::Page(items, pagination)) => {
                self.success(&json!({"Response": self.dress(items), "Pagination": pagination}))
            }
            Ok(Reply::Empty) => self.success(&json!({})),
            Ok(Reply::OAuth(status, body)) => Self::plain(*status, JSON, body.to_string()),
            Ok(Reply::Html(status, text)) => html(*status, text),
            Ok(Reply::Redirect(location)) => redirect(location),
            Err(refusal) => self.error(refusal.status, &refusal.body()),
        }
    }

    /// The same, after a fault had its way.
    pub(super) fn render_fault(&self, outcome: &Outcome, fault: &FaultKind) -> Wire {
        match fault {
            FaultKind::Status(status, text) => {
                let refusal = super::reply::Refusal::new(*status, text.clone());
                self.error(*status, &refusal.body())
            }
            FaultKind::Html(status) => html(*status, "Something went wrong"),
            FaultKind::Redirect(location) => redirect(location),
            FaultKind::WrongSignature => self.resign(outcome, Some(&"A".repeat(344))),
            FaultKind::MissingSignature => self.resign(outcome, None),
            FaultKind::SignatureOfOtherBody => {
                let other = ServerKey::shared().sign(b"{\"Response\":[]}\n");
                self.resign(outcome, Some(&other))
            }
            FaultKind::OtherRequestId => self.of_another_time().render(outcome),
            FaultKind::Replayed => self.of_another_time().success(&json!({"Response": []})),
            FaultKind::TruncatedBody => Wire { cut: true, ..self.render(outcome) },
            FaultKind::HugeBody => {
                let filler = "x".repeat(4 << 20);
                self.success(&json!({"Response": [], "filler": filler}))
            }
            FaultKind::NotJson => self.signed(200, "{\"Response\":[{".to_owned()),
            FaultKind::EmptyResponseArray => self.success(&json!({"Response": []})),
            FaultKind::DropBefore
            | FaultKind::DropAfterCommit
            | FaultKind::DelayReply(_)
            | FaultKind::Silence(_)
            | FaultKind::EndedSession => self.render(outcome),
        }
    }

    /// The same for a request of another time.
    fn of_another_time(&self) -> Self {
        Self { request_id: Some("00000000-0000-4000-8000-000000000000"), ..*self }
    }

    fn resign(&self, outcome: &Outcome, signature: Option<&str>) -> Wire {
        let mut wire = self.render(outcome);
        wire.headers.retain(|(name, _)| *name != SIGNATURE);
        if let Some(signature) = signature {
            wire.headers.push((SIGNATURE, signature.to_owned()));
        }
        wire
    }

    fn success(&self, body: &Value) -> Wire {
        self.signed(200, self.json(body))
    }

    fn error(&self, status: u16, body: &Value) -> Wire {
        match self.behaviour.error_signature {
            ErrorSignature::Signed => self.signed(status, self.json(body)),
            ErrorSignature::Unsigned => self.enveloped(status, self.json(body)),
        }
    }

    fn json(&self, body: &Value) -> String {
        let text = match self.behaviour.letters {
            Letters::Plain => body.to_string(),
            Letters::Escaped => ascii(&body.to_string()),
        };
        match self.behaviour.slashes {
            // A slash occurs inside strings only, so this is the same JSON.
            Slashes::Escaped => text.replace('/', "\\/"),
            Slashes::Plain => text,
        }
    }

    fn signed(&self, status: u16, body: String) -> Wire {
        let signature = ServerKey::shared().sign(body.as_bytes());
        let mut wire = self.enveloped(status, body);
        wire.headers.push((SIGNATURE, signature));
        wire
    }

    fn enveloped(&self, status: u16, body: String) -> Wire {
        let mut wire = Self::plain(status, JSON, body);
        wire.headers.push(("x-bunq-client-response-id", self.response_id.to_owned()));
        if let Some(id) = self.request_id {
            wire.headers.push(("x-bunq-client-request-id", id.to_owned()));
        }
        if self.behaviour.unknown_fields == UnknownFields::Present {
            wire.headers.push(("x-bunq-warning", "Something will change.".to_owned()));
        }
        if self.accepts_gzip && self.behaviour.compression == Compression::Gzip {
            wire.body = gzip(&wire.body);
            wire.headers.push(("content-encoding", "gzip".to_owned()));
        }
        wire
    }

    /// Without bunq's headers: the OAuth endpoints and gateways.
    fn plain(status: u16, content_type: &str, body: String) -> Wire {
        Wire { status, headers: vec![("content-type", content_type.to_owned())], body: Bytes::from(body), cut: false }
    }

    /// Adds fields that no document names.
    fn dress(&self, items: &[Value]) -> Vec<Value> {
        let mut items = items.to_vec();
        if self.behaviour.unknown_fields == UnknownFields::Absent {
            return items;
        }
        for fields in items.iter_mut().filter_map(Value::as_object_mut) {
            for inner in fields.values_mut().filter_map(Value::as_object_mut) {
                inner.insert("avatar".to_owned(), json!({"uuid": null, "style": "NEW"}));
                inner.insert("monetary_limit".to_owned(), json!(1.5));
            }
        }
        items
    }
}

/// The same JSON: what is beyond ASCII occurs inside strings only.
fn ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    let mut units = [0; 2];
    for letter in json.chars() {
        if letter.is_ascii() {
            escaped.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut units) {
                // Writing to memory cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

const SIGNATURE: &str = "x-bunq-server-signature";

fn html(status: u16, text: &str) -> Wire {
    let page = format!("<!doctype html><title>bunq</title><h1>{text}</h1>\n");
    Envelope::plain(status, HTML, page)
}

fn redirect(location: &str) -> Wire {
    let mut wire = Envelope::plain(302, HTML, String::new());
    wire.headers.push(("location", location.to_owned()));
    wire
}

fn gzip(body: &Bytes) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().map_or_else(|_| body.clone(), Bytes::from)
}
