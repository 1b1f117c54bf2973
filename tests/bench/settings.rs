//! What the environment asks of the bench.

use std::{env, path::PathBuf};

use testbed::harness::Outcome;

/// A group of figures that need the same preparation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chapter {
    /// Memory and start with one manifest.
    One,
    /// Calls to the API server from apply to Ready.
    Calls,
    /// A deleted Secret comes back.
    Heal,
    /// Memory for each further namespace.
    Namespaces,
    /// Memory beside large Secrets of others.
    Secrets,
    /// Memory of further manifests and start with many, perhaps of two programs side by side.
    Further,
    /// A thousand manifests: applied and restarted.
    Crowd,
    /// The same crowd at rest.
    Rest,
}

impl Chapter {
    const ALL: [(&'static str, Self); 8] = [
        ("one", Self::One),
        ("calls", Self::Calls),
        ("heal", Self::Heal),
        ("namespaces", Self::Namespaces),
        ("secrets", Self::Secrets),
        ("further", Self::Further),
        ("crowd", Self::Crowd),
        ("rest", Self::Rest),
    ];

    /// The chapters that a word stands for.
    fn named(word: &str) -> Outcome<&'static [Self]> {
        Ok(match word {
            "start" => &[Self::One, Self::Crowd],
            "memory" => &[Self::One, Self::Namespaces, Self::Secrets, Self::Crowd],
            "rest" => &[Self::Crowd, Self::Rest],
            "one" => &[Self::One],
            "calls" => &[Self::Calls],
            "heal" => &[Self::Heal],
            "namespaces" => &[Self::Namespaces],
            "secrets" => &[Self::Secrets],
            "further" => &[Self::Further],
            "crowd" | "restart" => &[Self::Crowd],
            other => {
                let known = Self::ALL.map(|(name, _)| name).join(", ");
                return Err(format!("BENCH names {other:?}; there are {known}, and memory, start, restart").into());
            }
        })
    }
}

/// `OPERATOR_BINARY`, `BENCH_AGAINST`, `BENCH`, `BENCH_CLIENTS`.
pub(crate) struct Settings {
    /// The operator, built by make.
    pub(crate) operator: PathBuf,
    /// Another one, measured beside it.
    pub(crate) against: Option<PathBuf>,
    /// How many manifests the crowd has.
    pub(crate) crowd: usize,
    chapters: Vec<Chapter>,
}

impl Settings {
    /// Reads the environment.
    pub(crate) fn read() -> Outcome<Self> {
        let operator = env::var_os("OPERATOR_BINARY").map(PathBuf::from).filter(|path| path.is_file());
        let operator = operator.ok_or("OPERATOR_BINARY names no file: start me by `make bench`")?.canonicalize()?;
        let against = match env::var_os("BENCH_AGAINST").filter(|path| !path.is_empty()) {
            Some(path) => Some(PathBuf::from(path).canonicalize().map_err(|error| format!("BENCH_AGAINST: {error}"))?),
            None => None,
        };
        let picked = env::var("BENCH").unwrap_or_default();
        let words: Vec<&str> = picked.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        let mut chapters = Vec::new();
        for word in &words {
            chapters.extend(Chapter::named(word)?);
        }
        if words.is_empty() {
            chapters.extend(Chapter::ALL.map(|(_, chapter)| chapter));
        }
        let crowd = env::var("BENCH_CLIENTS").ok().filter(|count| !count.is_empty());
        Ok(Self { operator, against, crowd: crowd.map_or(Ok(1000), |count| count.parse())?, chapters })
    }

    /// Whether this chapter was picked.
    pub(crate) fn has(&self, chapter: Chapter) -> bool {
        self.chapters.contains(&chapter)
    }
}
