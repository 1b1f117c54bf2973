//! The operator as a process, as a pod would run it: its own token, its own rights.

use std::{
    env,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use super::outcome::Outcome;

const READY_WITHIN: Duration = Duration::from_secs(30);
/// The grace period of a pod.
const ENDED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Everything that could give a secret away is said.
const LOG_FILTER: &str = "info,bunq_oauth_operator=trace,kube=debug,hyper=debug,reqwest=debug";

/// A running operator; killed when dropped.
pub struct OperatorProcess {
    child: Child,
    log: PathBuf,
    /// The length of the log when this process began: it is continued by the next one.
    log_begins: u64,
    http: Option<String>,
}

impl OperatorProcess {
    /// Starts the operator with `args` and these variables, and waits until it says that it is ready.
    pub async fn start(args: &[String], environment: &[(&str, &str)], kubeconfig: &Path, log: &Path) -> Outcome<Self> {
        let mut process = Self::listen(args, environment, kubeconfig, log).await?;
        process.until_ready().await?;
        Ok(process)
    }

    /// The same, and waits until it says where it listens only.
    pub async fn listen(args: &[String], environment: &[(&str, &str)], kubeconfig: &Path, log: &Path) -> Outcome<Self> {
        let mut process = Self::spawn(args, environment, kubeconfig, log)?;
        let since = Instant::now();
        while process.http.is_none() {
            process.look(since)?;
            process.http = process.announced_address();
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(process)
    }

    /// Waits until it says that it is ready.
    pub async fn until_ready(&mut self) -> Outcome {
        let since = Instant::now();
        while !self.get("readyz").await.is_ok_and(|(status, _)| status == 200) {
            self.look(since)?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Whether it still runs, and still has time.
    fn look(&mut self, since: Instant) -> Outcome {
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("the operator ended: {status}\n{}", self.tail(20)).into());
        }
        if since.elapsed() > READY_WITHIN {
            return Err(format!("the operator was not ready within {READY_WITHIN:?}\n{}", self.tail(20)).into());
        }
        Ok(())
    }

    fn spawn(args: &[String], environment: &[(&str, &str)], kubeconfig: &Path, log: &Path) -> Outcome<Self> {
        let program = binary()?;
        let output = File::options().create(true).append(true).open(log)?;
        let log_begins = output.metadata()?.len();
        let child = Command::new(&program)
            .args(args)
            .env("KUBECONFIG", kubeconfig)
            .env("RUST_LOG", LOG_FILTER)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("start {}: {error}", program.display()))?;
        Ok(Self { child, log: log.to_owned(), log_begins, http: None })
    }

    /// Opens a connection to its endpoint, and says nothing.
    pub async fn hang_on(&self) -> Outcome<TcpStream> {
        Ok(TcpStream::connect(self.http.as_deref().ok_or("the operator did not say where it listens")?).await?)
    }

    /// Asks the operator's endpoint: status and body.
    pub async fn get(&self, path: &str) -> Outcome<(u16, String)> {
        self.get_as(path, "*/*").await
    }

    /// The same, for somebody who accepts this.
    pub async fn get_as(&self, path: &str, accept: &str) -> Outcome<(u16, String)> {
        let address = self.http.as_deref().ok_or("the operator did not say where it listens")?;
        let answer = asking_client()?.get(format!("http://{address}/{path}")).header("accept", accept).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Kills it as the kernel would: nothing is finished, nothing is written.
    pub async fn kill9(mut self) -> Outcome {
        Ok(self.child.kill().await?)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Outcome {
        let id = self.child.id().and_then(|id| Pid::from_raw(id.try_into().unwrap_or_default()));
        Ok(kill_process(id.ok_or("the operator had ended by itself")?, signal)?)
    }

    /// Asks it to end, as a pod's deletion would.
    pub async fn stop(self) -> Outcome<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.ended().await
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Outcome<ExitStatus> {
        let ended = tokio::time::timeout(ENDED_WITHIN, self.child.wait()).await;
        Ok(ended.map_err(|_| format!("the operator did not end within {ENDED_WITHIN:?}"))??)
    }

    /// What this process logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        // There is a log as soon as it was started.
        let bytes = read_from(&self.log, self.log_begins).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn announced_address(&self) -> Option<String> {
        let log = self.log();
        let told = log.lines().filter(|line| line.contains("http_address"));
        let mut lines = told.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find_map(|line| line["http_address"].as_str().map(str::to_owned))
    }

    fn tail(&self, count: usize) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

/// What stands in a file from there on.
pub(super) fn read_from(path: &Path, begins: u64) -> io::Result<Vec<u8>> {
    let (mut file, mut bytes) = (File::open(path)?, Vec::new());
    file.seek(SeekFrom::Start(begins))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The operator's binary: the one that `OPERATOR_BINARY` names, or else the one beside the tests.
pub fn binary() -> Outcome<PathBuf> {
    if let Some(named) = env::var_os("OPERATOR_BINARY") {
        return Ok(named.into());
    }
    let tests = env::current_exe()?;
    let profile = tests.parent().and_then(Path::parent).ok_or("the tests run from nowhere")?;
    let binary = profile.join("bunq-oauth-operator");
    if binary.exists() {
        return Ok(binary);
    }
    Err(format!("{} is missing: build it with cargo build, or run make test", binary.display()).into())
}

/// An HTTP client that follows nothing and asks no proxy.
pub fn http_client() -> Outcome<reqwest::Client> {
    Ok(builder().build()?)
}

/// One that keeps no connection. To make one, every certificate that this machine trusts is read: once for all.
fn asking_client() -> Outcome<reqwest::Client> {
    static ASKING: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(client) = ASKING.get() {
        return Ok(client.clone());
    }
    let client = builder().pool_max_idle_per_host(0).build()?;
    Ok(ASKING.get_or_init(|| client).clone())
}

fn builder() -> reqwest::ClientBuilder {
    // Somebody else in this process may have been first: then it is installed, which is all we want.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.timeout(Duration::from_secs(10))
}
