//! Waiting for what no watch tells: a state of the bank, a line of a log.

use std::time::{Duration, Instant};

use super::outcome::{Outcome, ensure};

/// Some moments last a few milliseconds only, such as a call that is under way.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until it is so; tells how long that took.
pub async fn until(what: &str, within: Duration, is_so: impl Fn() -> bool) -> Outcome<Duration> {
    let since = Instant::now();
    while !is_so() {
        ensure(since.elapsed() < within, || format!("{what}: not within {within:?}"))?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(since.elapsed())
}
