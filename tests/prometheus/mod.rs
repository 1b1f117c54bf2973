//! Prometheus' own judgement: its parsers of scrapes and queries and its engine of rules, in a program that
//! is built from Go modules, once.

pub mod reference;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    controlplane::{Progress, go_program::GoProgram},
    harness::Outcome,
};

const JUDGE: GoProgram = GoProgram {
    what: "the judge of metrics and alerts (Prometheus v0.315.0)",
    module: "prometheus",
    sources: &["go.mod", "go.sum", "alerts.go", "main.go", "manifest.go", "names.go", "scrape.go"],
    ldflags: "-s -w",
    file: "prometheus",
    links: &[],
    packages: 850,
    takes: "1–3 minutes",
    instead: "",
};

/// The built program.
#[derive(Clone, Debug)]
pub struct Prometheus {
    program: PathBuf,
}

/// A way to write metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format.
    Classic,
    /// `OpenMetrics`.
    OpenMetrics,
}

/// What a scrape holds.
#[derive(Clone, Debug, Deserialize)]
pub struct Scrape {
    /// Families by their names as declared, with their types.
    pub families: BTreeMap<String, String>,
    /// The names of series with the labels that they have.
    pub series: BTreeMap<String, Vec<String>>,
    /// How many series there are.
    pub count: usize,
    /// The values of each label.
    pub labels: BTreeMap<String, Vec<String>>,
    /// What the linter has to say; of the text format only.
    pub problems: Vec<String>,
}

/// One series that a query asks for.
#[derive(Clone, Debug, Deserialize)]
pub struct Named {
    /// The query.
    pub query: String,
    /// The name of the series.
    pub metric: String,
    /// The labels that it is chosen and grouped by.
    pub labels: Vec<String>,
}

/// What came of cases that were played through alert rules.
#[derive(Clone, Debug, Deserialize)]
pub struct Heard {
    /// How many there were.
    pub cases: usize,
    /// In how many moments each alert fired.
    pub fired: BTreeMap<String, usize>,
    /// In how many moments each alert did not.
    pub silent: BTreeMap<String, usize>,
    /// Where a case ended otherwise than it says.
    pub faults: Vec<String>,
}

impl Prometheus {
    /// Builds the program when it is not there yet; that takes minutes.
    pub async fn ready() -> Outcome<Self> {
        let folder = tokio::task::spawn_blocking(|| JUDGE.folder(&Progress::default())).await??;
        Ok(Self { program: folder.join(JUDGE.file) })
    }

    /// Reads a scrape; fails if the format is broken.
    pub fn read(&self, format: Format, scrape: &str) -> Outcome<Scrape> {
        let format = match format {
            Format::Classic => "classic",
            Format::OpenMetrics => "openmetrics",
        };
        self.ask(&[Path::new(format)], scrape)
    }

    /// What these queries ask for; fails if one cannot be parsed.
    pub fn names(&self, queries: &[String]) -> Outcome<Vec<Named>> {
        self.ask(&[Path::new("names")], &serde_json::to_string(queries)?)
    }

    /// Plays the cases of a file through the alert rules of another.
    pub fn alerts(&self, rules: &Path, cases: &Path) -> Outcome<Heard> {
        self.ask(&[Path::new("alerts"), rules, cases], "")
    }

    /// The kind of a manifest of the Prometheus operator; fails on a field that it does not know.
    pub fn manifest(&self, manifest: &Value) -> Outcome<String> {
        self.ask(&[Path::new("manifest")], &manifest.to_string())
    }

    fn ask<T: DeserializeOwned>(&self, args: &[&Path], input: &str) -> Outcome<T> {
        let mut child = Command::new(&self.program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("start {}: {error}", self.program.display()))?;
        // It reads everything before it answers; dropped, so that it sees the end.
        child.stdin.take().ok_or("the judge has no standard input")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
