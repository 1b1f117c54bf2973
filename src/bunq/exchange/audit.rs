//! Who hears of what the bank was told, whatever became of it (`H26`).

use std::{fmt, sync::Arc};

use crate::bunq::{
    answer::Believed,
    ground::{Call, Error},
};

/// Hears of every attempt at a call that can change something at the bank, once, when it is over.
pub trait Auditor: Send + Sync {
    /// The bank was told something.
    fn told(&self, told: &Told<'_>);
}

/// One attempt that can have changed something.
#[derive(Debug)]
pub struct Told<'a> {
    /// Which call.
    pub call: Call,
    /// The id that we gave the attempt.
    pub request_id: &'a str,
    /// The id that the bank's support asks for.
    pub response_id: Option<&'a str>,
    /// How it ended.
    pub ending: Ending<'a>,
}

/// How an attempt ended.
#[derive(Debug)]
pub enum Ending<'a> {
    /// With a success that is believed.
    Accepted,
    /// Otherwise.
    Failed(&'a Error),
    /// Nobody waited for the answer any more (`F43`).
    Dropped,
}

/// An attempt under way: told of however it ends.
pub(super) struct UnderWay {
    auditor: Option<Arc<dyn Auditor>>,
    call: Call,
    request_id: String,
}

impl UnderWay {
    /// Reads are nobody's business.
    pub(super) fn begin(auditor: Option<&Arc<dyn Auditor>>, call: Call, request_id: &str) -> Self {
        Self { auditor: auditor.filter(|_| call.is_mutation()).cloned(), call, request_id: request_id.to_owned() }
    }

    /// It is over.
    pub(super) fn end(mut self, result: &Result<Believed, Error>) {
        let (response_id, ending) = match result {
            Ok(believed) => (believed.response_id.as_deref(), Ending::Accepted),
            Err(error) => (error.response_id(), Ending::Failed(error)),
        };
        self.tell(response_id, ending);
    }

    fn tell(&mut self, response_id: Option<&str>, ending: Ending<'_>) {
        if let Some(auditor) = self.auditor.take() {
            auditor.told(&Told { call: self.call, request_id: &self.request_id, response_id, ending });
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.tell(None, Ending::Dropped);
    }
}

impl fmt::Debug for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnderWay").field("call", &self.call).finish_non_exhaustive()
    }
}
