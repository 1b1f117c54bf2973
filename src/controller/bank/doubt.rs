//! Since when the bank's signatures have been wrong, for each context: any answer that is believed ends the count.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    bunq::{self, Call, Class},
    controller::stop::is_signature_trouble,
};

/// Since when, by the name of the context.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    since: Mutex<HashMap<String, Duration>>,
}

impl Doubts {
    /// Takes in how a call ended that was made with this context.
    pub(super) fn hear(&self, context: &str, call: Call, failure: Option<&bunq::Error>, now: Duration) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(error) if is_signature_trouble(error) => {
                since.entry(context.to_owned()).or_insert(now);
            }
            // What cannot be understood was signed all the same.
            Some(error) if error.class() != Class::Malformed => {}
            // Nothing verifies an installation: the key is in its answer.
            Some(_) | None if call == Call::CreateInstallation => {}
            Some(_) | None => {
                since.remove(context);
            }
        }
    }

    /// How long they have been wrong.
    pub(super) fn last_for(&self, context: &str, now: Duration) -> Duration {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.get(context).map_or(Duration::ZERO, |since| now.saturating_sub(*since))
    }

    pub(super) fn forget_all(&self) {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
