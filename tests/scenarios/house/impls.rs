//! An `impl X { … }` stands in the file that declares `X`: who reads the type sees all that it can do.

use super::sources::Source;

/// Blocks of methods for types that the file does not declare; traits may be implemented anywhere.
pub(super) fn foreign_impls(source: &Source) -> Vec<String> {
    let code = source.code();
    let mut faults = Vec::new();
    for (offset, _) in code.match_indices("impl") {
        let before = code[..offset].rsplit('\n').next().unwrap_or_default();
        let begins_a_block = before.trim().is_empty() && code[offset + 4..].starts_with([' ', '<']);
        let Some(name) = Some(&code[offset + 4..]).filter(|_| begins_a_block).and_then(inherent) else {
            continue;
        };
        if !declares(&code, name) {
            let line = code[..offset].matches('\n').count() + 1;
            faults.push(source.at(line, &format!("{name} is declared elsewhere: its methods belong there")));
        }
    }
    faults
}

/// The type whose own methods follow; `None` for those of a trait, and where a macro fills in the name.
fn inherent(rest: &str) -> Option<&str> {
    let header = rest.split_once('{')?.0;
    let header = header.split(" where ").next()?.split("\nwhere").next()?;
    let header = header[generics(header)..].trim();
    if header.contains(" for ") || header.starts_with('$') {
        return None;
    }
    let path = header.split(['<', ' ', '\n']).next()?;
    path.rsplit("::").next()
}

/// The length of the `<…>` right behind `impl`.
fn generics(header: &str) -> usize {
    let mut depth = 0_usize;
    let mut last = ' ';
    for (index, c) in header.char_indices() {
        match c {
            '<' => depth += 1,
            // The arrow of a closure closes nothing.
            '>' if last != '-' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return if c == '>' { index + 1 } else { 0 };
        }
        last = c;
    }
    0
}

fn declares(code: &str, name: &str) -> bool {
    ["struct ", "enum ", "union ", "trait "].iter().any(|keyword| {
        let mut rests = code.split(keyword).skip(1).filter_map(|rest| rest.strip_prefix(name));
        rests.any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}
