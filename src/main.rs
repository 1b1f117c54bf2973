//! The program: see [`bunq_oauth_operator::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bunq_oauth_operator::cli::main()
}
