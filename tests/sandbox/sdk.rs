//! Proof by bunq's own SDK for Python that the emulator is one of bunq's API (`bunq-api §11.1`).

use std::{
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use super::{Options, Sandbox};

/// The rows of `bunq-api §11.1`, as `sdk/check.py` names them.
const ROWS: [&str; 10] = [
    "ApiContext.create",
    "OauthClient.create",
    "OauthClient.list get update",
    "OauthCallbackUrl",
    "UserCredentialPasswordIp PermittedIp",
    "Session.delete",
    "expired context",
    "close_session",
    "OauthAuthorizationUri",
    "OauthAccessToken",
];

/// Runs every row of the table with this version of `bunq_sdk` from `PyPI` (1.14.18 or 1.28.0). The
/// virtual environment stays under `target/testbed`.
///
/// # Errors
///
/// A row that failed, with the SDK's words; or what stopped the check: no Python, no registry.
pub async fn bunq_sdk_accepts_the_emulator(version: &str) -> Result<(), String> {
    let python = python_with_sdk(version.to_owned()).await?;
    let sandbox = Sandbox::start(Options::default()).await.map_err(|error| format!("start the emulator: {error}"))?;
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("sandbox/sdk/check.py");
    let output = Command::new(python)
        .arg(check)
        .args([version, &sandbox.base_url(), &sandbox.new_user().api_key])
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("run the check: {error}"))?;
    let rows = String::from_utf8_lossy(&output.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    for row in ROWS {
        if !rows.lines().any(|line| line == format!("ok {row}")) {
            return Err(format!("bunq_sdk {version}: {row} failed\n{rows}\n{words}"));
        }
    }
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("bunq_sdk {version}: {}\n{rows}\n{words}", output.status))
    }
}

/// The Python of a virtual environment that holds the SDK; made once per version.
async fn python_with_sdk(version: String) -> Result<PathBuf, String> {
    let folder = target_folder().join("testbed");
    let home = folder.join(format!("venv-{version}"));
    let lock_file = folder.join(format!("venv-{version}.lock"));
    let locked = tokio::task::spawn_blocking(move || lock(&folder, &lock_file));
    let _lock = locked
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| format!("lock the environment of bunq_sdk {version}: {error}"))?;

    let python = home.join("bin/python");
    let complete = home.join("complete");
    if !complete.exists() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home)).await?;
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg(format!("bunq_sdk=={version}")))
        .await?;
        fs::write(&complete, &version).map_err(|error| format!("mark {}: {error}", home.display()))?;
    }
    Ok(python)
}

/// Several test processes may want the same environment.
fn lock(folder: &Path, file: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    let file = File::create(file)?;
    file.lock()?;
    Ok(file)
}

async fn run(command: &mut Command) -> Result<(), String> {
    let output =
        command.stdin(Stdio::null()).output().await.map_err(|error| format!("run {:?}: {error}", command.as_std()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(format!("{:?}: {}\n{words}", command.as_std(), output.status))
}

/// Cargo's target folder.
fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from)
}
