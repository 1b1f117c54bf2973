//! Faults on demand: what happens to one call between the caller and the bank (`F02`, `F16`–`F22`).

use std::time::Duration;

/// One planned fault.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The method it waits for; `*` is any.
    pub method: String,
    /// The path template it waits for, as in [`Call::template`](super::Call): a prefix, or the
    /// whole one when it ends in `$`.
    pub template: String,
    /// Matching calls to let pass first.
    pub skip: usize,
    /// How many calls it still hits.
    pub remaining: usize,
    /// It concerns only this user's calls, by the number in the path or the key in the body;
    /// `installation` has neither.
    pub user: Option<u64>,
    /// Whether the bank does what was asked before the fault; only asked for the kinds that can
    /// be either ([`FaultKind::Status`], [`FaultKind::Html`], [`FaultKind::Redirect`]).
    pub commits: bool,
    /// The bank does what was asked only so much later, by its own clock.
    pub late: Option<Duration>,
    /// What happens.
    pub kind: FaultKind,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// The connection closes; the bank does not see the call.
    DropBefore,
    /// The bank does what was asked; the connection closes without a reply.
    DropAfterCommit,
    /// The bank does what was asked; the reply comes later (real time).
    DelayReply(Duration),
    /// The bank does not see the call; the connection closes after this long (real time).
    Silence(Duration),
    /// The session that the call uses has just ended; then the bank answers as always.
    EndedSession,
    /// A bunq error with this status and text.
    Status(u16, String),
    /// An HTML page with this status.
    Html(u16),
    /// 302 to this URL.
    Redirect(String),
    /// The reply carries a signature that is none.
    WrongSignature,
    /// The reply carries no signature.
    MissingSignature,
    /// The reply carries the bank's genuine signature of other bytes.
    SignatureOfOtherBody,
    /// The reply says that it answers another request.
    OtherRequestId,
    /// An earlier reply once more: genuine body, signature and request id, all of another time.
    Replayed,
    /// Half of the body, then the connection closes.
    TruncatedBody,
    /// A signed body of 4 MiB.
    HugeBody,
    /// A signed body that is not JSON.
    NotJson,
    /// A signed `{"Response":[]}`.
    EmptyResponseArray,
}

impl Fault {
    /// A fault for the next call of `method` on a template that begins with `template`.
    #[must_use]
    pub fn new(method: &str, template: &str, kind: FaultKind) -> Self {
        Self {
            method: method.to_owned(),
            template: template.to_owned(),
            skip: 0,
            remaining: 1,
            user: None,
            commits: false,
            late: None,
            kind,
        }
    }

    /// It hits this many calls.
    #[must_use]
    pub fn times(mut self, remaining: usize) -> Self {
        self.remaining = remaining;
        self
    }

    /// It hits all calls from now on, until [`Sandbox::clear_faults`](super::Sandbox).
    #[must_use]
    pub fn forever(self) -> Self {
        self.times(usize::MAX)
    }

    /// It lets this many matching calls pass first.
    #[must_use]
    pub fn after(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// The bank does what was asked before it answers with the error.
    #[must_use]
    pub fn committed(mut self) -> Self {
        self.commits = true;
        self
    }

    /// It hits calls of this user only.
    #[must_use]
    pub fn of(mut self, user: u64) -> Self {
        self.user = Some(user);
        self
    }

    /// What the bank does, it does only this long after the call, by its own clock.
    #[must_use]
    pub fn late(mut self, wait: Duration) -> Self {
        self.late = Some(wait);
        self
    }

    fn matches(&self, method: &str, template: &str, user: Option<u64>) -> bool {
        let user_fits = self.user.is_none() || self.user == user;
        let method_fits = self.method == "*" || self.method == method;
        let template_fits = match self.template.strip_suffix('$') {
            Some(whole) => template == whole,
            None => template.starts_with(&self.template),
        };
        method_fits && template_fits && user_fits
    }

    /// Whether the bank sees the call.
    pub(crate) fn reaches_the_bank(&self) -> bool {
        match self.kind {
            FaultKind::DropBefore | FaultKind::Silence(_) => false,
            FaultKind::Status(..) | FaultKind::Html(_) | FaultKind::Redirect(_) => self.commits,
            FaultKind::DropAfterCommit
            | FaultKind::DelayReply(_)
            | FaultKind::EndedSession
            | FaultKind::WrongSignature
            | FaultKind::MissingSignature
            | FaultKind::SignatureOfOtherBody
            | FaultKind::OtherRequestId
            | FaultKind::Replayed
            | FaultKind::TruncatedBody
            | FaultKind::HugeBody
            | FaultKind::NotJson
            | FaultKind::EmptyResponseArray => true,
        }
    }
}

/// The faults that wait, first come first served.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many calls are still to be hit.
    pub(crate) fn waiting(&self) -> usize {
        self.0.iter().fold(0, |sum, fault| sum.saturating_add(fault.remaining))
    }

    /// The fault for this call, if one waits for it.
    pub(crate) fn take(&mut self, method: &str, template: &str, user: Option<u64>) -> Option<Fault> {
        let hit = self.0.iter_mut().find_map(|fault| {
            if fault.remaining == 0 || !fault.matches(method, template, user) {
                return None;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                return None;
            }
            fault.remaining -= 1;
            Some(fault.clone())
        });
        self.0.retain(|fault| fault.remaining > 0);
        hit
    }
}
