//! The folders of the sources, each as a set of modules that may know each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{references::references, sources::Source};

/// Stands for the folder's own file: its `mod.rs`, or the file of the same name beside it.
pub(super) const HEAD: &str = "mod.rs";

/// One folder, without its tests.
pub(super) struct Folder<'s> {
    path: Vec<String>,
    /// Its files and folders, by the names of their modules.
    pub(super) entries: BTreeSet<String>,
    /// Names that the folder's own file passes on, and the entry that each comes from.
    passed_on: BTreeMap<String, String>,
    files: Vec<&'s Source>,
}

impl<'s> Folder<'s> {
    /// Every folder below `src` that holds more than tests.
    pub(super) fn all(sources: &'s [Source]) -> Vec<Self> {
        let tested = sources.iter().filter(|source| !source.is_test());
        let parents: BTreeSet<Vec<String>> = tested.flat_map(|source| parents(&source.module())).collect();
        parents.iter().map(|path| Self::new(path, sources)).collect()
    }

    pub(super) fn new(path: &[String], sources: &'s [Source]) -> Self {
        let is_inside = |source: &&Source| !source.is_test() && source.module().starts_with(path);
        let files: Vec<&Source> = sources.iter().filter(is_inside).collect();
        let entries = files.iter().filter_map(|source| source.module().get(path.len()).cloned()).collect();
        let mut folder = Self { path: path.to_vec(), entries, passed_on: BTreeMap::new(), files };
        for reference in folder.head().into_iter().flat_map(references) {
            let inside = reference.path.strip_prefix(path).unwrap_or_default();
            if let [entry, .., name] = inside {
                folder.passed_on.insert(name.clone(), entry.clone());
            }
        }
        folder
    }

    /// The folder as a path of the repository.
    pub(super) fn name(&self) -> String {
        format!("src/{}", self.path.join("/"))
    }

    /// Every file in it, however deep, and the entry to which it belongs.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'s Source, String)> {
        self.files.iter().map(|source| {
            let entry = source.module().get(self.path.len()).cloned();
            (*source, entry.unwrap_or_else(|| HEAD.to_owned()))
        })
    }

    /// The folder's own file.
    pub(super) fn head(&self) -> Option<&'s Source> {
        self.files.iter().copied().find(|source| source.module() == self.path)
    }

    /// What a file refers to in this folder, tests apart: the line, and the path from here, which begins with an
    /// entry, also where the file took the name from the folder's own file.
    pub(super) fn references(&self, source: &Source) -> Vec<(usize, Vec<String>)> {
        let mut found = Vec::new();
        for reference in references(source).into_iter().filter(|reference| !reference.is_test) {
            let Some(inside) = reference.path.strip_prefix(self.path.as_slice()) else { continue };
            let mut path = inside.to_vec();
            let first = path.first().cloned().unwrap_or_default();
            if !self.entries.contains(&first) {
                let origin = self.passed_on.get(&first).cloned();
                path.insert(0, origin.unwrap_or_else(|| HEAD.to_owned()));
            }
            found.push((reference.line, path));
        }
        found
    }
}

/// The folders in which a module stands, the layer first.
fn parents(module: &[String]) -> Vec<Vec<String>> {
    (1..module.len()).map(|depth| module[..depth].to_vec()).collect()
}
