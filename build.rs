//! Tells the binary which git revision it was built from.
//!
//! Works in clones, in worktrees and without git; a source archive may set `SOURCE_REVISION`.

use std::{env, path::Path, process::Command};

fn main() {
    for file in ["build.rs", "src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={file}");
    }
    println!("cargo::rerun-if-env-changed=SOURCE_REVISION");
    // The log of HEAD grows with every commit, wherever the branch itself is kept. The index is
    // not watched: looking at the repository rewrites it.
    for file in ["HEAD", "logs/HEAD"] {
        watch(file);
    }
    if let Some(branch) = git(&["symbolic-ref", "--quiet", "HEAD"]) {
        watch(&branch);
    }
    println!("cargo::rustc-env=BUNQ_OAUTH_OPERATOR_REVISION={}", revision());
}

/// Runs this script again when a file of the repository's database changes. Git itself is asked
/// where the file is: in a worktree `.git` is a file and branches are kept elsewhere. A missing
/// file is not watched: cargo would run the script at every build.
fn watch(file: &str) {
    if let Some(path) = git(&["rev-parse", "--git-path", file])
        && Path::new(&path).exists()
    {
        println!("cargo::rerun-if-changed={path}");
    }
}

fn revision() -> String {
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        let given = env::var("SOURCE_REVISION").ok();
        let given = given.filter(|text| !text.trim().is_empty());
        return given.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned());
    };
    let changes = git(&["status", "--porcelain", "--untracked-files=no"]);
    match changes {
        Some(_) => format!("{commit}-dirty"),
        None => commit,
    }
}

/// The trimmed output of a git command about this package's own repository; None if there is no
/// git, no repository, or nothing to say. A package unpacked inside a foreign repository (a
/// vendored copy) does not take that one's revision.
fn git(arguments: &[&str]) -> Option<String> {
    let root = env::var_os("CARGO_MANIFEST_DIR")?;
    if !Path::new(&root).join(".git").exists() {
        return None;
    }
    let mut command = Command::new("git");
    // Hooks of git set these for their own repository.
    command.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE").env_remove("GIT_INDEX_FILE");
    // Reading the status must not write to the index.
    let output = command
        .args(["--no-optional-locks", "-c", "core.fsmonitor=false"])
        .args(arguments)
        .current_dir(&root)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
