//! What the operator asked of the API server, counted from the server's audit log.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use serde_json::Value;
use testbed::harness::Outcome;

/// A place in the audit log, and whose requests are counted.
pub(crate) struct Trail {
    log: PathBuf,
    begins: u64,
    user: String,
}

/// Requests by verb and resource, in the order of their first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    /// Each with the server's answer.
    pub(crate) all: Vec<(String, u64)>,
}

impl Trail {
    /// From here on.
    pub(crate) fn from_here(log: &Path, user: &str) -> Outcome<Self> {
        Ok(Self { log: log.to_owned(), begins: fs::metadata(log)?.len(), user: user.to_owned() })
    }

    /// The requests since then, beyond those that only listen: watches, the lists that begin them, and the lease.
    pub(crate) fn requests(&self) -> Outcome<Requests> {
        let mut file = fs::File::open(&self.log)?;
        file.seek(SeekFrom::Start(self.begins))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // The last line may be half written.
        let requests = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let all = requests.filter(|request| request["user"]["username"] == self.user.as_str() && !listens(request));
        Ok(Requests { all: all.map(|request| describe(&request)).collect() })
    }
}

fn listens(request: &Value) -> bool {
    let (verb, object) = (request["verb"].as_str().unwrap_or_default(), &request["objectRef"]);
    let is_list_of_a_watch = verb == "list"
        && (object["resource"] == "bunqoauthclients"
            || (object["resource"] == "secrets" && object["namespace"] != "bunq-operator"));
    verb == "watch" || is_list_of_a_watch || object["resource"] == "leases" || object.is_null()
}

fn describe(request: &Value) -> (String, u64) {
    let object = &request["objectRef"];
    let part = |name: &str| object[name].as_str().unwrap_or_default();
    let what = [part("resource"), part("subresource")].join("/");
    let home = if part("namespace") == "bunq-operator" { " (its own)" } else { "" };
    let verb = request["verb"].as_str().unwrap_or_default();
    (
        format!("{verb} {}{home}", what.trim_end_matches('/')),
        request["responseStatus"]["code"].as_u64().unwrap_or_default(),
    )
}

impl Requests {
    /// Those that change something.
    pub(crate) fn writes(&self) -> usize {
        let is_write =
            |what: &str| ["create ", "update ", "patch ", "delete"].iter().any(|verb| what.starts_with(verb));
        self.all.iter().filter(|(what, _)| is_write(what)).count()
    }

    /// Up to the last write of a status, and what came after it.
    pub(crate) fn until_last_status(&self) -> (Self, Self) {
        let last = self.all.iter().rposition(|(what, _)| what.starts_with("update bunqoauthclients/status"));
        let (before, after) = self.all.split_at(last.map_or(self.all.len(), |last| last + 1));
        (Self { all: before.to_vec() }, Self { all: after.to_vec() })
    }

    /// How many of which.
    pub(crate) fn shown(&self) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (what, _) in &self.all {
            *counts.entry(what).or_default() += 1;
        }
        let parts: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
    }

    /// One after the other.
    pub(crate) fn in_order(&self) -> String {
        self.all.iter().map(|(what, code)| format!("{what} {code}")).collect::<Vec<_>>().join(" → ")
    }
}
