//! The checks themselves are checked: each must find a planted offence.

use super::{
    MAX_LINES, Source, UNFINISHED,
    arrows::{Arrows, wrong_rooms_of},
    circles,
    faults::proofs_in,
    foreign_impls, incomplete_maps, recording_instruments, shared_code, too_long, unexplained_targets, unfinished,
    verdict, wall_clocks, wrong_arrows,
};

type Rule = fn(&Source) -> Vec<String>;

/// A rule about files that stand together.
type RuleOfMany = fn(&[Source]) -> Vec<String>;

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
    (wrong_arrows, "src/cli.rs", "mod tests {\n    use super::*;\n}", 0),
    (wrong_arrows, "src/cli.rs", "mod tests {\n    use super::super::plan;\n}", 1),
    (wrong_arrows, "src/cli.rs", "use crate::*;", 1),
    (foreign_impls, PLAN, "enum Row {}\nimpl Row {}\nimpl fmt::Debug for Step {}\nfn f() -> impl Iterator {}", 0),
    (foreign_impls, PLAN, "macro_rules! rows {\n    enum Row {}\n    impl Row {}\n    impl $name {}\n}", 0),
    (foreign_impls, PLAN, "struct Rows;\nimpl Row {}", 1),
    (foreign_impls, PLAN, "impl<'a, F: Fn() -> u8> super::Row<'a, F>\nwhere\n    F: for<'b> Eats<'b>,\n{\n}", 1),
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

/// Rule, files, and how many faults they have together.
type CaseOfMany = (RuleOfMany, &'static [(&'static str, &'static str)], usize);

/// Rules over several files.
const CASES_OF_MANY: &[CaseOfMany] = &[
    (circles, &[("src/api/spec.rs", "use super::status::S;"), ("src/api/status.rs", "use crate::plan::spec;")], 0),
    (circles, &[("src/api/spec.rs", "use super::status::S;"), ("src/api/status.rs", "use super::spec::E;")], 1),
    (
        circles,
        &[("src/api/spec.rs", "use super::{rules, status};"), ("src/api/status.rs", "fn f(_: super::spec::E) {}")],
        1,
    ),
    // By a name that the folder's own file passes on.
    (
        circles,
        &[
            ("src/api/mod.rs", "mod spec;\nmod status;\npub use spec::{Name, Spec};\npub use status::Status;"),
            ("src/api/spec.rs", "use crate::api::Status;"),
            ("src/api/status.rs", "use super::Spec;"),
        ],
        1,
    ),
    // With the folder's own file.
    (circles, &[("src/api/mod.rs", "mod spec;\npub use spec::Spec;"), ("src/api/spec.rs", "use super::GROUP;")], 1),
    (circles, &[("src/api/mod.rs", "mod spec;\nconst GROUP: u8 = 1;"), ("src/api/spec.rs", "use super::GROUP;")], 0),
    (
        circles,
        &[("src/api/mod.rs", "mod spec;\npub use spec::Spec;"), ("src/api/spec.rs", "pub(in crate::api) struct Spec;")],
        0,
    ),
    (
        circles,
        &[("src/api/spec.rs", "use super::{status::{S as T, U}, rules};"), ("src/api/rules.rs", "use super::spec;")],
        1,
    ),
    // Between folders, and inside of one.
    (
        circles,
        &[
            ("src/bunq/calls/user.rs", "use super::super::{\n    wire::{Line, Call},\n};"),
            ("src/bunq/wire/line.rs", "use crate::bunq::calls::user::User;"),
        ],
        1,
    ),
    (circles, &[("src/bunq/wire/a.rs", "use super::b::B;"), ("src/bunq/wire/b.rs", "use crate::bunq::wire::a;")], 1),
    (
        circles,
        &[
            ("src/api/spec.rs", "mod tests {\n    use super::super::status;\n}"),
            ("src/api/status.rs", "use super::spec::E;"),
        ],
        0,
    ),
    (
        rooms,
        &[("src/bunq/low.rs", "use crate::clock;"), ("src/bunq/mid/a.rs", "use super::b;"), ("src/bunq/high.rs", "")],
        0,
    ),
    (
        rooms,
        &[("src/bunq/low.rs", ""), ("src/bunq/mid/a.rs", ""), ("src/bunq/high.rs", "use super::{low, mid::Part};")],
        0,
    ),
    (
        rooms,
        &[("src/bunq/low.rs", ""), ("src/bunq/mid/a.rs", ""), ("src/bunq/high.rs", "use super::mid::{Other, Part};")],
        1,
    ),
    (
        rooms,
        &[
            ("src/bunq/low.rs", "use super::high;"),
            ("src/bunq/mid/a.rs", "fn f() { super::super::high::g() }"),
            ("src/bunq/high.rs", ""),
        ],
        2,
    ),
    (rooms, &[("src/bunq/low.rs", ""), ("src/bunq/high.rs", ""), ("src/bunq/new.rs", "")], 2),
    (
        incomplete_maps,
        &[
            ("src/bunq/mod.rs", "//! | `low`, `mid` | two |"),
            ("src/bunq/low.rs", ""),
            ("src/bunq/mid.rs", ""),
            ("src/bunq/tests.rs", ""),
        ],
        0,
    ),
    (
        incomplete_maps,
        &[
            ("src/bunq/mod.rs", "//! `low` is not listed\n//! | `mid` | beside `low` |"),
            ("src/bunq/low.rs", ""),
            ("src/bunq/mid.rs", ""),
        ],
        1,
    ),
    (incomplete_maps, &[("src/bunq.rs", "//! | `low` | one |"), ("src/bunq/low/a.rs", "")], 1),
];

/// The arrows of three rooms, the last of which may know only a part of the second.
const ARROWS: Arrows = &[("low", &[]), ("mid", &["low"]), ("high", &["low", "mid::Part"])];

fn rooms(sources: &[Source]) -> Vec<String> {
    wrong_rooms_of("bunq", ARROWS, sources)
}

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
        let found = rule(&planted(&(*path, *text)));
        if found.len() != *expected {
            wrong.push(format!("{path}: expected {expected} faults in {text:?}, found {found:?}"));
        }
    }
    for (rule, files, expected) in CASES_OF_MANY {
        let sources: Vec<Source> = files.iter().map(planted).collect();
        let found = rule(&sources);
        if found.len() != *expected {
            wrong.push(format!("expected {expected} faults in {files:?}, found {found:?}"));
        }
    }
    verdict(&wrong)
}

fn planted((path, text): &(&str, &str)) -> Source {
    Source { path: (*path).to_owned(), text: (*text).to_owned() }
}
