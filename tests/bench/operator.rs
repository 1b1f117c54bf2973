//! The operator as a process, and what the kernel says of it.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use testbed::harness::{Outcome, ensure, process::http_client};
use tokio::process::{Child, Command};

const LOOK_EVERY: Duration = Duration::from_millis(1);
const READY_WITHIN: Duration = Duration::from_mins(1);
const ENDED_WITHIN: Duration = Duration::from_secs(30);
/// Memory that has not changed for so long has settled.
const SETTLED: Duration = Duration::from_secs(3);
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
/// Less than this is no change.
const NOISE_KB: u64 = 64;

/// A running operator; killed when dropped.
pub(crate) struct Operator {
    child: Child,
    id: u32,
    address: String,
    http: reqwest::Client,
    /// From the start of the program to the first 200 of /readyz.
    pub(crate) ready_after: Duration,
}

impl Operator {
    pub(crate) async fn start(program: &Path, args: &[&str], kubeconfig: &Path, log: &Path) -> Outcome<Self> {
        // Known beforehand, so that nobody has to look for it in the log.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.to_string();
        let output = File::create(log)?;
        let http = http_client()?;
        let since = Instant::now();
        let child = Command::new(program)
            .args(args)
            .args(["--http-address", &address])
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()?;
        let id = child.id().ok_or("the operator ended at once")?;
        let mut operator = Self { child, id, address, http, ready_after: Duration::ZERO };
        while !operator.is_ready().await {
            if let Some(status) = operator.child.try_wait()? {
                return Err(format!("the operator ended: {status}\n{}", fs::read_to_string(log)?).into());
            }
            ensure(since.elapsed() < READY_WITHIN, || "the operator is not ready".to_owned())?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        operator.ready_after = since.elapsed();
        Ok(operator)
    }

    async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("http://{}/readyz", self.address)).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// Passes that have ended.
    pub(crate) async fn passes(&self) -> Outcome<u64> {
        let metrics = self.http.get(format!("http://{}/metrics", self.address)).send().await?.text().await?;
        let ended = metrics.lines().filter(|line| line.starts_with("controller_runtime_reconcile_total{"));
        Ok(ended.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
    }

    /// Resident memory in kB once it has settled: what the process has written, and what it uses of its files.
    pub(crate) async fn memory(&self) -> Outcome<Memory> {
        let since = Instant::now();
        let (mut last, mut unchanged_since) = (self.memory_now()?, Instant::now());
        while unchanged_since.elapsed() < SETTLED && since.elapsed() < SETTLED_WITHIN {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = self.memory_now()?;
            if now.total().abs_diff(last.total()) > NOISE_KB {
                (last, unchanged_since) = (now, Instant::now());
            }
        }
        self.memory_now()
    }

    /// Resident memory as it is now.
    pub(crate) fn memory_now(&self) -> Outcome<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim_start_matches(':').trim().split(' ').next()?.parse::<u64>().ok())
        };
        let missing = "the kernel tells no resident memory";
        Ok(Memory {
            written: field("RssAnon").ok_or(missing)?,
            program: field("RssFile").ok_or(missing)?,
            peak: field("VmHWM").ok_or(missing)?,
        })
    }

    /// Processor time since the start.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id))?;
        // The name in parentheses may hold anything; utime and stime are the 12th and 13th field after it.
        let after = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
    }

    /// Asks it to end, as a pod's deletion would.
    pub(crate) async fn stop(mut self) -> Outcome {
        let id = Pid::from_raw(self.id.try_into()?).ok_or("the operator has no id")?;
        kill_process(id, Signal::TERM)?;
        let ended = tokio::time::timeout(ENDED_WITHIN, self.child.wait()).await;
        let status = ended.map_err(|_| format!("the operator did not end within {ENDED_WITHIN:?}"))??;
        ensure(status.success(), || format!("the operator ended with {status}"))
    }
}

/// Resident memory in kB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Written by the process.
    pub(crate) written: u64,
    /// Of its program.
    pub(crate) program: u64,
    /// The highest so far.
    pub(crate) peak: u64,
}

impl Memory {
    /// Both kinds.
    pub(crate) fn total(self) -> u64 {
        self.written + self.program
    }

    /// For the table.
    pub(crate) fn shown(self) -> String {
        format!(
            "{} MB ({} written + {} of the program; peak {})",
            megabytes(self.total()),
            megabytes(self.written),
            megabytes(self.program),
            megabytes(self.peak)
        )
    }
}

/// Thousands of kB with one digit after the point.
pub(crate) fn megabytes(kb: u64) -> String {
    // The kernel's kB are 1024 bytes.
    let tenths = kb * 1024 / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}
