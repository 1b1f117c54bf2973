//! Tasks that must never end: when one does, /livez fails and the process ends with its name (`M3`, `L7`).

use std::{future::Future, panic::AssertUnwindSafe};

use futures::FutureExt;
use tokio::task::JoinSet;

use crate::telemetry::{Liveness, Telemetry};

/// A task that ended, and how.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) task: &'static str,
    pub(super) how: &'static str,
}

/// All of them; ended when dropped.
pub(super) struct Tasks {
    liveness: Liveness,
    running: JoinSet<(&'static str, &'static str)>,
}

impl Tasks {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        Self { liveness: telemetry.liveness.clone(), running: JoinSet::new() }
    }

    pub(super) fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let alive = self.liveness.task(name);
        self.running.spawn(async move {
            let end = AssertUnwindSafe(task).catch_unwind().await;
            drop(alive);
            (name, if end.is_ok() { "ended" } else { "panicked" })
        });
    }

    /// The next one that ends.
    pub(super) async fn next(&mut self) -> Ended {
        let (task, how) = match self.running.join_next().await {
            Some(Ok(end)) => end,
            // Nobody aborts one, and a panic is caught inside.
            Some(Err(_)) | None => ("a task", "was lost"),
        };
        Ended { task, how }
    }

    /// Waits for the end of this one.
    pub(super) async fn until_ended(&mut self, name: &str) {
        while let Some(end) = self.running.join_next().await {
            if end.is_ok_and(|(ended, _)| ended == name) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_or_panics_is_named_and_ends_liveness() {
        let ends: [(&str, fn()); 2] = [("ended", || ()), ("panicked", || panic!("planted"))];
        for (how, end) in ends {
            let telemetry = Telemetry::new(Duration::default);
            let mut tasks = Tasks::new(&telemetry);
            tasks.spawn("quiet", std::future::pending());
            tasks.spawn("short", async move { end() });

            let ended = tasks.next().await;

            assert_eq!(ended, Ended { task: "short", how });
            let failed = telemetry.liveness.failed();
            assert_eq!(failed.iter().map(|check| check.name).collect::<Vec<_>>(), ["short"]);
        }
    }
}
