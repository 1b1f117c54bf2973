//! Every fault of the catalogue that concerns the bank, the Secret, the claim, deletion or the cluster is proven
//! by a test that names it.

use std::collections::BTreeMap;

use super::sources::{Source, sources};
use crate::stage::report;

/// The faults, by their ids in docs/design.md. Leaders and upgrades are not among them.
const CONCERNED: &[&str] = &[
    "F01", "F02", "F03", "F04", "F05", "F06", "F07", "F12", "F13", "F14", "F15", "F16", "F17", "F18", "F19", "F20",
    "F21", "F22", "F23", "F24", "F25", "F26", "F27", "F28", "F29", "F30", "F32", "F33", "F34", "F35", "F36", "F37",
    "F38", "F40", "F42", "F43",
];

pub(crate) fn every_fault_of_bank_secret_claim_and_deletion_has_a_test() -> Result<(), String> {
    let mut proofs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources(&["src", "tests/scenarios"])? {
        for (fault, test) in proofs_in(&source) {
            proofs.entry(fault).or_default().push(test);
        }
    }
    let unproven: Vec<&str> = CONCERNED.iter().copied().filter(|fault| !proofs.contains_key(*fault)).collect();
    let tests: usize = proofs.values().map(Vec::len).sum();
    report(&format!("faults: {} are named by {tests} tests", proofs.len()));
    if unproven.is_empty() { Ok(()) } else { Err(format!("no test names {}", unproven.join(", "))) }
}

/// Faults that the name or the doc lines of a test carry, each with the test.
pub(super) fn proofs_in(source: &Source) -> Vec<(String, String)> {
    let mut proofs = Vec::new();
    let (mut said, mut is_marked) = (String::new(), false);
    for line in source.text.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            said.push_str(doc);
        } else if line.starts_with("#[") {
            is_marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        } else if let Some(name) = function(line) {
            // A scenario is a function that its story hands to the stage.
            let is_handed_over = source.path.starts_with("tests/scenarios/") && source.text.matches(name).count() > 1;
            if is_marked || is_handed_over {
                let text = format!("{said} {}", name.to_uppercase());
                proofs.extend(ids(&text).map(|id| (id.to_owned(), name.to_owned())));
            }
            (said, is_marked) = (String::new(), false);
        } else {
            (said, is_marked) = (String::new(), false);
        }
    }
    proofs
}

fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub ")).unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// `F` and two digits, standing alone.
fn ids(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| word.len() == 3 && word.starts_with('F') && word[1..].bytes().all(|b| b.is_ascii_digit()))
}
