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

impl AuditLine {
    fn changes_client(&self) -> bool {
        self.mutation.as_ref().is_some_and(|call| call.contains("/oauth-client"))
    }
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
    mutation: bool,
    status: u16,
    request_id: Option<String>,
}

impl BankCall {
    /// Whether it asks for a new OAuth client.
    pub(crate) fn creates_client(&self) -> bool {
        self.method == "POST" && self.template == "user/{u}/oauth-client"
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

/// The calls among them that would change a client or a redirect URL.
pub(crate) fn mutations(calls: &[BankCall]) -> Vec<&BankCall> {
    calls.iter().filter(|call| call.mutation).collect()
}

/// Whether both tell of the same changes of OAuth clients in the same order. Handshakes are left out: an
/// app that logs its user in makes some, too.
pub(crate) fn agree(audit: &[AuditLine], mutations: &[&BankCall]) -> bool {
    let told = audit.iter().filter(|line| line.changes_client()).map(|line| &line.request_id);
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
        let line = |call: &str, id: &str| {
            format!(r#"{{"target":"audit","object":"client","mutation":"{call}","request_id":"{id}"}}"#)
        };
        let create = "POST user/{user}/oauth-client";
        let lines = [line("POST session-server", "s"), line(create, "a"), line(create, "b")].join("\n");
        let text = ["no json", r#"{"target":"plan"}"#, &lines, r#"{"target":"aud"#].join("\n");
        fs::write(&log, text).unwrap();
        let call = |id: &str, mutation: bool| {
            format!(
                r#"{{"method":"POST","template":"user/{{u}}/oauth-client","mutation":{mutation},"status":200,"request_id":"{id}"}}"#
            )
        };
        fs::write(&calls, [call("x", false), call("a", true), call("b", true)].join("\n")).unwrap();

        let (mut audit, calls) = (audit_lines(&log).unwrap(), bank_calls(&calls).unwrap());
        assert!(agree(&audit, &mutations(&calls)));
        audit.swap(1, 2);
        assert!(!agree(&audit, &mutations(&calls)));
        audit.pop();
        assert!(!agree(&audit, &mutations(&calls)));
    }
}
