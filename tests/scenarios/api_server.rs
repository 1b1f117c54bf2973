//! The API server at its worst: it says nothing, refuses, loses its answers, or is restarted again and again
//! (F14, F15; M1, M2).

mod answers;
mod lanes;
mod restarts;
mod silence;

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use testbed::harness::{Outcome, World, ensure};

use crate::stage::Stage;

const LOOK_EVERY: Duration = Duration::from_millis(50);
const CLIENTS: &str = "user/{u}/oauth-client";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let stories = [silence::trials, answers::trials, lanes::trials, restarts::trials];
    stories.iter().flat_map(|story| story(stage)).collect()
}

/// Waits until the operator has logged these words.
async fn until_logged(world: &World, words: &str, within: Duration) -> Outcome {
    let since = Instant::now();
    while !world.operator_log().await.contains(words) {
        ensure(since.elapsed() < within, || format!("within {within:?} the log did not say {words:?}"))?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
