//! What is remembered of an object between passes; losing it costs one read at the bank.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use secrecy::SecretString;

use crate::plan::{self, backoff};

/// Failures after which a short delay no longer grows: it stays within 8 s (`L3`).
const SHORT: u32 = 3;

/// What is remembered of one object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// The last read that ended as declared.
    pub(crate) verified: Option<Verified>,
    /// The last pair that a verified read carried; wiped on drop.
    pub(crate) pair: Option<Pair>,
    /// The names of the output Secrets that were written: the status tells of the last one only
    /// when its pass came to an end.
    outputs: Vec<Box<str>>,
    /// Passes that failed in a row.
    pub(crate) failures: u32,
    /// The bank came back, or its turn comes: the next pass does not wait for its back-off.
    pub(crate) released: bool,
    /// The last pass panicked.
    pub(crate) panicked: bool,
}

impl Memory {
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(|name| &**name)
    }

    pub(crate) fn add_output(&mut self, name: &str) {
        if !self.outputs().any(|known| known == name) {
            // Hardly an object ever has a second one.
            self.outputs.reserve_exact(1);
            self.outputs.push(name.into());
        }
    }

    pub(crate) fn remove_output(&mut self, name: &str) {
        self.outputs.retain(|known| **known != *name);
    }
}

/// A read that ended as declared, and when.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    pub(crate) at: Timestamp,
    pub(crate) cause: CauseId,
    pub(crate) client: plan::Client,
    pub(crate) bound_ip: Option<String>,
}

/// A cause in 8 bytes, to tell whether it is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CauseId(u64);

impl CauseId {
    pub(crate) fn of(cause: &plan::Cause) -> Self {
        let mut hasher = DefaultHasher::new();
        (cause.generation, &cause.requested_at, &cause.key).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// A `client_id` and its secret, from one verified read.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) client_id: String,
    pub(crate) secret: SecretString,
}

/// What is remembered of all objects, by UID.
#[derive(Default)]
pub(crate) struct Memories {
    by_uid: Mutex<HashMap<String, Box<Memory>>>,
}

impl Memories {
    /// Looks at what is remembered of an object, or changes it.
    pub(crate) fn of<T>(&self, uid: &str, look: impl FnOnce(&mut Memory) -> T) -> T {
        look(self.all().entry(uid.to_owned()).or_default())
    }

    /// A pass ended in order; nothing is remembered of an object because of that alone.
    pub(crate) fn calm(&self, uid: &str) {
        if let Some(memory) = self.all().get_mut(uid) {
            memory.panicked = false;
        }
    }

    /// When the last read that ended as declared was. Nothing is remembered of an object because it is asked for.
    pub(crate) fn verified_at(&self, uid: &str) -> Option<Timestamp> {
        self.all().get(uid)?.verified.as_ref().map(|verified| verified.at)
    }

    /// The next delay of an object that fails again and again.
    pub(crate) fn back_off(&self, uid: &str) -> Duration {
        backoff::after_failure(self.count_failure(uid), random())
    }

    /// The same where it is the API server that failed: it may be back at any moment.
    pub(crate) fn short_back_off(&self, uid: &str) -> Duration {
        backoff::after_failure(self.count_failure(uid).min(SHORT), random())
    }

    fn count_failure(&self, uid: &str) -> u32 {
        self.of(uid, |memory| {
            memory.failures = memory.failures.saturating_add(1);
            memory.failures
        })
    }

    pub(crate) fn forget(&self, uid: &str) {
        self.all().remove(uid);
    }

    pub(crate) fn forget_all(&self) {
        self.all().clear();
    }

    /// Wipes what is remembered of objects that are gone.
    pub(crate) fn keep_only(&self, living: &HashSet<String>) {
        self.all().retain(|uid, _| living.contains(uid));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Box<Memory>>> {
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn random() -> f64 {
    draw(&uuid::Uuid::new_v4().to_string())
}

/// A number in 0..1 that belongs to this object.
pub(crate) fn draw(uid: &str) -> f64 {
    let sum = uid.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    f64::from(sum % 1000) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_that_ends_in_order_makes_no_memory_and_ends_that_of_a_panic() {
        let memories = Memories::default();
        memories.calm("a");
        assert!(memories.all().is_empty());
        memories.of("a", |memory| memory.panicked = true);
        memories.calm("a");
        assert!(!memories.of("a", |memory| memory.panicked));
    }

    #[test]
    fn what_is_gone_is_forgotten_and_what_lives_is_not() {
        let memories = Memories::default();
        for uid in ["a", "b"] {
            memories.of(uid, |memory| memory.failures = 7);
        }
        memories.keep_only(&HashSet::from(["b".to_owned()]));
        assert_eq!(["a", "b"].map(|uid| memories.of(uid, |memory| memory.failures)), [0, 7]);
    }

    #[test]
    fn a_short_delay_stays_within_eight_seconds_however_often_the_api_server_fails() {
        let memories = Memories::default();
        assert!((0..200).all(|_| memories.short_back_off("a") <= Duration::from_secs(8)));
        assert_eq!(memories.of("a", |memory| memory.failures), 200);
    }

    #[test]
    fn an_output_is_remembered_once_until_it_is_removed() {
        let mut memory = Memory::default();
        for name in ["a", "b", "a"] {
            memory.add_output(name);
        }
        assert_eq!(memory.outputs().collect::<Vec<_>>(), ["a", "b"]);
        memory.remove_output("a");
        assert_eq!(memory.outputs().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_cause_is_another_one_when_any_part_of_it_is() {
        let cause = plan::Cause { generation: 1, requested_at: None, key: "key".to_owned() };
        let same = CauseId::of(&cause);
        assert_eq!(CauseId::of(&cause.clone()), same);
        for other in [
            plan::Cause { generation: 2, ..cause.clone() },
            plan::Cause { requested_at: Some(String::new()), ..cause.clone() },
            plan::Cause { key: "other".to_owned(), ..cause.clone() },
        ] {
            assert_ne!(CauseId::of(&other), same);
        }
    }
}
