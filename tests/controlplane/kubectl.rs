//! kubectl, called as one identity.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::Error;

/// kubectl with one kubeconfig; never the default one of the person who runs it.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    cache: PathBuf,
}

impl Kubectl {
    pub(super) fn new(program: PathBuf, kubeconfig: PathBuf, folder: &Path) -> Self {
        // Its cache goes by host and port, and ports come back with other servers behind them.
        Self { program, kubeconfig, cache: folder.join("kubectl-cache") }
    }

    /// The kubeconfig it uses.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The program, to be put on `PATH` or called by scripts.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The same kubectl as somebody else.
    #[must_use]
    pub fn with_kubeconfig(&self, kubeconfig: &Path) -> Self {
        Self { kubeconfig: kubeconfig.to_owned(), ..self.clone() }
    }

    /// Runs kubectl and returns what it wrote to standard output.
    pub async fn run(&self, args: &[&str]) -> Result<String, Error> {
        let output = self.command(args).stdin(Stdio::null()).output().await.map_err(Error::io("run kubectl"))?;
        finish(args, &output)
    }

    /// Applies the manifests in `yaml` on the server's side.
    pub async fn apply_stdin(&self, yaml: &str) -> Result<String, Error> {
        self.run_with_stdin(&["apply", "--server-side", "-f", "-"], yaml).await
    }

    /// Runs kubectl with `input` on its standard input.
    pub async fn run_with_stdin(&self, args: &[&str], input: &str) -> Result<String, Error> {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::io("run kubectl"))?;
        let stdin = child.stdin.take();
        let write = async move {
            if let Some(mut stdin) = stdin {
                // A kubectl that ends early says why on standard error.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        let ((), output) = tokio::join!(write, child.wait_with_output());
        finish(args, &output.map_err(Error::io("run kubectl"))?)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(args)
            .env_remove("KUBECONFIG")
            .env("KUBECACHEDIR", &self.cache)
            .env("KUBERC", "off")
            .kill_on_drop(true);
        command
    }
}

fn finish(args: &[&str], output: &Output) -> Result<String, Error> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Kubectl {
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        status: output.status,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
