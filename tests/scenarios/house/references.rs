//! What a file refers to: every path of ours in it, from the root of the crate.

use super::sources::Source;

/// A path somewhere in a file.
pub(super) struct Reference {
    pub(super) line: usize,
    /// From the root of the crate; the last segment may be a type or a function.
    pub(super) path: Vec<String>,
    /// Whether it stands in the tests of the file.
    pub(super) is_test: bool,
}

/// Every path that begins with `crate`, `super` or `self`, or with a module that the file declares.
pub(super) fn references(source: &Source) -> Vec<Reference> {
    let code = source.code();
    let scopes = scopes(source, &code);
    let children = declared(&code);
    let roots =
        ["crate", "bunq_oauth_operator", "super", "self"].into_iter().chain(children.iter().map(String::as_str));
    let mut found = Vec::new();
    for root in roots {
        for (offset, _) in code.match_indices(&format!("{root}::")) {
            // The middle of a longer word or path, or a visibility.
            let before = &code[..offset];
            if before.ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c)) || before.ends_with("pub(in ") {
                continue;
            }
            for (at, leaf) in leaves(&code[offset..]) {
                let line = code[..offset + at].matches('\n').count();
                let scope = &scopes[line];
                let is_test = scope.iter().any(|module| module == "tests");
                found.push(Reference { line: line + 1, path: from_root(scope, &leaf), is_test });
            }
        }
    }
    found
}

/// The paths of a tree as `use` knows them, `a::{b, c::d}`, each with the place of its last segment.
pub(super) fn leaves(tree: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut path: Vec<String> = Vec::new();
    // How long the path was where each open group began.
    let mut groups: Vec<usize> = Vec::new();
    let mut rest = tree;
    while let Some(c) = rest.chars().next() {
        let name = word(rest);
        if !name.is_empty() {
            path.push(name.to_owned());
            let at = tree.len() - rest.len();
            rest = &rest[name.len()..];
            if let Some(next) = rest.strip_prefix("::").filter(|next| next.starts_with('{') || !word(next).is_empty()) {
                rest = next;
                continue;
            }
            found.push((at, path.clone()));
            if let Some(alias) = rest.strip_prefix(" as ") {
                rest = &alias[word(alias).len()..];
            }
        } else if c == '{' {
            groups.push(path.len());
            rest = &rest[1..];
            continue;
        } else if c == '}' {
            groups.pop();
            rest = &rest[1..];
        } else if c == ',' || c.is_whitespace() {
            rest = &rest[c.len_utf8()..];
        } else {
            break;
        }
        let Some(length) = groups.last() else { break };
        path.truncate(*length);
    }
    found
}

/// A segment of a path, if there is one right here.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*');
    &text[..end.unwrap_or(text.len())]
}

/// The path as seen from the root of the crate, for somebody who stands in the module `scope`.
fn from_root(scope: &[String], leaf: &[String]) -> Vec<String> {
    let mut path = match leaf.first().map(String::as_str) {
        Some("crate" | "bunq_oauth_operator") => Vec::new(),
        Some(_) | None => scope.to_vec(),
    };
    for segment in leaf {
        match segment.as_str() {
            "crate" | "bunq_oauth_operator" | "self" => {}
            "super" => {
                path.pop();
            }
            name => path.push(name.to_owned()),
        }
    }
    path
}

/// For each line the module in which it stands: that of the file, or one that is written out in it.
fn scopes(source: &Source, code: &str) -> Vec<Vec<String>> {
    let mut scope = source.module();
    let mut ends: Vec<String> = Vec::new();
    let mut scopes = Vec::new();
    for line in code.lines() {
        if ends.last().is_some_and(|end| end == line) {
            ends.pop();
            scope.pop();
        }
        scopes.push(scope.clone());
        let indent = line.len() - line.trim_start().len();
        if let Some(name) = module(line).and_then(|rest| rest.strip_suffix(" {")) {
            scope.push(name.to_owned());
            ends.push(format!("{}}}", &line[..indent]));
        }
    }
    scopes
}

/// The modules that a file declares and that have files of their own.
fn declared(code: &str) -> Vec<String> {
    code.lines().filter_map(|line| module(line)?.strip_suffix(';')).map(str::to_owned).collect()
}

/// What follows `mod` in a declaration.
fn module(line: &str) -> Option<&str> {
    let line = line.trim();
    let visibility = if line.starts_with("pub") { line.find("mod ")? } else { 0 };
    line[visibility..].strip_prefix("mod ")
}
