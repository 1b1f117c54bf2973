//! How long each scenario took: kept for the next reader, and the slowest are told.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How many are told.
const SLOWEST: usize = 10;

/// The scenarios that ended so far, and what each took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Arc<Mutex<Vec<(Duration, String)>>>);

impl Times {
    /// Plays, and notes how long that took.
    pub(crate) async fn of<T>(&self, name: String, play: impl Future<Output = T>) -> T {
        let since = Instant::now();
        let played = play.await;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((since.elapsed(), name));
        played
    }

    /// Writes seconds and name of each, a line each, the slowest first. Returns the first lines.
    pub(crate) fn keep(&self, file: &Path) -> io::Result<Vec<String>> {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        times.sort_by(|one, other| other.cmp(one));
        let mut lines: Vec<String> =
            times.iter().map(|(took, name)| format!("{:.2}\t{name}", took.as_secs_f64())).collect();
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, lines.join("\n") + "\n")?;
        lines.truncate(SLOWEST);
        Ok(lines)
    }
}
