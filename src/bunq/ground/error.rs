//! What can go wrong with a call, what it means, and whether the bank may have acted.

use std::{fmt, time::Duration};

use thiserror::Error;

use super::{
    call::Call,
    transport::{Fault, Stage, TransportError},
};

/// An answer other than success. The text is the bank's, sanitised: untrusted, for people only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Which call it answers.
    pub call: Call,
    /// The HTTP status.
    pub status: u16,
    /// At most 256 characters, without control characters and secrets.
    pub text: String,
    /// The id that we gave the attempt.
    pub request_id: String,
    /// The id that the bank's support asks for.
    pub response_id: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} got HTTP {}: {}", self.call, self.status, quoted(&self.text))?;
        match &self.response_id {
            Some(id) => write!(f, " (response id {id})"),
            None => Ok(()),
        }
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "(no text)".to_owned() } else { format!("\"{text}\"") }
}

/// Why a success was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Distrust {
    /// No `X-Bunq-Server-Signature`.
    #[error("it carries no server signature")]
    SignatureMissing,
    /// The signature does not belong to these bytes and the installation's key.
    #[error("its server signature does not match")]
    SignatureWrong,
    /// It echoes the request id of another attempt (`H09`).
    #[error("it answers another request")]
    OtherRequest,
    /// It describes another object than the one asked for (`F21`).
    #[error("it describes another object")]
    OtherObject,
}

/// A call without a usable success.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The one text for a wrong, expired, foreign or misplaced API key (`bunq-api §6`).
    #[error("bunq refused the API key: {0}")]
    RefuseCredentials(Answer),
    /// 401 or 403: the token is no longer valid, or never was allowed to do this.
    #[error("bunq rejected the token: {0}")]
    RejectToken(Answer),
    /// 404 from the bank itself: the object or route does not exist.
    #[error("bunq found nothing: {0}")]
    FindNothing(Answer),
    /// 405: the route does not know the method.
    #[error("bunq refused the method: {0}")]
    RefuseMethod(Answer),
    /// Any other 4xx in the bank's own form: certainly not executed.
    #[error("bunq refused: {0}")]
    Refuse(Answer),
    /// The installation has a device already.
    #[error("bunq knows the device already: {0}")]
    DeviceExists(Answer),
    /// The installation token has a session of another user: a new installation is due.
    #[error("bunq has a user session already: {0}")]
    UserSessionExists(Answer),
    /// A 429, or a 409 in the sandbox, that says so or carries `Retry-After`.
    #[error("bunq throttles for {} s: {answer}", retry_after.as_secs())]
    Throttle {
        /// What the bank said.
        answer: Answer,
        /// How long the window is, as far as the bank told.
        retry_after: Duration,
    },
    /// 491, 5xx, or a 4xx that a gateway and not the bank wrote.
    #[error("bunq is unavailable: {0}")]
    BeUnavailable(Answer),
    /// 1xx, 3xx, 399: nothing that this conversation knows.
    #[error("bunq answered strangely: {0}")]
    AnswerStrangely(Answer),
    /// A success that cannot be believed; nothing of it was read (`S11`).
    #[error("the answer to {call} is not believed: {reason}")]
    Distrust {
        /// Which call it answers.
        call: Call,
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        reason: Distrust,
        /// The id that we gave the attempt.
        request_id: String,
        /// The id that the bank's support asks for.
        response_id: Option<String>,
    },
    /// A believed success that does not hold what it must.
    #[error("the answer to {call} makes no sense: {reason}")]
    Decode {
        /// Which call it answers.
        call: Call,
        /// The HTTP status.
        status: u16,
        /// What is wrong with it; no values of the answer.
        reason: String,
        /// The id that we gave the attempt.
        request_id: String,
        /// The id that the bank's support asks for.
        response_id: Option<String>,
    },
    /// No answer.
    #[error("{call} got no answer")]
    Reach {
        /// Which call was tried.
        call: Call,
        /// The id that we gave the attempt.
        request_id: String,
        /// How far it came and what broke.
        #[source]
        source: TransportError,
    },
    /// The request could not be built; nothing was sent.
    #[error("{call} could not be built: {reason}")]
    Build {
        /// Which call was tried.
        call: Call,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// What an error means for whoever decides what is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The API key was refused at device-server or session-server.
    Credentials,
    /// Open one new session, then it is a permission or key problem.
    Session,
    /// The object or route does not exist.
    NotFound,
    /// The route exists without this method.
    MethodNotAllowed,
    /// Definitely not executed; needs a change.
    Refused,
    /// The device is registered: go on.
    DeviceExists,
    /// Make a new installation.
    UserSessionExists,
    /// Definitely not executed; come back later.
    Throttled {
        /// After this long.
        retry_after: Duration,
    },
    /// The bank has an outage; for mutations the outcome is unknown.
    Unavailable,
    /// An answer outside of the protocol; for mutations the outcome is unknown.
    Unexpected,
    /// Not to be believed; for mutations the outcome is unknown.
    Unverified,
    /// Not to be understood; for mutations the outcome is unknown.
    Malformed,
    /// No answer.
    Network {
        /// Whether the request may have left.
        sent: bool,
    },
    /// Our own defect, or held back by ourselves; nothing was sent.
    Local,
}

