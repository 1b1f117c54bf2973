//! No circle of imports between the files and folders that stand beside each other.

use std::collections::BTreeMap;

use super::{folders::Folder, sources::Source};

/// Whom an entry of a folder imports, and where it does so first.
type Imports = BTreeMap<String, BTreeMap<String, String>>;

/// One circle for each folder that has any.
pub(super) fn circles(sources: &[Source]) -> Vec<String> {
    Folder::all(sources).iter().filter_map(circle_in).collect()
}

fn circle_in(folder: &Folder<'_>) -> Option<String> {
    let mut imports = imports(folder);
    // Whoever imports nobody that is left is in no circle.
    loop {
        let left: Vec<String> = imports.keys().cloned().collect();
        imports.retain(|_, whom| {
            whom.retain(|name, _| left.contains(name));
            !whom.is_empty()
        });
        if imports.len() == left.len() {
            break;
        }
    }
    // Everybody who is left imports somebody who is left, so this way comes back to itself.
    let mut way = vec![imports.keys().next()?];
    loop {
        let (next, _) = imports.get(*way.last()?)?.first_key_value()?;
        if let Some(begin) = way.iter().position(|name| *name == next) {
            return Some(told(folder, &imports, &way[begin..]));
        }
        way.push(next);
    }
}

fn imports(folder: &Folder<'_>) -> Imports {
    let mut imports = Imports::new();
    for (source, entry) in folder.files() {
        for (line, path) in folder.references(source) {
            let Some(name) = path.first().filter(|name| **name != entry) else { continue };
            let place = || source.at(line, &format!("{entry} imports {}", path.join("::")));
            imports.entry(entry.clone()).or_default().entry(name.clone()).or_insert_with(place);
        }
    }
    imports
}

fn told(folder: &Folder<'_>, imports: &Imports, circle: &[&String]) -> String {
    let next = circle.iter().cycle().skip(1);
    let places = circle.iter().zip(next).filter_map(|(name, next)| imports.get(*name)?.get(*next));
    let places: Vec<&str> = places.map(String::as_str).collect();
    format!("{} has a circle of imports:\n  {}", folder.name(), places.join("\n  "))
}
