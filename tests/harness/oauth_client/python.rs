//! The Python of a virtual environment that holds `requests-oauthlib`, made once under the target folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const LIBRARY: &str = "requests-oauthlib==2.0.0";

/// Makes the environment when it is not there yet; several test processes may want it.
pub(super) fn with_library() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let folder = target.join("testbed");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("venv-login.lock")).unwrap();
    lock.lock().unwrap();
    let home = folder.join("venv-login");
    let python = home.join("bin/python");
    let complete = home.join("complete");
    if fs::read_to_string(&complete).ok().as_deref() != Some(LIBRARY) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", LIBRARY]));
        fs::write(&complete, LIBRARY).unwrap();
    }
    python
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
