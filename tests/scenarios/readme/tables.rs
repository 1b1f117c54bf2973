//! The tables that are made from the code.

use std::{fmt::Write as _, time::Duration};

use bunq_oauth_operator::{
    cli,
    plan::{Reason, Weight},
    telemetry::metrics::{BankCall, ClientCensus, Metrics, RestCall, RestCode},
};
use clap::Arg;

use super::{Outcome, block};

/// Condition, reason, meaning and remedy of everything that a `BunqOAuthClient` can be.
pub(crate) fn the_status_table_is_the_codes_own() -> Outcome {
    let mut table = String::from("| Ready | reason | what it means | what to do |\n|---|---|---|---|\n");
    for reason in Reason::ALL {
        let row = [state(*reason), &format!("`{}`", reason.as_str()), reason.meaning(), reason.remedy()];
        write_row(&mut table, &row);
    }
    block::holds("README.md", "reasons", &table)
}

/// What the condition Ready says, and which other condition stands beside it.
fn state(reason: Reason) -> &'static str {
    match reason.weight() {
        Weight::Ready => "True",
        Weight::Suspended => "False",
        Weight::Stalled => "False + Stalled",
        Weight::Reconciling => match reason {
            Reason::CredentialsSecretNotFound | Reason::CredentialsKeyNotFound | Reason::CredentialsKeyEmpty => {
                "False + Reconciling"
            }
            Reason::WaitingForBankLimit
            | Reason::BankUnavailable
            | Reason::BankNotTrusted
            | Reason::BankAnswerUnverified
            | Reason::KubernetesUnavailable => "Unknown + Reconciling ¹",
            _ => "Unknown + Reconciling",
        },
    }
}

/// Every flag of `run`, its variable, its default and what it is for.
pub(crate) fn the_flags_table_is_the_command_lines_own() -> Outcome {
    let definition = cli::definition();
    let run = definition.find_subcommand("run").ok_or("the command line has no run")?;
    let mut table = String::from("| flag | environment | default | meaning |\n|---|---|---|---|\n");
    for argument in run.get_arguments().filter(|argument| argument.get_id() != "help") {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let environment = argument.get_env().map(|name| format!("`{}`", name.to_string_lossy()));
        let row = [&flag(argument)?, &environment.unwrap_or_default(), &default(argument), help.trim_end_matches('.')];
        write_row(&mut table, &row);
    }
    block::holds("docs/operations.md", "flags", &table)
}

fn flag(argument: &Arg) -> Result<String, String> {
    let long = argument.get_long().ok_or_else(|| format!("{} has no long form", argument.get_id()))?;
    let words: Vec<String> = argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let names = argument.get_value_names().unwrap_or_default();
    let value = if words.is_empty() { names.join(" ") } else { words.join("/") };
    Ok(format!("`--{long} {value}`"))
}

fn default(argument: &Arg) -> String {
    let values: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    values.join(" ")
}

/// Every metric that `/metrics` can show.
pub(crate) fn the_metrics_table_is_the_programs_own() -> Outcome {
    let metrics = Metrics::new();
    metrics.max_concurrent_reconciles(1);
    metrics.knows_environment("");
    metrics.bank_call(BankCall { environment: "", method: "", endpoint: "", outcome: "" }, Duration::ZERO);
    metrics.clients([(ClientCensus { condition: "", status: "", reason: "" }, 1)]);
    metrics.rest_call(&RestCall { code: RestCode::NoAnswer, method: "", host: "".into() });
    metrics.leader("", true);
    let text = metrics.prometheus_text().map_err(|error| error.to_string())?;
    let mut table = String::from("| metric | meaning |\n|---|---|\n");
    for line in text.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = line.split_once(' ').ok_or_else(|| format!("{line} has no text"))?;
        write_row(&mut table, &[&format!("`{name}`"), help.trim_end_matches('.')]);
    }
    block::holds("docs/operations.md", "metrics", &table)
}

pub(super) fn write_row(table: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(table, "| {} |", cells.join(" | "));
}
