//! What the environment asks of the tour.

use std::env;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::error::Error;

/// `OPERATOR_BINARY`, `KEEP`, `BUNQ_API_KEY`.
pub(crate) struct Settings {
    /// The operator, built by make.
    pub(crate) operator: PathBuf,
    /// The bank emulator, built along with this program.
    pub(crate) emulator: PathBuf,
    /// The folder that holds `deploy/`.
    pub(crate) root: PathBuf,
    /// Leave everything running.
    pub(crate) keep: bool,
    /// A key of bunq's own sandbox; absent: the emulator.
    pub(crate) api_key: Option<SecretString>,
}

impl Settings {
    /// Reads the environment.
    pub(crate) fn read() -> Result<Self, Error> {
        let operator = env::var_os("OPERATOR_BINARY").map(PathBuf::from).filter(|path| path.is_file());
        let operator =
            operator.ok_or_else(|| Error::Settings("OPERATOR_BINARY names no file: start me by `make demo`".into()))?;
        let here = env::current_exe().map_err(Error::io("find this program"))?;
        let emulator = here.with_file_name("bunq-sandbox");
        if !emulator.is_file() {
            return Err(Error::Settings(format!("there is no {}: start me by `make demo`", emulator.display())));
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Ok(Self {
            operator: absolute(&operator)?,
            emulator,
            root: absolute(&root)?,
            keep: env::var("KEEP").is_ok_and(|keep| !matches!(keep.as_str(), "" | "0")),
            api_key: api_key()?,
        })
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    path.canonicalize().map_err(Error::io(format!("find {}", path.display())))
}

/// Nobody shows a tour with real money.
fn api_key() -> Result<Option<SecretString>, Error> {
    let key = env::var("BUNQ_API_KEY").unwrap_or_default();
    match key.trim() {
        "" => Ok(None),
        key if key.starts_with("sandbox_") => Ok(Some(key.into())),
        _ => Err(Error::Settings(
            "BUNQ_API_KEY does not begin with sandbox_: the tour takes a key of bunq's sandbox only".into(),
        )),
    }
}
