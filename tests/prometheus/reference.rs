//! A second opinion on `OpenMetrics`: the reference parser, in Python, is stricter than a scraper's.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::harness::{Outcome, bench::target_folder};

const LIBRARY: &str = "prometheus-client==0.26.0";

/// Reads a scrape and returns how many families of series it has. The virtual environment stays under
/// `target/testbed`.
pub fn families(scrape: &str) -> Outcome<usize> {
    let mut child = Command::new(python()?)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("prometheus/reference.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Dropped, so that it sees the end.
    child.stdin.take().ok_or("the parser has no standard input")?.write_all(scrape.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("this is no OpenMetrics: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

/// A Python that has the library; made once, whoever asks first.
fn python() -> Outcome<PathBuf> {
    let folder = target_folder().join("testbed");
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("venv-openmetrics.lock"))?;
    lock.lock()?;
    let home = folder.join("venv-openmetrics");
    let (python, complete) = (home.join("bin/python"), home.join("complete"));
    if fs::read_to_string(&complete).ok().as_deref() != Some(LIBRARY) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", LIBRARY]))?;
        fs::write(&complete, LIBRARY)?;
    }
    Ok(python)
}

fn run(command: &mut Command) -> Outcome {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}
