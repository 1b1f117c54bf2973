//! The call log: what the bank was asked, without secrets.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use serde::Serialize;
use serde_json::Value;

use super::reply::Ask;

/// One call.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// Its position, from 1.
    pub seq: u64,
    /// When it came, by the emulator's clock.
    pub at: String,
    /// GET, POST, PUT or DELETE.
    pub method: String,
    /// The path with its query; the OAuth endpoints' queries are left out.
    pub path: String,
    /// The path with names for ids: `user/{u}/oauth-client/{c}`.
    pub template: &'static str,
    /// The user of its session; without one, the user in its path or the owner of the key in its body.
    pub user: Option<u64>,
    /// The status that was sent; 0 when the connection was closed instead.
    pub status: u16,
    /// Whether the bank did it: its own answer was a success.
    pub committed: bool,
    /// Whether it would change an OAuth client or a redirect URL.
    pub mutation: bool,
    /// The caller's `X-Bunq-Client-Request-Id`.
    pub request_id: Option<String>,
    /// `X-Bunq-Client-Response-Id`.
    pub response_id: String,
    /// The body, secrets masked; null when there was none.
    pub body: Value,
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {} {}", self.at, self.method, self.path, self.status)?;
        if self.mutation {
            write!(f, " {}", self.body)?;
        }
        Ok(())
    }
}

impl Call {
    pub(super) fn new(ask: &Ask, seq: u64, at: String, response_id: String) -> Self {
        let template = ask.route.template;
        let changes = matches!(ask.method.as_str(), "POST" | "PUT" | "DELETE");
        Self {
            seq,
            at,
            method: ask.method.clone(),
            path: shown_path(ask),
            template,
            user: None,
            status: 0,
            committed: false,
            mutation: changes && template.starts_with("user/{u}/oauth-client"),
            request_id: ask.request_id.clone(),
            response_id,
            body: mask(shown_body(ask)),
        }
    }
}

fn shown_path(ask: &Ask) -> String {
    if ask.query.is_empty() || matches!(ask.route.template, "auth" | "token") {
        return ask.path.clone();
    }
    let query: Vec<String> = ask.query.iter().map(|(k, v)| format!("{k}={v}")).collect();
    format!("{}?{}", ask.path, query.join("&"))
}

/// The body; the query of the OAuth endpoints is their body.
fn shown_body(ask: &Ask) -> Value {
    if matches!(ask.route.template, "auth" | "token") {
        let fields = ask.query.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str())));
        return Value::Object(fields.collect());
    }
    serde_json::from_slice(&ask.body).unwrap_or(Value::Null)
}

/// Replaces what must not be read by others.
fn mask(value: Value) -> Value {
    const SECRET: [&str; 5] = ["secret", "client_secret", "token", "code", "client_public_key"];
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let value = if SECRET.contains(&name.as_str()) { Value::from("***") } else { mask(value) };
                (name, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(mask).collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

/// Who hears of each call.
type Listener = Box<dyn Fn(&Call) + Send>;

/// The calls so far, and where they are copied to.
#[derive(Default)]
pub(super) struct CallLog {
    pub(super) calls: Vec<Call>,
    last: u64,
    file: Option<File>,
    listeners: Vec<Listener>,
}

impl CallLog {
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        let open = |path: &Path| OpenOptions::new().create(true).append(true).open(path);
        Ok(Self { file: path.map(open).transpose()?, ..Self::default() })
    }

    pub(super) fn next_seq(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(super) fn listen(&mut self, listener: Listener) {
        self.listeners.push(listener);
    }

    pub(super) fn add(&mut self, call: Call) {
        if let Some(file) = &mut self.file
            && let Ok(mut line) = serde_json::to_vec(&call)
        {
            line.push(b'\n');
            // A full disk must not change what the bank answers.
            let _ = file.write_all(&line);
        }
        for listener in &self.listeners {
            listener(&call);
        }
        self.calls.push(call);
    }

    /// A late commit happened.
    pub(super) fn committed(&mut self, seq: u64) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.seq == seq) {
            call.committed = true;
        }
    }
}
