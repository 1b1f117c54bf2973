//! The checks themselves are checked: each must find a planted offence.

use super::{
    MAX_LINES, Source, UNFINISHED, faults::proofs_in, recording_instruments, shared_code, too_long,
    unexplained_targets, unfinished, verdict, wall_clocks, wrong_arrows,
};

type Rule = fn(&Source) -> Vec<String>;

/// A planner's file: no layer may do less.
const PLAN: &str = "src/plan/rules.rs";

/// A file of scenarios.
const STORY: &str = "tests/scenarios/output.rs";

/// Rule, path, text, and how many faults it has.
const CASES: &[(Rule, &str, &str, usize)] = &[
    (wrong_arrows, PLAN, "use crate::plan::observed::Seen;\n// crate::bunq is not ours", 0),
    (wrong_arrows, PLAN, "use crate::clock::Clock;", 1),
    (wrong_arrows, PLAN, "use crate::{\n    plan::{Step, api},\n    bunq::Error,\n};", 1),
    (wrong_arrows, PLAN, "fn f(_: super::super::telemetry::Metrics) {}", 1),
    (wrong_arrows, PLAN, "use crate::Renamed;", 1),
    (wrong_arrows, "src/bunq/limit.rs", "use crate::clock::Clock;", 0),
    (wrong_arrows, "src/controller/status.rs", "use super::context::bunq;", 0),
    (wrong_arrows, "src/controller/mod.rs", "use super::cli::Args;", 1),
    (wrong_arrows, "src/main.rs", "fn main() { bunq_oauth_operator::cli::run() }", 0),
    (wrong_arrows, "src/main.rs", "use bunq_oauth_operator::controller;", 1),
    (wall_clocks, PLAN, "// Instant::now\ntokio::time::timeout(d, f)", 0),
    (wall_clocks, PLAN, "let now = Instant::now();", 1),
    (wall_clocks, PLAN, "use tokio::time::{self, sleep};", 1),
    (wall_clocks, "src/clock.rs", "let now = Instant::now();", 0),
    (wall_clocks, "src/bunq/tests/slow.rs", "tokio::time::sleep(pause).await;", 0),
    (wrong_arrows, "src/cli.rs", "use super::*;", 0),
    (wrong_arrows, "src/cli.rs", "use crate::*;", 1),
    (recording_instruments, PLAN, "#[instrument(\n    skip_all,\n    fields(a = x[0]))]", 0),
    (recording_instruments, PLAN, "#[tracing::instrument(fields(skip_all = 1))]", 1),
    (recording_instruments, PLAN, "#[instrument]", 1),
    (unexplained_targets, "Makefile", "lint: a ## all\nlint-go:\n\tx\n$(T):\nA := b", 0),
    (unexplained_targets, "Makefile", "lint: a\nother-go: ## x\n", 2),
    (shared_code, "tests/sandbox/mod.rs", "use bunq_oauth_operator::bunq;", 1),
    (shared_code, "tests/sandbox/mod.rs", "use rsa::RsaPublicKey;", 0),
    (proofs, PLAN, "/// Heals (F27, F28).\n#[test]\nfn it_heals() {}", 2),
    (proofs, PLAN, "/// Heals (F27).\nfn it_heals() {}\nit_heals", 0),
    (proofs, STORY, "/// Heals (F27).\nasync fn it_heals(world: W) {}\nscenarios!(it_heals)", 1),
    (proofs, STORY, "/// Heals (F27).\nasync fn nobody_plays_it(world: W) {}", 0),
];

/// What counts as a test of a fault: no offence, but as easily misread.
fn proofs(source: &Source) -> Vec<String> {
    proofs_in(source).into_iter().map(|(fault, _)| fault).collect()
}

/// Plants offences and harmless neighbours, and expects exactly the offences.
pub(super) fn every_rule_of_the_house_can_be_broken() -> Result<(), String> {
    let long = "x\n".repeat(MAX_LINES + 1);
    let fits = "x\n".repeat(MAX_LINES);
    let grown: [(Rule, &str, &str, usize); 3] =
        [(too_long, PLAN, &fits, 0), (too_long, PLAN, &long, 1), (unfinished, PLAN, UNFINISHED[0], 1)];
    let mut wrong = Vec::new();
    for (rule, path, text, expected) in CASES.iter().chain(&grown) {
        let source = Source { path: (*path).to_owned(), text: (*text).to_owned() };
        let found = rule(&source);
        if found.len() != *expected {
            wrong.push(format!("{path}: expected {expected} faults in {text:?}, found {found:?}"));
        }
    }
    verdict(&wrong)
}
