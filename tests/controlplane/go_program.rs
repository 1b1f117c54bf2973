//! Builds a program from a Go module of this folder's neighbours, once for each version of its sources.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::process::tail;
use super::{Error, Progress};

/// What the modules' go.mod ask for.
const NEEDED: &str = "1.26";
const NEEDED_MINOR: u32 = 26;
const HEARTBEAT: u32 = 20;

/// For every package: nobody debugs these programs, and a ninth of the compiler's work goes into what a debugger reads.
/// `make lint-go` says the same, so that it finds what was compiled here.
const GCFLAGS: &str = "-gcflags=all=-dwarf=false";
/// The compiler's own garbage: half a gigabyte at most for each of them, for a tenth of its work.
const GOGC: &str = "400";

/// A program that is built from Go modules.
pub(crate) struct GoProgram {
    /// What it is, to people.
    pub(crate) what: &'static str,
    /// The folder of its sources beside this one's, and the beginning of its folder's name in the target folder.
    pub(crate) module: &'static str,
    /// Everything it is made of.
    pub(crate) sources: &'static [&'static str],
    /// What the linker is told.
    pub(crate) ldflags: &'static str,
    /// Its file.
    pub(crate) file: &'static str,
    /// More names of that file.
    pub(crate) links: &'static [&'static str],
    /// Packages that one build compiles: only for a person to see how far it is.
    pub(crate) packages: usize,
    /// How long that takes, and what a person without Go can do.
    pub(crate) takes: &'static str,
    pub(crate) instead: &'static str,
}

impl GoProgram {
    /// The folder that holds the built program; builds it when it is not there yet.
    pub(crate) fn folder(&self, progress: &Progress) -> Result<PathBuf, Error> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join(self.module);
        let home = target_folder().join("testbed");
        let folder = home.join(format!("{}-{}", self.module, self.fingerprint(&sources)?));
        fs::create_dir_all(&folder).map_err(Error::io(format!("create {}", folder.display())))?;

        // One build of it at a time; whoever waited finds it done.
        let _lock = locked(&folder.join("lock"), || {
            progress.say(format!("waiting for another process that builds {}", self.what));
        })?;
        if folder.join(self.file).is_file() {
            progress.say(format!("{}, built before from Go modules, in {}", self.what, folder.display()));
        } else {
            self.require_go()?;
            // Two builds side by side would be no faster, and take the memory of both.
            let _turn = locked(&home.join("go.lock"), || progress.say("waiting for another build from Go modules"))?;
            self.build(&sources, &folder, progress)?;
        }
        Ok(folder)
    }

    /// The cache key: everything the program is made of.
    fn fingerprint(&self, sources: &Path) -> Result<String, Error> {
        let mut hash = Sha256::new();
        for name in self.sources {
            let path = sources.join(name);
            let bytes = fs::read(&path).map_err(Error::io(format!("read {}", path.display())))?;
            hash.update(bytes.len().to_be_bytes());
            hash.update(bytes);
        }
        hash.update(self.ldflags);
        let digest = format!("{:x}", hash.finalize());
        Ok(digest.chars().take(12).collect())
    }

    fn require_go(&self) -> Result<(), Error> {
        let found = match Command::new("go").args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output() {
            Err(_) => "and there is no go on PATH".to_owned(),
            Ok(output) => {
                let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                if go_minor(&version).is_some_and(|minor| minor >= NEEDED_MINOR) {
                    return Ok(());
                }
                format!("and the go on PATH is {version:?}")
            }
        };
        Err(Error::NoGo { what: self.what, needed: NEEDED, found, instead: self.instead })
    }

    fn build(&self, sources: &Path, folder: &Path, progress: &Progress) -> Result<(), Error> {
        progress.say(format!("building {} from Go modules; {} once, then cached", self.what, self.takes));
        let log = folder.join("build.log");
        let output = File::create(&log).map_err(Error::io(format!("create {}", log.display())))?;
        // A build that was interrupted must never be taken for a finished one.
        let unfinished = folder.join(format!("{}.unfinished", self.file));
        let mut go = Command::new("go")
            .args(["build", "-v", "-trimpath", "-buildvcs=false", GCFLAGS, "-ldflags", self.ldflags, "-o"])
            .arg(&unfinished)
            .arg(".")
            .current_dir(sources)
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-mod=readonly")
            .env("GOGC", GOGC)
            .env("GOTOOLCHAIN", "local")
            .env("GOWORK", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .map_err(Error::io("run go build"))?;

        let mut quarters = 0_u32;
        let status = loop {
            if let Some(status) = go.try_wait().map_err(Error::io("wait for go build"))? {
                break status;
            }
            std::thread::sleep(Duration::from_millis(250));
            quarters += 1;
            if quarters.is_multiple_of(4 * HEARTBEAT) {
                progress.say(self.heartbeat(&log, quarters / 4));
            }
        };
        if !status.success() {
            let tail = tail(&log, 15);
            return Err(Error::Build { what: self.what, status, log, tail });
        }
        for name in self.links {
            link(self.file, &folder.join(name))?;
        }
        fs::rename(&unfinished, folder.join(self.file)).map_err(Error::io("move the built program into place"))?;
        progress.say(format!("built in {} s", quarters / 4));
        Ok(())
    }

    /// How far `go build -v` is: it names each module it fetches and each package it compiles.
    fn heartbeat(&self, log: &Path, seconds: u32) -> String {
        let mut text = String::new();
        // Only for the eye: an unreadable log counts as an empty one.
        let _ = File::open(log).and_then(|mut file| file.read_to_string(&mut text));
        let fetched = text.lines().filter(|line| line.starts_with("go: downloading")).count();
        let compiled = text.lines().count() - fetched;
        format!(
            "still building after {seconds} s: {fetched} modules fetched, {compiled} of about {} packages compiled",
            self.packages
        )
    }
}

/// Holds the lock of this file; `wait` is called when somebody else has it.
fn locked(path: &Path, wait: impl FnOnce()) -> Result<File, Error> {
    let lock = File::create(path).map_err(Error::io(format!("create {}", path.display())))?;
    if lock.try_lock().is_err() {
        wait();
        lock.lock().map_err(Error::io(format!("lock {}", path.display())))?;
    }
    Ok(lock)
}

fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).join("target"),
    }
}

/// The minor release in `go1.26.8`, `go1.27rc1` or `go1.26.8 X:boringcrypto`.
fn go_minor(version: &str) -> Option<u32> {
    let rest = version.strip_prefix("go1.")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Makes `link` point to `target`, whatever was there.
pub(super) fn link(target: impl AsRef<Path>, link: &Path) -> Result<(), Error> {
    match fs::remove_file(link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io(format!("replace {}", link.display()))(error));
        }
        Ok(()) | Err(_) => {}
    }
    std::os::unix::fs::symlink(target, link).map_err(Error::io(format!("link {}", link.display())))
}

#[cfg(test)]
mod tests {
    use super::go_minor;

    #[test]
    fn the_release_of_go_is_read_from_what_it_says_of_itself() {
        assert_eq!(go_minor("go1.26.8"), Some(26));
        assert_eq!(go_minor("go1.27rc1"), Some(27));
        assert_eq!(go_minor("go1.9 X:boringcrypto"), Some(9));
        assert_eq!(go_minor("devel +abc"), None);
    }
}
