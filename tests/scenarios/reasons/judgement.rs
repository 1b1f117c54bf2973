//! What the witnesses of a whole run saw: was every reason really reached, and really left again?

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use bunq_oauth_operator::plan::Reason;
use serde_json::Value;
use testbed::harness::{Outcome, ensure, world::condition};

use super::table::{Played, played};

/// The reasons that some object had, and those that some object had before it became Ready.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    reached: BTreeSet<String>,
    left: BTreeSet<String>,
}

/// Judges every status that a run has kept in `folder`.
pub(crate) fn every_reason_was_reached_and_left(folder: &Path) -> Outcome {
    let mut seen = Seen::default();
    for world in fs::read_dir(folder)? {
        let record = world?.path().join("statuses.jsonl");
        if record.exists() {
            seen.look(&fs::read_to_string(record)?)?;
        }
    }
    let faults = faults(&seen);
    ensure(faults.is_empty(), || faults.join("\n"))
}

fn faults(seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    for reason in Reason::ALL {
        let (word, Played { reached, left }) = (reason.as_str(), played(*reason));
        if !seen.reached.contains(word) {
            faults.push(format!("{word} was never reached, not by {reached} either"));
        } else if !seen.left.contains(word) {
            faults.push(format!("{word} was never left for Ready, not by {left} either"));
        }
    }
    faults
}

impl Seen {
    /// Takes in one world's record: a line for each version of each object, oldest first.
    fn look(&mut self, record: &str) -> Outcome {
        let mut carried: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in record.lines() {
            let object: Value = serde_json::from_str(line)?;
            let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            let before = carried.entry(uid).or_default();
            let now = reasons(&object);
            if condition(&object, "Ready")["status"] == "True" {
                self.left.extend(before.difference(&now).cloned());
            }
            self.reached.extend(now.iter().cloned());
            before.extend(now);
        }
        Ok(())
    }
}

/// The reasons of all conditions: while a published client stays Ready, only another condition
/// tells what is the matter.
fn reasons(object: &Value) -> BTreeSet<String> {
    let conditions = object["status"]["conditions"].as_array();
    let reasons = conditions.into_iter().flatten().filter_map(|condition| condition["reason"].as_str());
    reasons.map(str::to_owned).collect()
}

/// A made-up record, so that the judge itself is judged.
pub(super) fn only_what_was_seen_counts() -> Result<(), String> {
    let version = |uid: &str, ready: &str, reason: &str| {
        let conditions = serde_json::json!([{"type": "Ready", "status": ready, "reason": reason}]);
        serde_json::json!({"metadata": {"uid": uid}, "status": {"conditions": conditions}}).to_string()
    };
    let record = [
        version("a", "False", "CancelledAtBank"),
        version("b", "True", "Synced"),
        version("b", "False", "SecretNotOwned"),
        version("b", "True", "Cancelled"),
    ];
    let mut seen = Seen::default();
    seen.look(&record.join("\n")).map_err(|error| error.to_string())?;
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    let reached = words(&["CancelledAtBank", "Synced", "SecretNotOwned", "Cancelled"]);
    let wanted = Seen { reached, left: words(&["Synced", "SecretNotOwned"]) };
    if seen != wanted {
        return Err(format!("found {seen:?}, wanted {wanted:?}"));
    }
    let told = faults(&seen);
    let tells = |fault: &str| told.iter().any(|it| it.starts_with(fault));
    let is_exact = tells("CancelledAtBank was never left") && tells("Suspended was never reached");
    if is_exact && !tells("SecretNotOwned") { Ok(()) } else { Err(told.join("\n")) }
}
