//! What the pages name: make targets, files of the repository, flags.

use std::{collections::BTreeSet, fs};

use bunq_oauth_operator::cli;

use super::{
    Outcome,
    pages::{self, pages, spans},
    verdict,
};

/// Flags of other programs that the pages use.
const FOREIGN_FLAGS: &[&str] = &[
    // kubectl
    "all",
    "all-namespaces",
    "cascade",
    "clusterrole",
    "dry-run",
    "for",
    "from-file",
    "overwrite",
    "previous",
    "server-side",
    "serviceaccount",
    "timeout",
    "type",
    // cargo, docker, git
    "bin",
    "build-arg",
    "file",
    "from",
    "input",
    "lib",
    "locked",
    "package",
    "release",
    "short",
    "tag",
    "test",
];

/// Where files of the repository are.
const FOLDERS: &[&str] = &["src/", "tests/", "deploy/", "crds/", "docs/", ".ci/"];

/// `make` targets, paths and flags in code exist.
pub(crate) fn every_target_path_and_flag_that_is_named_exists() -> Outcome {
    let makefile =
        fs::read_to_string(pages::root().join("Makefile")).map_err(|error| format!("read Makefile: {error}"))?;
    // Targets for people have a line of help.
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.split_once(" ## ")?.0.split(':').next()).collect();
    let flags = flags();
    let mut faults = Vec::new();
    let mut seen = 0_usize;
    for page in pages()? {
        for (number, line, is_code) in page.lines() {
            let codes: Vec<&str> = if is_code { vec![line] } else { spans(line).collect() };
            for code in codes {
                let code = code.split(" # ").next().unwrap_or_default();
                let wrong =
                    wrong_target(code, &targets).into_iter().chain(wrong_flags(code, &flags)).chain(wrong_paths(code));
                faults.extend(wrong.map(|fault| format!("{}:{number}: {fault}", page.path)));
                seen += 1;
            }
        }
    }
    if seen < 100 {
        return Err(format!("only {seen} pieces of code were found"));
    }
    verdict(&faults)
}

/// The operator's own flags.
fn flags() -> BTreeSet<String> {
    let mut definition = cli::definition();
    definition.build();
    let own = definition.get_arguments().chain(definition.get_subcommands().flat_map(clap::Command::get_arguments));
    let own: BTreeSet<String> = own.filter_map(|argument| argument.get_long().map(str::to_owned)).collect();
    own.into_iter().chain(FOREIGN_FLAGS.iter().map(|flag| (*flag).to_owned())).collect()
}

fn wrong_target(code: &str, targets: &BTreeSet<&str>) -> Option<String> {
    let words: Vec<&str> = code.split_whitespace().skip_while(|word| word.contains('=')).collect();
    let target = words.strip_prefix(&["make"])?.iter().find(|word| !word.contains('='))?;
    (!targets.contains(target)).then(|| format!("there is no make target {target}"))
}

fn wrong_flags(code: &str, flags: &BTreeSet<String>) -> Vec<String> {
    let words = code.split([' ', '[', ']', '(', ')', '"', '\'', ',']);
    let named = words.filter_map(|word| word.strip_prefix("--")).filter(|name| !name.is_empty());
    let plain = named.map(|name| name.split('=').next().unwrap_or_default());
    plain.filter(|name| !flags.contains(*name)).map(|name| format!("there is no flag --{name}")).collect()
}

fn wrong_paths(code: &str) -> Vec<String> {
    let words = code.split([' ', '(', ')', '"', '\'', ',', '`', ':']);
    let named =
        words.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)) && !word.contains(['*', '<', '…']));
    named.filter(|word| !pages::root().join(word).exists()).map(|word| format!("there is no {word}")).collect()
}
