//! The ways in which the answer to a call gets lost, as a table.

use std::time::Duration;

use testbed::{
    harness::world::IMPATIENCE,
    sandbox::{Fault, FaultKind},
};

/// Nobody waits so long.
const TOO_LONG: Duration = IMPATIENCE.saturating_add(Duration::from_secs(1));
/// "Some seconds after the answer was lost", by the bank's clock.
const LATE: Duration = Duration::from_secs(10);

/// One way.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// What a failure calls it.
    pub(super) name: &'static str,
    /// Requests that are lost without effect and have to be sent again.
    pub(super) lost: usize,
    /// What happens; nothing in the fault-free run that the others are compared with.
    kind: Option<FaultKind>,
    late: Option<Duration>,
}

impl Way {
    /// The fault for calls of `method` on `template`.
    pub(super) fn fault(&self, (method, template): (&str, &str)) -> Option<Fault> {
        let fault = Fault::new(method, &format!("{template}$"), self.kind.clone()?);
        let fault = fault.times(self.lost.max(1));
        let fault = if self.lost == 0 { fault.committed() } else { fault };
        Some(match self.late {
            Some(wait) => fault.late(wait),
            None => fault,
        })
    }

    /// Whether this is the fault-free run.
    pub(super) fn is_reference(&self) -> bool {
        self.kind.is_none()
    }

    /// Whether the bank acts some seconds after the answer was lost.
    pub(super) fn is_late(&self) -> bool {
        self.late.is_some()
    }

    /// Whether nothing but the answer's signature is wrong.
    pub(super) fn is_about_the_signature(&self) -> bool {
        matches!(
            self.kind,
            Some(FaultKind::MissingSignature | FaultKind::WrongSignature | FaultKind::SignatureOfOtherBody)
        )
    }

    /// How often a call is sent again that is not read back: once for every answer that was lost.
    pub(super) fn answers_lost(&self) -> usize {
        if self.is_reference() { 0 } else { self.lost.max(1) }
    }

    /// Whether the bank carried out what it did not answer.
    pub(super) fn is_done(&self) -> bool {
        !self.is_reference() && self.lost == 0
    }

    const fn done(name: &'static str, kind: FaultKind) -> Self {
        Self { name, lost: 0, kind: Some(kind), late: None }
    }

    const fn lost(name: &'static str, times: usize, kind: FaultKind) -> Self {
        Self { name, lost: times, kind: Some(kind), late: None }
    }
}

/// The fault-free run first, then every way.
pub(super) fn ways() -> Vec<Way> {
    let error = |status| FaultKind::Status(status, "Internal error.".to_owned());
    let elsewhere = || FaultKind::Redirect("http://127.0.0.1:9/v1/".to_owned());
    vec![
        Way { name: "no fault", lost: 0, kind: None, late: None },
        Way::lost("timeout, not carried out", 1, FaultKind::Silence(TOO_LONG)),
        Way::done("timeout, carried out", FaultKind::DelayReply(TOO_LONG)),
        Way::lost("reset, not carried out", 1, FaultKind::DropBefore),
        Way::lost("reset twice, not carried out", 2, FaultKind::DropBefore),
        Way::done("reset, carried out", FaultKind::DropAfterCommit),
        Way { late: Some(LATE), ..Way::done("reset, carried out later", FaultKind::DropAfterCommit) },
        Way::lost("HTTP 500, not carried out", 1, error(500)),
        Way::done("HTTP 500, carried out", error(500)),
        Way { late: Some(LATE), ..Way::done("HTTP 504, carried out later", error(504)) },
        Way::lost("HTTP 491, not carried out", 1, error(491)),
        Way::lost("HTML page with 502, not carried out", 1, FaultKind::Html(502)),
        Way::done("HTML page with 502, carried out", FaultKind::Html(502)),
        Way::lost("HTML page with 200, not carried out", 1, FaultKind::Html(200)),
        Way::done("HTML page with 200, carried out", FaultKind::Html(200)),
        Way::lost("HTML page with 404, not carried out", 1, FaultKind::Html(404)),
        Way::done("HTML page with 404, carried out", FaultKind::Html(404)),
        Way::lost("redirect, not carried out", 1, elsewhere()),
        Way::done("redirect, carried out", elsewhere()),
        Way::done("truncated body", FaultKind::TruncatedBody),
        Way::done("huge body", FaultKind::HugeBody),
        Way::done("no signature", FaultKind::MissingSignature),
        Way::done("wrong signature", FaultKind::WrongSignature),
        Way::done("signature of another body", FaultKind::SignatureOfOtherBody),
        Way::done("not JSON", FaultKind::NotJson),
        Way::done("empty answer", FaultKind::EmptyResponseArray),
    ]
}
