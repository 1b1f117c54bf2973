//! The alerts: their table is made from the rules, and each has a runbook.

use std::fs;

use serde_json::Value;

use super::{Outcome, block, links, pages, tables::write_row, verdict};

const PAGE: &str = "docs/operations.md";

/// Name, severity, duration and summary of every alert.
pub(crate) fn the_alerts_table_is_the_rules_own() -> Outcome {
    let mut table = String::from("| alert | severity | after | says |\n|---|---|---|---|\n");
    for rule in rules()? {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = text(&rule["alert"]);
        let row = [
            format!("[{name}](#{})", name.to_lowercase()),
            text(&rule["labels"]["severity"]),
            rule["for"].as_str().map_or_else(|| "at once".to_owned(), str::to_owned),
            text(&rule["annotations"]["summary"]).trim_end_matches('.').to_owned(),
        ];
        write_row(&mut table, &row.each_ref().map(String::as_str));
    }
    block::holds(PAGE, "alerts", &table)
}

/// `runbook_url` names the section of the page that explains the alert, and that section is there.
pub(crate) fn every_alert_leads_to_its_runbook() -> Outcome {
    let page = pages::page(PAGE)?;
    let sections: Vec<String> = links::headings(&page).collect();
    let mut faults = Vec::new();
    for rule in rules()? {
        let name = rule["alert"].as_str().unwrap_or_default();
        let url = rule["annotations"]["runbook_url"].as_str().unwrap_or_default();
        if url != format!("{PAGE}#{}", name.to_lowercase()) {
            faults.push(format!("the runbook of {name} is {url:?}"));
        }
        if !sections.contains(&name.to_lowercase()) {
            faults.push(format!("{PAGE} has no section {name}"));
        }
        for wanted in ["summary", "description"] {
            if rule["annotations"][wanted].as_str().is_none_or(str::is_empty) {
                faults.push(format!("{name} has no {wanted}"));
            }
        }
    }
    verdict(&faults)
}

fn rules() -> Result<Vec<Value>, String> {
    let path = pages::root().join("deploy/monitoring/prometheus-rule.yaml");
    let text = fs::read_to_string(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
    let manifest: Value = serde_yaml_ng::from_str(&text).map_err(|error| error.to_string())?;
    let groups = manifest["spec"]["groups"].as_array().into_iter().flatten();
    let rules: Vec<Value> = groups.filter_map(|group| group["rules"].as_array()).flatten().cloned().collect();
    if rules.is_empty() { Err("there are no alert rules".to_owned()) } else { Ok(rules) }
}
