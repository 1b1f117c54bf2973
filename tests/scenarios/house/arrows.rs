//! Who may import whom: the layers, and the rooms inside of a layer.

use std::collections::BTreeSet;

use super::{
    folders::{Folder, HEAD},
    references::references,
    sources::Source,
};

/// Names, and for each whom it may import besides itself.
pub(super) type Arrows = &'static [(&'static str, &'static [&'static str])];

/// The layers; `lib.rs` only declares them.
const LAYERS: Arrows = &[
    ("main", &["cli"]),
    ("cli", &["controller", "api", "telemetry", "clock", "bunq"]),
    ("controller", &["plan", "bunq", "api", "telemetry", "clock", "times"]),
    ("bunq", &["clock", "times"]),
    ("plan", &["times"]),
    ("api", &[]),
    ("telemetry", &[]),
    ("clock", &[]),
    ("times", &[]),
];

/// The layers whose files and folders have arrows of their own.
const ROOMS: &[(&str, Arrows)] = &[("bunq", BUNQ), ("controller", CONTROLLER)];

/// From the ground up. Whoever may know only a part of a room has that part's path here, as in `room::Part`.
const BUNQ: Arrows = &[
    ("ground", &[]),
    ("answer", &["ground"]),
    ("exchange", &["ground", "answer"]),
    ("calls", &["ground", "answer", "exchange"]),
    ("bank", &["ground", "answer", "exchange", "calls"]),
    ("context", &["ground"]),
    ("limit", &["ground"]),
    ("breaker", &["ground", "limit"]),
    ("fuzz", &["ground", "answer", "calls"]),
];

/// From the ground up, too; `fixtures` is what the tests of several rooms share.
const CONTROLLER: Arrows = &[
    ("config", &[]),
    ("digest", &[]),
    ("format", &[]),
    ("labels", &[]),
    ("api_server", &[]),
    ("lead", &["api_server"]),
    ("stop", &["api_server", "format"]),
    ("context", &["api_server", "stop", "digest", "labels", "format"]),
    ("claim", &["api_server", "stop", "labels", "format"]),
    ("manifests", &["api_server"]),
    ("bank", &["api_server", "context", "stop"]),
    ("session", &["bank", "context", "stop", "lead::Duty"]),
    ("tell", &["api_server", "bank::Fate", "stop"]),
    ("pass", &["api_server", "lead", "context", "claim", "manifests", "bank", "session", "tell", "stop", "digest"]),
    ("keep", &["lead", "context", "claim", "manifests", "bank", "session", "tell", "stop"]),
    (
        "run",
        &["config", "api_server", "lead", "context", "claim", "manifests", "bank", "session", "tell", "pass", "keep"],
    ),
    ("fixtures", &["bank"]),
];

/// References to layers that this file's layer may not know.
pub(super) fn wrong_arrows(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some(layer) = module.first() else {
        return Vec::new();
    };
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| name == layer) else {
        return vec![source.at(1, &format!("{layer} is not a layer of the house"))];
    };
    let mut faults = BTreeSet::new();
    for reference in references(source) {
        let Some(name) = reference.path.first() else { continue };
        if name != layer && !allowed.contains(&name.as_str()) {
            faults.insert(source.at(reference.line, &format!("{layer} must not import {name}")));
        }
    }
    faults.into_iter().collect()
}

/// References to other rooms of the same layer that a room may not know.
pub(super) fn wrong_rooms(sources: &[Source]) -> Vec<String> {
    ROOMS.iter().flat_map(|(layer, arrows)| wrong_rooms_of(layer, arrows, sources)).collect()
}

/// The layer's own file is the map of its rooms: it may know them all, and nobody may need it.
pub(super) fn wrong_rooms_of(layer: &str, arrows: Arrows, sources: &[Source]) -> Vec<String> {
    let folder = Folder::new(&[layer.to_owned()], sources);
    let mut faults = BTreeSet::new();
    for (room, _) in arrows.iter().filter(|(room, _)| !folder.entries.contains(*room)) {
        faults.insert(format!("{}: {room} has arrows and is not there", folder.name()));
    }
    for (source, room) in folder.files().filter(|(_, room)| room != HEAD) {
        let Some((_, allowed)) = arrows.iter().find(|(name, _)| *name == room) else {
            faults.insert(source.at(1, &format!("{room} is not a room of {layer}")));
            continue;
        };
        for (line, path) in folder.references(source) {
            let is_known = begins_with(&path, &room) || allowed.iter().any(|part| begins_with(&path, part));
            if !is_known {
                faults.insert(source.at(line, &format!("{room} must not import {}", path.join("::"))));
            }
        }
    }
    faults.into_iter().collect()
}

fn begins_with(path: &[String], part: &str) -> bool {
    let mut names = path.iter();
    part.split("::").all(|wanted| names.next().is_some_and(|name| name == wanted))
}
