//! What the operator says it told the bank, and what the bank says it was told.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::error::Error;

/// One of the operator's own audit lines: a call that may have changed something at the bank.
#[derive(Debug, Deserialize)]
pub(crate) struct AuditLine {
    target: String,
    object: Option<String>,
    mutation: Option<String>,
    outcome: Option<String>,
    /// Our id of the attempt.
    pub(crate) request_id: Option<String>,
    response_id: Option<String>,
}

impl std::fmt::Display for AuditLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let or_dash = |field: &Option<String>| field.clone().unwrap_or_else(|| "-".to_owned());
        write!(
            f,
            "{}: {} -> {} (request {}, response {})",
            or_dash(&self.object),
            or_dash(&self.mutation),
            or_dash(&self.outcome),
            or_dash(&self.request_id),
            or_dash(&self.response_id)
        )
    }
}

/// One call in the emulator's log.
#[derive(Debug, Deserialize)]
pub(crate) struct BankCall {
    method: String,
    template: String,
    status: u16,
    request_id: Option<String>,
}

impl BankCall {
    /// Whether it asks for a new OAuth client.
    pub(crate) fn creates_client(&self) -> bool {
        self.method == "POST" && self.template == "user/{u}/oauth-client"
    }

    /// Whether it would change something; what an app's users do is not the operator's.
    fn changes_something(&self) -> bool {
        self.method != "GET" && !matches!(self.template.as_str(), "auth" | "token")
    }
}

impl std::fmt::Display for BankCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let request = self.request_id.as_deref().unwrap_or("-");
        write!(f, "{} {} {} (request {request})", self.method, self.template, self.status)
    }
}

/// The operator's audit lines, in order.
pub(crate) fn audit_lines(operator_log: &Path) -> Result<Vec<AuditLine>, Error> {
    let lines: Vec<AuditLine> = json_lines(operator_log)?;
    Ok(lines.into_iter().filter(|line| line.target == "audit").collect())
}

/// The emulator's calls, in order.
pub(crate) fn bank_calls(call_log: &Path) -> Result<Vec<BankCall>, Error> {
    json_lines(call_log)
}

/// The calls among them that would change something.
pub(crate) fn mutations(calls: &[BankCall]) -> Vec<&BankCall> {
    calls.iter().filter(|call| call.changes_something()).collect()
}

/// Whether both tell of the same attempts in the same order.
pub(crate) fn agree(audit: &[AuditLine], mutations: &[&BankCall]) -> bool {
    let told = audit.iter().map(|line| &line.request_id);
    told.eq(mutations.iter().map(|call| &call.request_id))
}

/// Every line that is an object of this kind; others (a line of text, a line half written) are not.
fn json_lines<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Vec<T>, Error> {
    let text = fs::read_to_string(path).map_err(Error::io(format!("read {}", path.display())))?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audit_and_call_log_agree_on_the_attempts_and_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let (log, calls) = (folder.path().join("log"), folder.path().join("calls"));
        let line =
            |id: &str| format!(r#"{{"target":"audit","object":"client","mutation":"create","request_id":"{id}"}}"#);
        let text = ["no json", r#"{"target":"plan"}"#, &line("a"), &line("b"), r#"{"target":"aud"#].join("\n");
        fs::write(&log, text).unwrap();
        let call = |id: &str, method: &str, template: &str| {
            format!(r#"{{"method":"{method}","template":"{template}","status":200,"request_id":"{id}"}}"#)
        };
        let text = [
            call("w", "GET", "user/{u}/oauth-client"),
            call("a", "POST", "session-server"),
            call("x", "POST", "token"),
            call("b", "POST", "user/{u}/oauth-client"),
        ];
        fs::write(&calls, text.join("\n")).unwrap();

        let (mut audit, calls) = (audit_lines(&log).unwrap(), bank_calls(&calls).unwrap());
        assert!(agree(&audit, &mutations(&calls)));
        audit.swap(0, 1);
        assert!(!agree(&audit, &mutations(&calls)));
        audit.pop();
        assert!(!agree(&audit, &mutations(&calls)));
    }
}
