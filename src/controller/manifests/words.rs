//! The words of a status in a byte each: only those that this version knows are kept apart.

use crate::{
    api::{
        ConditionStatus,
        condition::{PART_REASONS, TYPES},
    },
    plan::Reason,
};

/// For a word that this version does not know.
const OTHER: &str = "other";

/// A condition in three bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    type_: u8,
    pub(crate) status: ConditionStatus,
    pub(crate) reason: Word,
}

impl Shown {
    pub(crate) fn new(type_: &str, status: ConditionStatus, reason: Word) -> Self {
        Self { type_: place_of(type_, TYPES), status, reason }
    }

    pub(crate) fn type_(self) -> &'static str {
        TYPES.get(usize::from(self.type_)).copied().unwrap_or(OTHER)
    }
}

/// The reason of a condition in a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(u8);

impl Word {
    pub(crate) fn of(text: &str) -> Self {
        Self(place_of(text, words()))
    }

    pub(crate) fn as_str(self) -> &'static str {
        words().nth(self.0.into()).unwrap_or(OTHER)
    }

    pub(crate) fn is(self, reason: Reason) -> bool {
        Reason::ALL.get(usize::from(self.0)) == Some(&reason)
    }
}

fn words() -> impl Iterator<Item = &'static str> {
    Reason::ALL.iter().map(|reason| reason.as_str()).chain(PART_REASONS)
}

fn place_of(text: &str, words: impl IntoIterator<Item = &'static str>) -> u8 {
    let place = words.into_iter().position(|word| word == text);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_ours_is_kept_and_any_other_is_other() {
        assert!(words().count() < usize::from(u8::MAX));
        for word in words() {
            assert_eq!(Word::of(word).as_str(), word);
        }
        for type_ in TYPES {
            assert_eq!(Shown::new(type_, ConditionStatus::True, Word::of("Synced")).type_(), type_);
        }
        assert_eq!(Word::of("Invented").as_str(), OTHER);
        assert_eq!(Shown::new("Invented", ConditionStatus::True, Word::of("Synced")).type_(), OTHER);
        assert!(Word::of("Synced").is(Reason::Synced) && !Word::of("Verified").is(Reason::Synced));
    }
}