impl Error {
    /// The meaning, for decisions.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::RefuseCredentials(_) => Class::Credentials,
            Self::RejectToken(_) => Class::Session,
            Self::FindNothing(_) => Class::NotFound,
            Self::RefuseMethod(_) => Class::MethodNotAllowed,
            Self::Refuse(_) => Class::Refused,
            Self::DeviceExists(_) => Class::DeviceExists,
            Self::UserSessionExists(_) => Class::UserSessionExists,
            Self::Throttle { retry_after, .. } => Class::Throttled { retry_after: *retry_after },
            Self::BeUnavailable(_) => Class::Unavailable,
            Self::AnswerStrangely(_) => Class::Unexpected,
            Self::Distrust { .. } => Class::Unverified,
            Self::Decode { .. } => Class::Malformed,
            Self::Reach { source, .. } if source.fault != Fault::Withheld => {
                Class::Network { sent: source.stage == Stage::MaybeSent }
            }
            Self::Reach { .. } | Self::Build { .. } => Class::Local,
        }
    }

    /// Whether the bank may have executed the call all the same (`F02`); never for reads.
    #[must_use]
    pub fn may_have_been_applied(&self) -> bool {
        let unknown = match self.class() {
            Class::Credentials
            | Class::Session
            | Class::NotFound
            | Class::MethodNotAllowed
            | Class::Refused
            | Class::DeviceExists
            | Class::UserSessionExists
            | Class::Throttled { .. }
            | Class::Local => false,
            Class::Unavailable | Class::Unexpected | Class::Unverified | Class::Malformed => true,
            Class::Network { sent } => sent,
        };
        unknown && self.call().is_mutation()
    }

    /// Whether it was held back on this side.
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        matches!(self, Self::Reach { source: TransportError { fault: Fault::Withheld, .. }, .. })
    }

    /// Which call failed.
    #[must_use]
    pub fn call(&self) -> Call {
        match self {
            Self::Distrust { call, .. }
            | Self::Decode { call, .. }
            | Self::Reach { call, .. }
            | Self::Build { call, .. } => *call,
            Self::RefuseCredentials(answer)
            | Self::RejectToken(answer)
            | Self::FindNothing(answer)
            | Self::RefuseMethod(answer)
            | Self::Refuse(answer)
            | Self::DeviceExists(answer)
            | Self::UserSessionExists(answer)
            | Self::Throttle { answer, .. }
            | Self::BeUnavailable(answer)
            | Self::AnswerStrangely(answer) => answer.call,
        }
    }

    /// What the bank said, when it refused in its own words.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::RefuseCredentials(answer)
            | Self::RejectToken(answer)
            | Self::FindNothing(answer)
            | Self::RefuseMethod(answer)
            | Self::Refuse(answer)
            | Self::DeviceExists(answer)
            | Self::UserSessionExists(answer)
            | Self::Throttle { answer, .. }
            | Self::BeUnavailable(answer)
            | Self::AnswerStrangely(answer) => Some(answer),
            Self::Distrust { .. } | Self::Decode { .. } | Self::Reach { .. } | Self::Build { .. } => None,
        }
    }

    /// The HTTP status, when there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Distrust { status, .. } | Self::Decode { status, .. } => Some(*status),
            _ => self.answer().map(|answer| answer.status),
        }
    }

    /// The id that we gave the attempt, unless nothing was sent.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Distrust { request_id, .. } | Self::Decode { request_id, .. } | Self::Reach { request_id, .. } => {
                Some(request_id)
            }
            _ => self.answer().map(|answer| answer.request_id.as_str()),
        }
    }

    /// The bank's id of the answer: its support asks for it.
    #[must_use]
    pub fn response_id(&self) -> Option<&str> {
        match self {
            Self::Distrust { response_id, .. } | Self::Decode { response_id, .. } => response_id.as_deref(),
            _ => self.answer().and_then(|a| a.response_id.as_deref()),
        }
    }
}
