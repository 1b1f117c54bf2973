//! The bank's windows do not end with a process: what an earlier one may have used is kept, too (`S7`).

use std::time::Duration;

use super::{context::Operator, context_secret::Stored, error::Stop};
use crate::bunq::{Environment, LimitMode, SESSION_WINDOW};

impl Operator {
    /// Once, before the first call to the bank. Where there is a context an earlier process was at work, and
    /// may have made any call until this one began.
    pub(crate) async fn follow_earlier_process(&self) -> Result<(), Stop> {
        match self.config.limits {
            LimitMode::Off => Ok(()),
            LimitMode::Bunq => self.followed.get_or_try_init(|| self.follow()).await.copied(),
        }
    }

    async fn follow(&self) -> Result<(), Stop> {
        let contexts = self.contexts.all().await?;
        for environment in [Environment::Production, Environment::Sandbox] {
            let here = contexts.iter().filter(|(of, _)| *of == Some(environment));
            if let Some(next_session) = here.map(|(_, stored)| self.next_session_after(stored)).max() {
                self.limiter.follow(environment, self.started, next_session);
            }
        }
        Ok(())
    }

    /// When the next session may be opened as far as this context tells. Before a session is opened the
    /// context shows none that lives, so one that shows none may have been opened right before this
    /// process began.
    fn next_session_after(&self, stored: &Stored) -> Duration {
        let now = self.clock.now();
        let known = stored.context.session_at(now).and(stored.context.last_session_at);
        known.map_or(self.started + SESSION_WINDOW, |opened| {
            // No stored time makes anybody wait longer: a clock may have been wrong when it was written.
            let age = now.duration_since(opened);
            let age = if age.is_negative() { Duration::ZERO } else { age.unsigned_abs() };
            self.clock.monotonic() + SESSION_WINDOW.saturating_sub(age)
        })
    }
}
