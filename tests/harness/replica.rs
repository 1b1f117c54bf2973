//! Operators of one world that elect one of them: started, paused, ended, and read by their logs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    api_proxy::ApiProxy,
    outcome::{Outcome, ensure},
    process::OperatorProcess,
    world::World,
};

const PATIENCE: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a replica says when it is elected.
pub const ELECTED: &str = "elected: this process leads";
/// What it says when it has ended its work, and before it gives the lease back.
pub const RESIGNED: &str = "resigned: this process leads no more";
/// What it says when it has given the lease back.
pub const RELEASED: &str = "the lease is released";
/// What it says when it may lead no more.
pub const LOST: &str = "the lease is lost: this process leads no more";

/// What those that tell who leads have in common.
const LEADS: &str = "this process leads";

/// One of the operators; killed when dropped.
pub struct Replica {
    process: OperatorProcess,
    name: String,
    log: PathBuf,
}

/// A change at the bank as the replica that made it tells.
#[derive(Clone, Debug)]
pub struct Told {
    /// When the answer came.
    pub at: Timestamp,
    /// The id that the bank saw.
    pub request_id: String,
}

/// What a replica said.
pub struct Said(Vec<Value>);

impl Said {
    /// All that stands in its log.
    pub fn read(log: &Path) -> Outcome<Self> {
        Self::read_of(log, "")
    }

    /// The lines with these words. The log of a replica is long, and whoever waits for a word reads it often.
    fn read_of(log: &Path, words: &str) -> Outcome<Self> {
        let text = fs::read_to_string(log)?;
        let lines = text.lines().filter(|line| line.contains(words));
        Ok(Self(lines.filter_map(|line| serde_json::from_str(line).ok()).collect()))
    }

    /// When it first said this.
    #[must_use]
    pub fn at(&self, message: &str) -> Option<Timestamp> {
        self.0.iter().find(|line| line["message"] == message)?["timestamp"].as_str()?.parse().ok()
    }

    /// How many lines begin like this.
    #[must_use]
    pub fn count(&self, beginning: &str) -> usize {
        let said = self.0.iter().filter_map(|line| line["message"].as_str());
        said.filter(|said| said.starts_with(beginning)).count()
    }

    /// Whether a line begins like this.
    #[must_use]
    pub fn has_said(&self, beginning: &str) -> bool {
        self.count(beginning) > 0
    }

    /// The changes at the bank that it tells of.
    #[must_use]
    pub fn changes(&self) -> Vec<Told> {
        let audits = self.0.iter().filter(|line| line["target"] == "audit");
        let told = audits.filter_map(|line| {
            let at = line["timestamp"].as_str()?.parse().ok()?;
            Some(Told { at, request_id: line["request_id"].as_str()?.to_owned() })
        });
        told.collect()
    }

    /// Whether it was elected and has not lost the lease since.
    fn leads(&self) -> bool {
        let mut said = self.0.iter().filter_map(|line| line["message"].as_str());
        said.rfind(|said| [ELECTED, RESIGNED, LOST].contains(said)) == Some(ELECTED)
    }
}

impl World {
    /// Starts another operator that takes part in the election, and waits until it is ready.
    pub async fn start_replica(&self, name: &str) -> Outcome<Replica> {
        let mut replica = self.spawn_replica(name).await?;
        replica.process.until_ready().await?;
        Ok(replica)
    }

    /// The same, and waits until it listens only.
    pub async fn spawn_replica(&self, name: &str) -> Outcome<Replica> {
        self.spawn_replica_by(self.kubeconfig(), name).await
    }

    /// The same for one that knows the proxy only.
    pub async fn spawn_replica_through(&self, proxy: &ApiProxy, name: &str) -> Outcome<Replica> {
        self.spawn_replica_by(&proxy.lead_through(self.kubeconfig())?, name).await
    }

    async fn spawn_replica_by(&self, kubeconfig: &Path, name: &str) -> Outcome<Replica> {
        // The last of two values counts.
        let electing = ["--leader-elect", "true", "--pod-name", name].map(str::to_owned);
        let mut args = self.operator_args();
        let at = args.iter().position(|arg| arg == "--leader-elect").ok_or("no --leader-elect to replace")?;
        args.drain(at..=at + 1);
        args.extend(electing);
        let log = self.folder().join(format!("operator-{name}.log"));
        let process = OperatorProcess::listen(&args, &[], kubeconfig, &log).await?;
        Ok(Replica { process, name: name.to_owned(), log })
    }
}

impl Replica {
    /// The pod's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it said so far.
    #[must_use]
    pub fn said(&self) -> Said {
        // There is a log as soon as it was started.
        Said::read(&self.log).unwrap_or(Said(Vec::new()))
    }

    /// Where that is kept.
    #[must_use]
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Whether it leads, by what it says.
    #[must_use]
    pub fn leads(&self) -> bool {
        Said::read_of(&self.log, LEADS).is_ok_and(|said| said.leads())
    }

    /// Waits until it leads.
    pub async fn elected(&self) -> Outcome {
        let since = Instant::now();
        while !self.leads() {
            ensure(since.elapsed() < PATIENCE, || format!("{} does not lead after {PATIENCE:?}", self.name))?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Its process, to be asked, paused or killed.
    #[must_use]
    pub fn process(&self) -> &OperatorProcess {
        &self.process
    }

    /// Kills it as the kernel would.
    pub async fn kill9(self) -> Outcome {
        self.process.kill9().await
    }

    /// Waits for its end.
    pub async fn ended(self) -> Outcome<ExitStatus> {
        self.process.ended().await
    }

    /// Ends it as a pod's deletion would, and tells how long that took.
    pub async fn stop(self) -> Outcome<Duration> {
        let since = Instant::now();
        let status = self.process.stop().await?;
        ensure(status.success(), || format!("{} ended with {status}", self.name))?;
        Ok(since.elapsed())
    }
}
