//! One emulator's state, and the way of a call through it: fault, limit, authentication, bank.

use std::time::Duration;

use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    bank::{Bank, Caller, stamp},
    behaviour::{Behaviour, LimitStatus},
    fault::{Fault, FaultKind, Faults},
    limit::Limits,
    log::{Call, CallLog},
    reply::{Ask, Outcome, Refusal, Reply, text},
    route::Endpoint,
    wire::{Envelope, Wire},
};

/// Everything behind the one lock.
pub(super) struct State {
    pub(super) bank: Bank,
    pub(super) faults: Faults,
    pub(super) log: CallLog,
    pub(super) limits: Option<Limits>,
    /// How far the emulator's clock is ahead of the machine's.
    pub(super) ahead: SignedDuration,
    /// Connections that are open now.
    pub(super) connections: usize,
}

/// What becomes of a call.
#[derive(Debug)]
pub(super) struct Answered {
    ask: Ask,
    outcome: Outcome,
    fault: Option<FaultKind>,
    behaviour: Behaviour,
    response_id: String,
}

impl State {
    /// The emulator's time.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(self.ahead).unwrap_or(Timestamp::MAX)
    }

    /// Does what is due, before anybody looks.
    pub(super) fn settle(&mut self) {
        let now = self.now();
        for seq in self.bank.settle(now) {
            self.log.committed(seq);
        }
    }

    /// Answers one call and writes it down.
    pub(super) fn answer(&mut self, mut ask: Ask) -> Answered {
        self.settle();
        let user = self.user_of(&ask);
        let fault = self.faults.take(&ask.method, ask.route.template, user);
        if fault.as_ref().is_some_and(|fault| !fault.reaches_the_bank()) {
            ask.body = Bytes::new();
        }
        let seq = self.log.next_seq();
        let mut call = Call::new(&ask, seq, stamp(self.bank.now), Uuid::new_v4().to_string());
        call.user = user;
        let outcome = match &fault {
            Some(fault) if !fault.reaches_the_bank() => Ok(Reply::Empty),
            Some(_) | None => self.reach_the_bank(&ask, fault.as_ref(), &mut call),
        };
        let fault = fault.map(|fault| fault.kind);
        call.status = sent_status(&outcome, fault.as_ref());
        let answered = Answered {
            ask,
            outcome,
            fault,
            behaviour: self.bank.behaviour.clone(),
            response_id: call.response_id.clone(),
        };
        self.log.add(call);
        answered
    }

    /// Whose call it is: the user in its path, or the owner of the key in its body.
    fn user_of(&self, ask: &Ask) -> Option<u64> {
        let owner = || self.bank.owner_of(text(&ask.object().ok()?, "secret")?);
        ask.route.endpoint.user().or_else(owner)
    }

    fn reach_the_bank(&mut self, ask: &Ask, fault: Option<&Fault>, call: &mut Call) -> Outcome {
        self.count(ask)?;
        if fault.is_some_and(|fault| fault.kind == FaultKind::EndedSession) {
            self.bank.end_session_of(ask.token.as_deref());
        }
        let caller = self.bank.authenticate(ask)?;
        if let Caller::Session(at) = caller {
            call.user = Some(self.bank.sessions[at].user);
        }
        if let Some(wait) = fault.and_then(|fault| self.lateness(ask, fault)) {
            self.bank.commit_later(caller, ask.clone(), call.seq, wait);
            return Ok(Reply::Html(504, "Gateway Time-out".to_owned()));
        }
        let outcome = self.bank.answer(caller, ask);
        call.committed = outcome.is_ok();
        outcome
    }

    /// How much later the bank does what was asked, if not at once.
    fn lateness(&self, ask: &Ask, fault: &Fault) -> Option<Duration> {
        let is_creation = matches!(ask.route.endpoint, Endpoint::OauthClients(_)) && ask.method == "POST";
        let of_creations = self.bank.behaviour.late_commit.filter(|_| is_creation && loses_the_reply(&fault.kind));
        fault.late.or(of_creations)
    }

    fn count(&mut self, ask: &Ask) -> Result<(), Refusal> {
        let (caller, now) = (self.bank.caller, self.bank.now);
        let Some(limits) = &mut self.limits else {
            return Ok(());
        };
        limits.count(caller, &ask.method, ask.route.template, now).map_err(|limit| {
            let status = match self.bank.behaviour.limit_status {
                LimitStatus::TooManyRequests => 429,
                LimitStatus::Conflict => 409,
            };
            Refusal::new(status, limit.text())
        })
    }
}

/// Whether the caller cannot know what became of the call.
fn loses_the_reply(fault: &FaultKind) -> bool {
    match fault {
        FaultKind::DropAfterCommit
        | FaultKind::DelayReply(_)
        | FaultKind::Status(..)
        | FaultKind::Html(_)
        | FaultKind::Redirect(_)
        | FaultKind::TruncatedBody
        | FaultKind::HugeBody
        | FaultKind::NotJson => true,
        FaultKind::DropBefore
        | FaultKind::Silence(_)
        | FaultKind::EndedSession
        | FaultKind::WrongSignature
        | FaultKind::MissingSignature
        | FaultKind::SignatureOfOtherBody
        | FaultKind::OtherRequestId
        | FaultKind::Replayed
        | FaultKind::EmptyResponseArray => false,
    }
}

/// The status that goes out; 0 for a closed connection.
fn sent_status(outcome: &Outcome, fault: Option<&FaultKind>) -> u16 {
    match fault {
        Some(FaultKind::DropBefore | FaultKind::DropAfterCommit | FaultKind::Silence(_)) => 0,
        Some(FaultKind::Status(status, _) | FaultKind::Html(status)) => *status,
        Some(FaultKind::Redirect(_)) => 302,
        Some(FaultKind::HugeBody | FaultKind::NotJson | FaultKind::EmptyResponseArray | FaultKind::Replayed) => 200,
        Some(
            FaultKind::DelayReply(_)
            | FaultKind::EndedSession
            | FaultKind::WrongSignature
            | FaultKind::MissingSignature
            | FaultKind::SignatureOfOtherBody
            | FaultKind::OtherRequestId
            | FaultKind::TruncatedBody,
        )
        | None => match outcome {
            Ok(Reply::Items(_) | Reply::Page(..) | Reply::Empty) => 200,
            Ok(Reply::OAuth(status, _) | Reply::Html(status, _)) => *status,
            Ok(Reply::Redirect(_)) => 302,
            Err(refusal) => refusal.status,
        },
    }
}

impl Answered {
    /// How long the reply waits.
    pub(super) fn delay(&self) -> Option<Duration> {
        match self.fault {
            Some(FaultKind::DelayReply(wait) | FaultKind::Silence(wait)) => Some(wait),
            _ => None,
        }
    }

    /// The reply; `None` closes the connection.
    pub(super) fn wire(&self) -> Option<Wire> {
        let envelope = Envelope {
            behaviour: &self.behaviour,
            request_id: self.ask.request_id.as_deref(),
            response_id: &self.response_id,
            accepts_gzip: self.ask.accepts_gzip,
        };
        match &self.fault {
            Some(FaultKind::DropBefore | FaultKind::DropAfterCommit | FaultKind::Silence(_)) => None,
            Some(fault) => Some(envelope.render_fault(&self.outcome, fault)),
            None => Some(envelope.render(&self.outcome)),
        }
    }
}
