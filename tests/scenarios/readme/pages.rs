//! The pages that people read.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// One page.
pub(super) struct Page {
    /// Relative to the repository.
    pub(super) path: String,
    pub(super) text: String,
}

/// The repository.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The README and every page under `docs/`.
pub(super) fn pages() -> Result<Vec<Page>, String> {
    let mut files = vec![PathBuf::from("README.md")];
    collect(Path::new("docs"), &mut files).map_err(|error| format!("read docs/: {error}"))?;
    files.into_iter().map(|file| page(&file.to_string_lossy())).collect()
}

/// One page by its path.
pub(super) fn page(path: &str) -> Result<Page, String> {
    let text = fs::read_to_string(root().join(path)).map_err(|error| format!("read {path}: {error}"))?;
    Ok(Page { path: path.to_owned(), text })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries: io::Result<Vec<_>> = fs::read_dir(root().join(folder))?.collect();
    let mut names: Vec<_> = entries?.into_iter().map(|entry| folder.join(entry.file_name())).collect();
    names.sort();
    for name in names {
        if root().join(&name).is_dir() {
            collect(&name, files)?;
        } else if name.extension().is_some_and(|extension| extension == "md") {
            files.push(name);
        }
    }
    Ok(())
}

impl Page {
    /// The contents of every fenced block in this language.
    pub(super) fn blocks(&self, language: &str) -> impl Iterator<Item = String> {
        let fence = format!("```{language}");
        let mut lines = self.text.lines();
        std::iter::from_fn(move || {
            lines.by_ref().find(|line| line.trim() == fence)?;
            let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
            Some(block.join("\n"))
        })
    }

    /// Lines with their numbers, from 1, and whether they stand in a fenced block.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str, bool)> {
        let mut is_code = false;
        self.text.lines().enumerate().filter_map(move |(index, line)| {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
                return None;
            }
            Some((index + 1, line, is_code))
        })
    }
}

/// Every span between back ticks in a line of prose.
pub(super) fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}
