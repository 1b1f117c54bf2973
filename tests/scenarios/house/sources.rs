//! The repository's own files, as the checks read them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// One file of the repository.
pub(super) struct Source {
    /// Relative to the repository, with slashes.
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    /// The module that the file is: `src/a/b.rs` and `src/a/b/mod.rs` are both `a::b`.
    pub(super) fn module(&self) -> Vec<String> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let module = inside.trim_end_matches(".rs").trim_end_matches("/mod");
        module.split('/').filter(|name| *name != "lib").map(str::to_owned).collect()
    }

    /// Whether the file holds nothing but tests.
    pub(super) fn is_test(&self) -> bool {
        self.module().iter().any(|name| name == "tests")
    }

    /// The text without `//` comments; lines keep their numbers.
    pub(super) fn code(&self) -> String {
        let code = self.text.lines().map(|line| line.split("//").next().unwrap_or_default());
        code.collect::<Vec<_>>().join("\n")
    }

    pub(super) fn at(&self, line: usize, fault: &str) -> String {
        format!("{}:{line}: {fault}", self.path)
    }

    /// Every line of code that contains one of the words.
    pub(super) fn mentions(&self, text: &str, words: &[&str], fault: &str) -> Vec<String> {
        let lines = text.lines().enumerate();
        let hits = lines.filter_map(|(index, line)| {
            let word = words.iter().find(|word| line.contains(**word))?;
            Some(self.at(index + 1, &format!("{word}: {fault}")))
        });
        hits.collect()
    }
}

/// The sources under these paths of the repository; a path without any is a fault, so that a
/// check cannot pass by looking nowhere.
pub(super) fn sources(places: &[&str]) -> Result<Vec<Source>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for place in places {
        let before = found.len();
        collect(&root, &root.join(place), &mut found).map_err(|error| format!("read {place}: {error}"))?;
        if found.len() == before {
            return Err(format!("no sources in {place}"));
        }
    }
    Ok(found)
}

fn collect(root: &Path, place: &Path, found: &mut Vec<Source>) -> io::Result<()> {
    if place.is_dir() {
        let entries: io::Result<Vec<PathBuf>> =
            fs::read_dir(place)?.map(|entry| entry.map(|entry| entry.path())).collect();
        let mut entries = entries?;
        entries.sort();
        let kept = entries.iter().filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            !name.starts_with('.') && name != "target" && name != "__pycache__"
        });
        return kept.into_iter().try_for_each(|path| collect(root, path, found));
    }
    let extension = place.extension().unwrap_or_default().to_string_lossy();
    let name = place.file_name().unwrap_or_default();
    if ["rs", "go", "py"].contains(&extension.as_ref()) || name == "Makefile" {
        let path = place.strip_prefix(root).unwrap_or(place);
        found.push(Source { path: path.to_string_lossy().replace('\\', "/"), text: fs::read_to_string(place)? });
    }
    Ok(())
}
