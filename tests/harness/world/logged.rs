//! The operator inside this process, on threads of its own, so that every line it logs is known.

use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bunq_oauth_operator::{
    bunq::{HttpOptions, HttpTransport, LimitMode},
    telemetry::log::{self, LogFormat},
};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tracing::{Dispatch, dispatcher};

use super::{InProcess, Seams, World};
use crate::harness::{TestClock, outcome::Outcome};

/// A running operator whose log can be read; ended when dropped.
pub struct Logged {
    operator: Option<InProcess>,
    runtime: Option<Runtime>,
    log: PathBuf,
}

impl Drop for Logged {
    fn drop(&mut self) {
        drop(self.operator.take());
        if let Some(runtime) = self.runtime.take() {
            // Not waited for: this may run on a thread that must not block.
            runtime.shutdown_background();
        }
    }
}

/// A place in the code that logs asks once whether anybody listens. As long as there is one listener, it asks the
/// thread that came first, and that may be another operator's, which logs nowhere: then the listener hears nothing
/// of it for ever. With two it asks both.
fn listen_twice() -> Outcome {
    static ANOTHER: OnceLock<Dispatch> = OnceLock::new();
    let another = Dispatch::new(log::subscriber(LogFormat::Json, None, io::sink)?);
    ANOTHER.get_or_init(|| another);
    Ok(())
}

impl World {
    /// Starts the operator inside this process; it logs as the program does.
    pub async fn start_in_process_logged(self: &Arc<Self>) -> Outcome<Logged> {
        listen_twice()?;
        let log = self.folder().join("in-process.log");
        let file = Arc::new(File::options().create(true).append(true).open(&log)?);
        let lines = Dispatch::new(log::subscriber(LogFormat::Json, None, file)?);
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            // For as long as the thread lives.
            .on_thread_start(move || std::mem::forget(dispatcher::set_default(&lines)))
            .build()?;
        let world = Arc::clone(self);
        let client = runtime.spawn(async move { world.operator_client().await }).await??;
        let transport = Arc::new(HttpTransport::new(HttpOptions { ca_pem: None })?);
        let operator = {
            let _inside = runtime.enter();
            self.start_in_process_on(Seams { client, transport, clock: TestClock::new() }, LimitMode::Off)?
        };
        Ok(Logged { operator: Some(operator), runtime: Some(runtime), log })
    }
}

impl Logged {
    /// Lets time pass, and waits until everything that had to happen has happened.
    pub async fn let_pass(&self, time: Duration) -> Outcome {
        self.operator.as_ref().ok_or("it has ended")?.let_pass(time).await
    }

    /// Waits until nothing has been going on for a moment.
    pub async fn settle(&self) -> Outcome {
        self.operator.as_ref().ok_or("it has ended")?.settle().await
    }

    /// Every line so far.
    pub fn lines(&self) -> Outcome<Vec<Value>> {
        let text = std::fs::read_to_string(&self.log)?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// Ends it in order.
    pub async fn stop(mut self) -> Outcome {
        self.operator.take().ok_or("it has ended")?.stop().await
    }
}
