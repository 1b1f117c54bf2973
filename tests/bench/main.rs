//! `make bench`: what the operator costs, measured on a real API server and the bank emulator, in one table.
//!
//! `OPERATOR_BINARY` names the operator; `BENCH=memory,calls` picks chapters. Nothing here passes or fails by a figure.

mod audit;
mod figures;
mod ground;
mod operator;
mod settings;
mod table;

use std::{io::Write as _, process::ExitCode};

use testbed::harness::{Outcome, chain};

use settings::Settings;
use table::Table;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if even this fails.
            let _ = writeln!(std::io::stderr(), "bench: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Outcome {
    let settings = Settings::read()?;
    // reqwest and kube take the process's provider; somebody else may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut table = Table::default();
    let outcome = runtime.block_on(figures::all(&settings, &mut table));
    // A build that goes on in the background is of use to the next start; nobody waits for it.
    runtime.shutdown_background();
    writeln!(std::io::stdout(), "\n{table}")?;
    outcome
}
