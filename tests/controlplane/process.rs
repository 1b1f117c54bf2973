//! One server process: started with its log in a file, ended without leaving anything behind.

use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::Error;

/// How often a process that was told to end is looked at, and how often at most: 3 seconds.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOKS: u32 = 150;

/// Go collects garbage when memory has grown by so much percent: by 100 a fifth of the API server's work is that.
const GOGC: &str = "300";

/// A server of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The store.
    Etcd,
    /// The API server.
    ApiServer,
    /// Garbage collector, namespaces, service accounts, aggregated roles.
    ControllerManager,
}

impl Component {
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program())
    }
}

/// A running server; ended when dropped.
#[derive(Debug)]
pub(super) struct Process {
    component: Component,
    child: Child,
    /// Held open: its end is what tells the process that this one is gone.
    stdin: Option<ChildStdin>,
    log: PathBuf,
    released: bool,
}

impl Process {
    /// Starts `component` out of `programs` with its output appended to a log in `folder`.
    pub(super) fn start(component: Component, programs: &Path, folder: &Path, args: &[String]) -> Result<Self, Error> {
        let log = log_file(folder, component);
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(Error::io(format!("write {}", log.display())))?;
        let errors = output.try_clone().map_err(Error::io(format!("write {}", log.display())))?;
        let mut child = Command::new(programs.join(component.program()))
            .args(args)
            .env("KUBE_STOP_AT_EOF", "1")
            .env("GOGC", GOGC)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            // Ctrl-C in a terminal is for the program that owns this one: it ends us in order.
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!("start {component}")))?;
        let stdin = child.stdin.take();
        Ok(Self { component, child, stdin, log, released: false })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error if the process ended by itself.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        match self.child.try_wait().map_err(Error::io(format!("look at {}", self.component)))? {
            None => Ok(()),
            Some(status) => Err(self.ended(status)),
        }
    }

    fn ended(&self, status: ExitStatus) -> Error {
        Error::Ended { component: self.component, status, tail: tail(&self.log, 20) }
    }

    pub(super) fn not_ready(&self, seconds: u64) -> Error {
        Error::NotReady { component: self.component, seconds, tail: tail(&self.log, 20) }
    }

    /// Lets the process live on when this one ends.
    pub(super) fn release(&mut self) -> Result<(), Error> {
        if let Some(mut stdin) = self.stdin.take() {
            stdin.write_all(b"1").map_err(Error::io(format!("release {}", self.component)))?;
        }
        self.released = true;
        Ok(())
    }

    /// Asks the process to end, then makes it end.
    pub(super) fn stop(&mut self) {
        // Nothing here can be mended by anybody: the process is gone either way.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        for _ in 0..LOOKS {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.released && matches!(self.child.try_wait(), Ok(None)) {
            // What it keeps goes with it, so there is nothing to be ended in order.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Where a component writes its log.
pub(super) fn log_file(folder: &Path, component: Component) -> PathBuf {
    folder.join(format!("{component}.log"))
}

/// The last `count` lines of a log; empty when there is none.
pub(super) fn tail(log: &Path, count: usize) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(count);
    lines.iter().skip(from).copied().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controlplane::{Progress, binary, servers};

    #[test]
    fn a_server_ends_by_itself_when_whoever_started_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let programs = binary::folder(&Progress::silent()).unwrap();
        let args = servers::etcd_args(&folder.path().join("data"), 0, 0);
        let mut etcd = Process::start(Component::Etcd, &programs, folder.path(), &args).unwrap();
        etcd.check().unwrap();

        // What the system does when a process dies.
        drop(etcd.stdin.take());

        assert!(etcd.child.wait().unwrap().success());
    }

    #[test]
    fn the_tail_of_a_log_is_its_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        assert_eq!(tail(&log, 2), "");
        fs::write(&log, "a\nb\nc\n").unwrap();
        assert_eq!(tail(&log, 2), "b\nc");
        assert_eq!(tail(&log, 9), "a\nb\nc");
    }
}
