//! `make demo`: the operator's main job on real parts, from the manifest to a login, told as it happens.
//!
//! It reads `OPERATOR_BINARY`, `KEEP` and `BUNQ_API_KEY` from the environment; see `settings`.

mod audit;
mod error;
mod narrate;
mod process;
mod proxy;
mod settings;
mod steps;
mod tour;
mod world;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use narrate::Narrator;
use rustls::crypto::aws_lc_rs;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    if let Err(error) = proxy::step_around() {
        let _ = writeln!(std::io::stderr(), "demo: cannot start again without a proxy for this machine: {error}");
        return ExitCode::FAILURE;
    }
    // reqwest and kube take the process's provider.
    let _ = aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "demo: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(tour_or_signal(&Arc::new(Narrator::new())));
    // A build that goes on in the background is of use to the next start; nobody waits for it.
    runtime.shutdown_background();
    code
}

async fn tour_or_signal(narrator: &Arc<Narrator>) -> ExitCode {
    let done = tokio::select! {
        done = tour::run(narrator) => Some(done),
        // Dropping the tour ends its processes and removes its folder.
        () = interrupted() => None,
    };
    match done {
        Some(Ok(())) => {
            narrator.finished();
            ExitCode::SUCCESS
        }
        Some(Err(error)) => {
            narrator.failed(format_args!("{} failed: {}", narrator.current(), error.sentence()));
            ExitCode::FAILURE
        }
        None => {
            narrator.failed("interrupted: everything has ended");
            // What a shell reports for Ctrl-C.
            ExitCode::from(130)
        }
    }
}

/// Waits for a signal that asks this program to end.
async fn interrupted() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let mut signals: Vec<_> = kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect();
    let any = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
    futures::future::select_all(any).await;
}
