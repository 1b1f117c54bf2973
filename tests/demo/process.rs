//! A child process with its log in a file. It ends with this program, however that ends, unless it is released.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::error::{Error, Part};

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// 5 seconds.
const LOOKS: u32 = 250;
/// Ends the process when this program's end of the pipe closes without a word.
const GUARD: &str = r#"read -r _ || kill -TERM "$1""#;

/// A running child process; ended when dropped.
pub(crate) struct Supervised {
    part: Part,
    child: RefCell<Child>,
    guard: Child,
    pipe: Option<ChildStdin>,
    log: PathBuf,
    released: bool,
}

impl Supervised {
    /// Starts `program` with a clean environment; its standard error goes to `log`, its standard output to `output`.
    pub(crate) fn start<A, E>(
        part: Part,
        program: &Path,
        args: impl IntoIterator<Item = A>,
        environment: impl IntoIterator<Item = (E, E)>,
        log: PathBuf,
        output: Stdio,
    ) -> Result<Self, Error>
    where
        A: AsRef<OsStr>,
        E: AsRef<OsStr>,
    {
        let errors = File::create(&log).map_err(Error::io(format!("write {}", log.display())))?;
        // A group of its own: Ctrl-C in a terminal is for this program, which ends the others in order.
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!("start {}", program.display())))?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let mut guard = match guard {
            Ok(guard) => guard,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Error::io("start sh")(error));
            }
        };
        let pipe = guard.stdin.take();
        Ok(Self { part, child: RefCell::new(child), guard, pipe, log, released: false })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.borrow().id()
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// An error if the process ended by itself.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.child.borrow_mut().try_wait().map_err(Error::io(format!("look at {}", self.part)))? {
            None => Ok(()),
            Some(status) => Err(Error::Ended { part: self.part, status }),
        }
    }

    /// Lets the process live on when this program ends.
    pub(crate) fn release(&mut self) {
        self.dismiss_guard();
        self.released = true;
    }

    /// One line tells the guard that it is not needed any more.
    fn dismiss_guard(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            // A guard that is gone guards nothing.
            let _ = pipe.write_all(b"\n");
            drop(pipe);
            let _ = self.guard.wait();
        }
    }

    /// Asks the process to end, then makes it end.
    fn stop(&mut self) {
        self.dismiss_guard();
        let child = self.child.get_mut();
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        let _ = kill_process(Pid::from_child(child), Signal::TERM);
        for _ in 0..LOOKS {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            sleep(LOOK_EVERY);
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        if !self.released {
            self.stop();
        }
    }
}

/// The last `count` lines of a log; empty when there is none.
pub(crate) fn tail(log: &Path, count: usize) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
