//! What the API server's audit log says of one operator.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{outcome::Outcome, process::read_from};

/// A place in the audit log.
pub struct AuditTrail {
    log: PathBuf,
    begins: u64,
}

impl AuditTrail {
    /// From here on.
    pub fn from_here(log: &Path) -> Outcome<Self> {
        Ok(Self { log: log.to_owned(), begins: log.metadata()?.len() })
    }

    /// The writes of `user` since then that the server granted, as `verb resource namespace/name`.
    pub fn writes_of(&self, user: &str) -> Outcome<Vec<String>> {
        let requests = self.requests_of(user)?;
        let writes = |request: &&Value| {
            matches!(request["verb"].as_str(), Some("create" | "update" | "patch" | "delete" | "deletecollection"))
        };
        Ok(requests.iter().filter(writes).map(describe).collect())
    }

    /// Everything that `user` asked for since then and was answered, granted or not, as `verb resource
    /// namespace/name (status)`; a watch is answered when it ends.
    pub fn answered(&self, user: &str) -> Outcome<Vec<String>> {
        let requests = self.requests_of(user)?;
        let ended = requests.iter().filter(|request| request["stage"] == "ResponseComplete");
        Ok(ended.map(describe).collect())
    }

    /// How many requests of any kind `user` made since then.
    pub fn count_of(&self, user: &str) -> Outcome<usize> {
        Ok(self.requests_of(user)?.len())
    }

    /// Whether `user` was granted such a request since then.
    pub fn granted(&self, user: &str, verb: &str, resource: &str, namespace: &str) -> Outcome<bool> {
        let requests = self.requests_of(user)?;
        Ok(requests.iter().any(|request| {
            let object = &request["objectRef"];
            let is_it = request["verb"] == verb && object["resource"] == resource && object["namespace"] == namespace;
            is_it && request["responseStatus"]["code"] == 200
        }))
    }

    fn requests_of(&self, user: &str) -> Outcome<Vec<Value>> {
        // The log is that of all worlds: long, and mostly about others.
        let bytes = read_from(&self.log, self.begins)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut found = Vec::new();
        for line in text.lines().filter(|line| line.contains(user)) {
            // The last line may be half written.
            let Ok(request) = serde_json::from_str::<Value>(line) else { continue };
            if request["user"]["username"] == user {
                found.push(request);
            }
        }
        Ok(found)
    }
}

fn describe(request: &Value) -> String {
    let object = &request["objectRef"];
    let part = |name: &str| object[name].as_str().unwrap_or_default();
    format!(
        "{} {} {}/{} ({})",
        request["verb"].as_str().unwrap_or_default(),
        [part("resource"), part("subresource")].join("/").trim_end_matches('/'),
        part("namespace"),
        part("name"),
        request["responseStatus"]["code"]
    )
}
