//! What a person reads while the tour goes on.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Nobody looks at a silent screen for longer than this.
const HEARTBEAT: Duration = Duration::from_secs(10);
const STEPS: u32 = 7;

/// Writes to standard output; colours only on a terminal, and not where `NO_COLOR` is set.
pub(crate) struct Narrator {
    screen: io::Stdout,
    colour: bool,
    started: Instant,
    step: Mutex<String>,
}

impl Narrator {
    pub(crate) fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let screen = io::stdout();
        Self {
            colour: screen.is_terminal() && !plain,
            screen,
            started: Instant::now(),
            step: Mutex::new("the start".to_owned()),
        }
    }

    /// A new step: what happens and how long it usually takes.
    pub(crate) fn step(&self, number: u32, title: &str, usually: &str) {
        let name = format!("step {number} of {STEPS}: {title}");
        let elapsed = self.started.elapsed().as_secs_f32();
        let heading = self.paint("1;36", &format!("== {name}"));
        self.print(&format!("\n{heading}\n   usually {usually}; {elapsed:.1} s since the start"));
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    /// The step that the tour is at, for messages.
    pub(crate) fn current(&self) -> String {
        self.step.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A sentence.
    pub(crate) fn say(&self, sentence: impl Display) {
        self.print(&format!("   {sentence}"));
    }

    /// Something that was proven.
    pub(crate) fn proven(&self, sentence: impl Display) {
        self.print(&format!("   {} {sentence}", self.paint("32", "✓")));
    }

    /// A command as a person would type it.
    pub(crate) fn command(&self, command: impl Display) {
        self.print(&format!("   {}", self.paint("1", &format!("$ {command}"))));
    }

    /// What a program said.
    pub(crate) fn output(&self, text: &str) {
        for line in text.lines() {
            self.print(&format!("     {line}"));
        }
    }

    /// The end of a tour that went well.
    pub(crate) fn finished(&self) {
        let seconds = self.started.elapsed().as_secs_f32();
        self.print(&format!("\n{} in {seconds:.1} s", self.paint("1;32", "== done")));
    }

    /// What went wrong, to standard error.
    pub(crate) fn failed(&self, sentence: impl Display) {
        let _ = writeln!(io::stderr(), "\n{}", self.paint("1;31", &format!("!! {sentence}")));
    }

    /// The end of a log, to standard error.
    pub(crate) fn evidence(&self, what: impl Display, log: &str) {
        self.failed(format_args!("the last lines of {what}:"));
        for line in log.lines() {
            let _ = writeln!(io::stderr(), "   {line}");
        }
    }

    /// Waits for something, and says so every ten seconds.
    pub(crate) async fn patiently<T>(&self, what: &str, usually: &str, wait: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let mut wait = std::pin::pin!(wait);
        loop {
            if let Ok(done) = tokio::time::timeout(HEARTBEAT, &mut wait).await {
                return done;
            }
            let seconds = started.elapsed().as_secs();
            self.say(format!("still waiting for {what}: {seconds} s, usually {usually}"));
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn print(&self, text: &str) {
        // A closed standard output is no reason to leave processes behind.
        let _ = writeln!(self.screen.lock(), "{text}");
    }
}
