//! Who may import whom.

use std::collections::BTreeSet;

use super::sources::Source;

/// The layers and what each may import besides itself; `lib.rs` only declares them.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", &["controller", "api", "telemetry", "clock", "bunq"]),
    ("controller", &["plan", "bunq", "api", "telemetry", "clock"]),
    ("bunq", &["clock"]),
    ("plan", &[]),
    ("api", &[]),
    ("telemetry", &[]),
    ("clock", &[]),
];

/// References to layers that this file's layer may not know.
pub(super) fn wrong_arrows(source: &Source) -> Vec<String> {
    let inside = source.path.strip_prefix("src/").unwrap_or(&source.path);
    let module = inside.trim_end_matches(".rs").trim_end_matches("/mod");
    let layer = module.split('/').next().unwrap_or_default();
    if layer == "lib" {
        return Vec::new();
    }
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == layer) else {
        return vec![source.at(1, &format!("{layer} is not a layer of the house"))];
    };
    let code = source.code();
    // As many steps up as the module is deep lead to the root of the crate.
    let climb = "super::".repeat(module.split('/').count());
    let roots = ["crate::", "bunq_oauth_operator::", climb.as_str()];
    let mut faults = BTreeSet::new();
    for root in roots {
        for (offset, _) in code.match_indices(root) {
            let before = code[..offset].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            // In the tests at the end of a file, one step up more is needed to leave it.
            let is_in_tests = root == climb && code[..offset].contains("\nmod tests {");
            if is_in_tests && !code[offset + root.len()..].starts_with("super::") {
                continue;
            }
            let line = code[..offset].matches('\n').count() + 1;
            for name in first_names(code[offset + root.len()..].trim_start_matches("super::")) {
                // `super::*` in a module inside the layer's file is the layer itself.
                let is_itself = name == layer || (name == "*" && root == climb);
                if !is_itself && !allowed.contains(&name.as_str()) {
                    faults.insert(source.at(line, &format!("{layer} must not import {name}")));
                }
            }
        }
    }
    faults.into_iter().collect()
}

/// The first segment of a path, or of each path of a `{…}` group.
pub(super) fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        text.chars().take_while(|c| c.is_alphanumeric() || "_*".contains(*c)).collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let (mut depth, mut start, mut names) = (0_usize, 0, Vec::new());
    for (index, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name(&group[start..index]));
                start = index + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty() && name != "self");
    names
}
