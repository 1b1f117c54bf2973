//! Builds the control plane's program from Go modules, once for each version of its sources.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::process::tail;
use super::{Error, Progress};

/// The programs inside the one that is built, each reached by a link of its name.
pub(super) const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// What go.mod asks for, and the Kubernetes release built from it.
const NEEDED: &str = "1.26";
const NEEDED_MINOR: u32 = 26;
const KUBERNETES: &str = "v1.36.3";
/// Without these the server calls itself v0.0.0-master and clients complain.
const LDFLAGS: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
    -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36";
/// Packages that one build compiles: only for a person to see how far it is.
const PACKAGES: usize = 2700;
const HEARTBEAT: u32 = 20;

/// The folder that holds the built programs; builds them when they are not there yet.
pub(super) fn folder(progress: &Progress) -> Result<PathBuf, Error> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("controlplane");
    let folder = target_folder().join("testbed").join(format!("controlplane-{}", fingerprint(&sources)?));
    fs::create_dir_all(&folder).map_err(Error::io(format!("create {}", folder.display())))?;

    // One build at a time; whoever waited finds it done.
    let lock_file = folder.join("lock");
    let lock = File::create(&lock_file).map_err(Error::io(format!("create {}", lock_file.display())))?;
    if lock.try_lock().is_err() {
        progress.say("waiting for another process that builds the control plane");
        lock.lock().map_err(Error::io(format!("lock {}", lock_file.display())))?;
    }
    let program = folder.join("kube");
    if program.is_file() {
        progress.say(format!("Kubernetes {KUBERNETES}, built before from Go modules, in {}", folder.display()));
    } else {
        require_go()?;
        build(&sources, &folder, progress)?;
    }
    Ok(folder)
}

fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).join("target"),
    }
}

/// The cache key: everything the program is made of.
fn fingerprint(sources: &Path) -> Result<String, Error> {
    let mut hash = Sha256::new();
    for name in ["go.mod", "go.sum", "main.go"] {
        let path = sources.join(name);
        let bytes = fs::read(&path).map_err(Error::io(format!("read {}", path.display())))?;
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    }
    hash.update(LDFLAGS);
    let digest = format!("{:x}", hash.finalize());
    Ok(digest.chars().take(12).collect())
}

fn require_go() -> Result<(), Error> {
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
    Err(Error::NoGo { needed: NEEDED, found })
}

/// The minor release in `go1.26.8`, `go1.27rc1` or `go1.26.8 X:boringcrypto`.
fn go_minor(version: &str) -> Option<u32> {
    let rest = version.strip_prefix("go1.")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn build(sources: &Path, folder: &Path, progress: &Progress) -> Result<(), Error> {
    progress.say(format!(
        "building etcd, kube-apiserver, kube-controller-manager and kubectl {KUBERNETES} from Go modules; 4–8 minutes once, then cached"
    ));
    let log = folder.join("build.log");
    let output = File::create(&log).map_err(Error::io(format!("create {}", log.display())))?;
    // A build that was interrupted must never be taken for a finished one.
    let unfinished = folder.join("kube.unfinished");
    let mut go = Command::new("go")
        .args(["build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", LDFLAGS, "-o"])
        .arg(&unfinished)
        .arg(".")
        .current_dir(sources)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly")
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
            progress.say(heartbeat(&log, quarters / 4));
        }
    };
    if !status.success() {
        let tail = tail(&log, 15);
        return Err(Error::Build { status, log, tail });
    }
    for name in PROGRAMS {
        link("kube", &folder.join(name))?;
    }
    fs::rename(&unfinished, folder.join("kube")).map_err(Error::io("move the built program into place"))?;
    progress.say(format!("built in {} s", quarters / 4));
    Ok(())
}

/// How far `go build -v` is: it names each module it fetches and each package it compiles.
fn heartbeat(log: &Path, seconds: u32) -> String {
    let mut text = String::new();
    // Only for the eye: an unreadable log counts as an empty one.
    let _ = File::open(log).and_then(|mut file| file.read_to_string(&mut text));
    let fetched = text.lines().filter(|line| line.starts_with("go: downloading")).count();
    let compiled = text.lines().count() - fetched;
    format!(
        "still building after {seconds} s: {fetched} modules fetched, {compiled} of about {PACKAGES} packages compiled"
    )
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
