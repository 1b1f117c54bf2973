//! What became of a change that the bank did not accept.

use crate::bunq::{Class, Error};

/// What became of a change that the bank did not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The bank said no.
    Refused,
    /// It may have been carried out.
    Unknown,
    /// It certainly was not carried out, and not for what it asks.
    NotCarriedOut,
}

impl Fate {
    /// The fate of a change that ended like this (`F02`).
    pub(crate) fn of(error: &Error) -> Self {
        if error.may_have_been_applied() {
            return Self::Unknown;
        }
        match error.class() {
            Class::Refused | Class::NotFound | Class::MethodNotAllowed => Self::Refused,
            Class::Credentials
            | Class::Session
            | Class::DeviceExists
            | Class::UserSessionExists
            | Class::Throttled { .. }
            | Class::Unavailable
            | Class::Unexpected
            | Class::Unverified
            | Class::Malformed
            | Class::Network { .. }
            | Class::Local => Self::NotCarriedOut,
        }
    }

    /// The word in the audit line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::NotCarriedOut => "not carried out",
        }
    }
}
