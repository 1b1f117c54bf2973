//! The folder of one control plane, and what becomes of folders whose owner was killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::{Error, Options};

const PREFIX: &str = "bunq-controlplane-";
const LOCK: &str = "owner.lock";
const KEEP: &str = "keep";

/// A folder that goes with its owner, unless it is kept.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    keep: bool,
    /// Held as long as the owner lives, so that others can tell.
    _lock: File,
}

impl Folder {
    pub(super) fn create(options: &Options) -> Result<Self, Error> {
        let (path, existed) = if let Some(dir) = &options.dir { given(dir)? } else { (temporary()?, false) };
        // Locked before it has its name: whoever sees it must not find it free.
        let (unnamed, named) = (path.join("owner.new"), path.join(LOCK));
        let lock = File::create(&unnamed).map_err(Error::io(format!("create {}", unnamed.display())))?;
        lock.lock().map_err(Error::io(format!("lock {}", unnamed.display())))?;
        fs::rename(&unnamed, &named).map_err(Error::io(format!("create {}", named.display())))?;
        // Somebody else's folder is not ours to remove.
        let mut folder = Self { path, keep: existed, _lock: lock };
        if options.keep {
            folder.keep()?;
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder in place for good.
    pub(super) fn keep(&mut self) -> Result<(), Error> {
        self.keep = true;
        let mark = self.path.join(KEEP);
        fs::write(&mark, "").map_err(Error::io(format!("create {}", mark.display())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed now is swept by the next start.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A folder of the caller's choice, and whether it was there before.
fn given(dir: &Path) -> Result<(PathBuf, bool), Error> {
    let existed = dir.exists();
    fs::create_dir_all(dir).map_err(Error::io(format!("create {}", dir.display())))?;
    let path = std::path::absolute(dir).map_err(Error::io(format!("find {}", dir.display())))?;
    Ok((path, existed))
}

/// A new folder that its owner alone may look into: kubeconfigs and tokens are in it.
fn temporary() -> Result<PathBuf, Error> {
    let parent = std::env::temp_dir();
    sweep(&parent);
    let folder = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempdir_in(&parent)
        .map_err(Error::io(format!("create a folder in {}", parent.display())))?;
    Ok(folder.keep())
}

/// Removes folders that a killed owner left behind. Best effort: another process may do the same.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if ours && is_abandoned(&path) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    // Without a lock file it may be a folder that is being made.
    let Ok(lock) = File::open(path.join(LOCK)) else {
        return false;
    };
    !path.join(KEEP).exists() && lock.try_lock().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_owner_and_its_owner_only() {
        let parent = tempfile::tempdir().unwrap();
        let place = |name: &str| Options { dir: Some(parent.path().join(name)), ..Options::default() };

        let living = Folder::create(&place("bunq-controlplane-living")).unwrap();
        let kept = Folder::create(&Options { keep: true, ..place("bunq-controlplane-kept") }).unwrap();
        let kept_path = kept.path().to_owned();
        drop(kept);
        let killed = parent.path().join("bunq-controlplane-killed");
        fs::create_dir(&killed).unwrap();
        fs::write(killed.join(LOCK), "").unwrap();
        let foreign = parent.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join(LOCK), "").unwrap();

        sweep(parent.path());

        assert!(living.path().exists() && kept_path.exists() && foreign.exists());
        assert!(!killed.exists());
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }
}
