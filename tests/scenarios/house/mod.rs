//! The rules of the house that no compiler checks: who may import whom, where methods stand, how long a file may
//! be, and who may ask for the time.

use std::collections::BTreeSet;

mod arrows;
mod circles;
mod faults;
mod folders;
mod impls;
mod maps;
mod offences;
mod references;
mod sources;

use arrows::{wrong_arrows, wrong_rooms};
use circles::circles;
use faults::every_fault_of_bank_secret_claim_and_deletion_has_a_test;
use impls::foreign_impls;
use maps::incomplete_maps;
use offences::every_rule_of_the_house_can_be_broken;
use references::leaves;
use sources::{Source, sources};

/// A check with its name, for the runner.
pub(crate) type Check = (&'static str, fn() -> Result<(), String>);

/// Every check of this file.
pub(crate) const CHECKS: &[Check] = &[
    ("modules_import_only_along_the_arrows_of_the_house", modules_import_only_along_the_arrows_of_the_house),
    ("rooms_import_only_along_the_arrows_of_their_layer", rooms_import_only_along_the_arrows_of_their_layer),
    ("no_layer_has_a_circle_of_imports", no_layer_has_a_circle_of_imports),
    ("an_impl_stands_in_the_file_that_declares_its_type", an_impl_stands_in_the_file_that_declares_its_type),
    ("every_folder_has_a_map_of_all_its_files", every_folder_has_a_map_of_all_its_files),
    ("no_file_outgrows_its_one_idea", no_file_outgrows_its_one_idea),
    ("only_the_clock_asks_for_the_time", only_the_clock_asks_for_the_time),
    ("no_instrumented_function_records_its_arguments", no_instrumented_function_records_its_arguments),
    ("nothing_is_left_unfinished", nothing_is_left_unfinished),
    ("every_make_target_explains_itself", every_make_target_explains_itself),
    ("the_bank_emulator_shares_no_code_with_the_operator", the_bank_emulator_shares_no_code_with_the_operator),
    (
        "every_fault_of_bank_secret_claim_and_deletion_has_a_test",
        every_fault_of_bank_secret_claim_and_deletion_has_a_test,
    ),
    ("every_rule_of_the_house_can_be_broken", every_rule_of_the_house_can_be_broken),
];

/// "About 400" with a little grace.
const MAX_LINES: usize = 420;

/// Written in two halves, so that this file keeps its own rules.
const UNFINISHED: &[&str] = &[concat!("to", "do!"), concat!("unimple", "mented!"), concat!("FIX", "ME")];

/// Ways to read a clock or to wait that a test's clock could not steer.
const WALL_CLOCKS: &[&str] =
    &["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now", "Utc::now", "time::sleep", "thread::sleep"];

pub(crate) fn modules_import_only_along_the_arrows_of_the_house() -> Result<(), String> {
    judge(&sources(&["src"])?, wrong_arrows)
}

pub(crate) fn rooms_import_only_along_the_arrows_of_their_layer() -> Result<(), String> {
    verdict(&wrong_rooms(&sources(&["src"])?))
}

pub(crate) fn no_layer_has_a_circle_of_imports() -> Result<(), String> {
    verdict(&circles(&sources(&["src"])?))
}

pub(crate) fn an_impl_stands_in_the_file_that_declares_its_type() -> Result<(), String> {
    judge(&sources(&["src"])?, foreign_impls)
}

pub(crate) fn every_folder_has_a_map_of_all_its_files() -> Result<(), String> {
    verdict(&incomplete_maps(&sources(&["src"])?))
}

pub(crate) fn no_file_outgrows_its_one_idea() -> Result<(), String> {
    judge(&sources(&["src", "tests", "build.rs"])?, too_long)
}

pub(crate) fn only_the_clock_asks_for_the_time() -> Result<(), String> {
    judge(&sources(&["src"])?, wall_clocks)
}

pub(crate) fn no_instrumented_function_records_its_arguments() -> Result<(), String> {
    judge(&sources(&["src"])?, recording_instruments)
}

pub(crate) fn nothing_is_left_unfinished() -> Result<(), String> {
    judge(&sources(&["src", "tests", "build.rs", "Makefile"])?, unfinished)
}

pub(crate) fn every_make_target_explains_itself() -> Result<(), String> {
    judge(&sources(&["Makefile"])?, unexplained_targets)
}

pub(crate) fn the_bank_emulator_shares_no_code_with_the_operator() -> Result<(), String> {
    judge(&sources(&["tests/sandbox", "tests/bin/bunq_sandbox.rs"])?, shared_code)
}

fn too_long(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let fault = format!("{lines} lines; split it by idea");
    (lines > MAX_LINES).then(|| source.at(lines, &fault)).into_iter().collect()
}

fn wall_clocks(source: &Source) -> Vec<String> {
    // A test may play a slow peer.
    if source.path == "src/clock.rs" || source.path.contains("/tests/") {
        return Vec::new();
    }
    let fault = "only src/clock.rs may ask for the time or wait";
    let code = source.code();
    let mut faults = source.mentions(&code, WALL_CLOCKS, fault);
    for (offset, group) in code.match_indices("time::{") {
        if leaves(&code[offset + group.len() - 1..])
            .iter()
            .any(|(_, path)| path.first().is_some_and(|name| name == "sleep"))
        {
            let line = code[..offset].matches('\n').count() + 1;
            faults.push(source.at(line, fault));
        }
    }
    faults
}

fn recording_instruments(source: &Source) -> Vec<String> {
    let code = source.code();
    let mut faults = Vec::new();
    for (offset, _) in code.match_indices("#[") {
        let attribute = &code[offset + 2..];
        let attribute = attribute.strip_prefix("tracing::").unwrap_or(attribute);
        let Some(rest) = attribute.strip_prefix("instrument") else {
            continue;
        };
        let Some(arguments) = rest.strip_prefix('(') else {
            faults.push((offset, "instrument records all arguments"));
            continue;
        };
        if !arguments.trim_start().starts_with("skip_all") {
            faults.push((offset, "instrument must begin with skip_all"));
        }
    }
    let line = |offset: usize| code[..offset].matches('\n').count() + 1;
    faults.into_iter().map(|(offset, fault)| source.at(line(offset), fault)).collect()
}

fn unfinished(source: &Source) -> Vec<String> {
    source.mentions(&source.text, UNFINISHED, "finish it or say what is left in an issue")
}

/// Targets of one word are for people and have a line of help; `word-step` is a step of `word`.
fn unexplained_targets(source: &Source) -> Vec<String> {
    let targets: Vec<_> = source.text.lines().enumerate().filter_map(target).collect();
    let known: BTreeSet<&str> = targets.iter().map(|(_, name, _)| *name).collect();
    let faults = targets.iter().filter_map(|(line, name, rest)| match name.split_once('-') {
        None if !rest.contains(" ## ") => Some(source.at(*line, &format!("{name} has no help"))),
        Some((whole, _)) if !known.contains(whole) => Some(source.at(*line, &format!("{name} is a step of no target"))),
        None | Some(_) => None,
    });
    faults.collect()
}

fn target((index, line): (usize, &str)) -> Option<(usize, &str, &str)> {
    let (name, rest) = line.split_once(':')?;
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    (plain && !rest.starts_with('=')).then_some((index + 1, name, rest))
}

fn shared_code(source: &Source) -> Vec<String> {
    let fault = "the emulator must not import the operator";
    source.mentions(&source.code(), &["bunq_oauth_operator"], fault)
}

fn judge(sources: &[Source], rule: fn(&Source) -> Vec<String>) -> Result<(), String> {
    let faults: Vec<_> = sources.iter().flat_map(rule).collect();
    verdict(&faults)
}

fn verdict(faults: &[String]) -> Result<(), String> {
    if faults.is_empty() {
        return Ok(());
    }
    Err(faults.join("\n"))
}
