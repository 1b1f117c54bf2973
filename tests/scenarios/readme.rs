//! The README and `docs/` say what the code says: tables are made from it, and whatever they name
//! exists.
//!
//! With `UPDATE_README=1` in the environment the tables are written instead of compared.

mod alerts;
mod block;
mod cited;
mod links;
mod named;
mod pages;
mod tables;

use std::fmt::Write as _;

use bunq_oauth_operator::api::{self, BunqOAuthClient};
use kube::ResourceExt;
use serde::Deserialize;

use pages::pages;

pub(crate) use alerts::{every_alert_leads_to_its_runbook, the_alerts_table_is_the_rules_own};
pub(crate) use cited::every_id_that_a_comment_cites_is_explained;
pub(crate) use links::every_link_leads_somewhere;
pub(crate) use named::every_target_path_and_flag_that_is_named_exists;
pub(crate) use tables::{
    the_flags_table_is_the_command_lines_own, the_metrics_table_is_the_programs_own, the_status_table_is_the_codes_own,
};

type Outcome = Result<(), String>;

/// A check with its name, for the runner.
pub(crate) type Check = (&'static str, fn() -> Outcome);

/// Every check of this file, for the runner.
pub(crate) const CHECKS: &[Check] = &[
    ("the_status_table_is_the_codes_own", the_status_table_is_the_codes_own),
    ("the_flags_table_is_the_command_lines_own", the_flags_table_is_the_command_lines_own),
    ("the_metrics_table_is_the_programs_own", the_metrics_table_is_the_programs_own),
    ("the_alerts_table_is_the_rules_own", the_alerts_table_is_the_rules_own),
    ("every_alert_leads_to_its_runbook", every_alert_leads_to_its_runbook),
    ("every_target_path_and_flag_that_is_named_exists", every_target_path_and_flag_that_is_named_exists),
    ("every_link_leads_somewhere", every_link_leads_somewhere),
    ("every_manifest_that_is_shown_is_accepted", every_manifest_that_is_shown_is_accepted),
    ("every_id_that_a_comment_cites_is_explained", every_id_that_a_comment_cites_is_explained),
];

/// Every `BunqOAuthClient` in a block of YAML keeps the rules of the definition.
pub(crate) fn every_manifest_that_is_shown_is_accepted() -> Outcome {
    let mut shown = 0_u32;
    let mut faults = String::new();
    for page in pages()? {
        for manifest in page.blocks("yaml").filter(|text| text.contains("kind: BunqOAuthClient")) {
            shown += 1;
            if let Err(fault) = accept(&manifest) {
                // Writing to a String cannot fail.
                let _ = writeln!(faults, "{}: {fault}\n{manifest}", page.path);
            }
        }
    }
    match (shown, faults.is_empty()) {
        (0, _) => Err("no page shows a manifest".to_owned()),
        (_, true) => Ok(()),
        (_, false) => Err(faults),
    }
}

/// A block may hold other objects beside ours.
fn accept(yaml: &str) -> Outcome {
    for document in serde_yaml_ng::Deserializer::from_str(yaml) {
        let value = serde_yaml_ng::Value::deserialize(document).map_err(|error| error.to_string())?;
        if value.get("kind").and_then(serde_yaml_ng::Value::as_str) != Some("BunqOAuthClient") {
            continue;
        }
        let object: BunqOAuthClient = serde_yaml_ng::from_value(value).map_err(|error| error.to_string())?;
        api::validate(&object.spec, &object.name_any(), None).map_err(|violations| format!("{violations:?}"))?;
    }
    Ok(())
}

fn verdict(faults: &[String]) -> Outcome {
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}
