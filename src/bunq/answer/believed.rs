//! A success that is believed: first its bytes, then what they hold.

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::envelope::Envelope;
use crate::bunq::ground::{Call, Distrust, Error};

/// A success whose bytes may be read.
pub(crate) struct Believed {
    pub(crate) call: Call,
    pub(crate) status: u16,
    pub(crate) request_id: String,
    pub(crate) response_id: Option<String>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// A believed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<T> {
    /// What it holds.
    pub value: T,
    /// The id that we gave the attempt.
    pub request_id: String,
    /// The id that the bank's support asks for.
    pub response_id: Option<String>,
}

impl<T> Reply<T> {
    /// The same answer with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reply<U> {
        Reply { value: change(self.value), request_id: self.request_id, response_id: self.response_id }
    }
}

impl Believed {
    /// The items of the answer.
    pub(crate) fn envelope(&self) -> Result<Envelope, Error> {
        self.decode()
    }

    fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Its text can hold values; category and place cannot.
            let kind = match error.classify() {
                serde_json::error::Category::Syntax => "it is not JSON",
                serde_json::error::Category::Eof => "it ends in the middle",
                serde_json::error::Category::Data | serde_json::error::Category::Io => {
                    "it does not have the expected form"
                }
            };
            let place = format!("{kind} (line {}, column {})", error.line(), error.column());
            self.senseless(&place)
        })
    }

    /// The answer lacks something or contradicts itself.
    pub(crate) fn senseless(&self, reason: &str) -> Error {
        Error::Decode {
            call: self.call,
            status: self.status,
            reason: reason.to_owned(),
            request_id: self.request_id.clone(),
            response_id: self.response_id.clone(),
        }
    }

    /// The answer describes something else than was asked for.
    pub(crate) fn other_object(&self) -> Error {
        Error::Distrust {
            call: self.call,
            status: self.status,
            reason: Distrust::OtherObject,
            request_id: self.request_id.clone(),
            response_id: self.response_id.clone(),
        }
    }

    /// The answer, done with.
    pub(crate) fn reply<T>(self, value: T) -> Reply<T> {
        Reply { value, request_id: self.request_id, response_id: self.response_id }
    }
}
