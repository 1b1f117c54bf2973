//! Every folder has a map: a table in its own file that says in a line what each file holds.

use super::{folders::Folder, sources::Source};

/// Files that the table of their folder does not list.
pub(super) fn incomplete_maps(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for folder in Folder::all(sources) {
        let Some(head) = folder.head() else {
            faults.push(format!("{} has no mod.rs", folder.name()));
            continue;
        };
        let unlisted = folder.entries.iter().filter(|entry| !lists(head, entry));
        faults.extend(unlisted.map(|entry| head.at(1, &format!("the table does not list {entry}"))));
    }
    faults
}

/// Whether a row of the table begins with this module, alone or among others.
fn lists(head: &Source, entry: &str) -> bool {
    let rows = head.text.lines().filter_map(|line| line.strip_prefix("//! |"));
    rows.filter_map(|row| row.split('|').next()).any(|cell| cell.contains(&format!("`{entry}`")))
}
