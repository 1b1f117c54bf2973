//! How a scenario fails: with a sentence.

use std::{error::Error, fmt::Debug};

/// What a scenario or a step of it ends with; `?` takes any error and any sentence.
pub type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Fails with the sentence unless it holds.
pub fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}

/// Fails unless both are equal, and shows both.
#[expect(clippy::needless_pass_by_value, reason = "what a step returns is compared as it comes")]
pub fn ensure_eq<T: Debug + PartialEq<U>, U: Debug>(found: T, wanted: U, what: &str) -> Outcome {
    ensure(found == wanted, || format!("{what}: found {found:?}, wanted {wanted:?}"))
}

/// The words of an error and of everything beneath it.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        words = format!("{words}: {source}");
        next = source.source();
    }
    words
}
