//! The bank's windows do not end with a process: what an earlier one may have used is kept, too (`S7`).

use std::{collections::HashMap, time::Duration};

use tokio::sync::Mutex;

use crate::{
    bunq::{Environment, LimitMode, Limiter, SESSION_WINDOW},
    clock::SharedClock,
    controller::{
        api_server::CallError,
        context::{ContextStore, Stored, stored},
    },
    times::Times,
};

/// Since when this process is at work, and whether it knows what an earlier one left of the windows.
pub(crate) struct Windows {
    mode: LimitMode,
    state: Mutex<State>,
}

struct State {
    began: Duration,
    is_followed: bool,
}

impl Windows {
    pub(crate) fn new(mode: LimitMode, began: Duration) -> Self {
        Self { mode, state: Mutex::new(State { began, is_followed: false }) }
    }

    /// Another process was at work until now.
    pub(crate) async fn begin(&self, now: Duration) {
        *self.state.lock().await = State { began: now, is_followed: false };
    }

    /// Once, before the first call to the bank. Where there is a context an earlier process was at work, and
    /// may have made any call until this one began.
    pub(crate) async fn follow(
        &self,
        contexts: &ContextStore,
        limiter: &Limiter,
        clock: &SharedClock,
    ) -> Result<(), CallError> {
        match self.mode {
            LimitMode::Off => Ok(()),
            LimitMode::Bunq => {
                let mut state = self.state.lock().await;
                if !state.is_followed {
                    follow(state.began, contexts, limiter, clock).await?;
                    state.is_followed = true;
                }
                Ok(())
            }
        }
    }
}

async fn follow(
    began: Duration,
    contexts: &ContextStore,
    limiter: &Limiter,
    clock: &SharedClock,
) -> Result<(), CallError> {
    let mut next_sessions = HashMap::new();
    let mut pages = contexts.all();
    while let Some(page) = pages.next().await? {
        for secret in page {
            // One that cannot be read tells nothing, as one without a session.
            let mut found = stored::from_secret(&secret).unwrap_or_default();
            // No stored time makes anybody wait longer: a clock may have been wrong when it was written.
            found.correct(&mut Times::read_at(clock.now()));
            let next_session = next_session_after(&found, began, clock);
            let last = next_sessions.entry(stored::environment(&secret)).or_insert(next_session);
            *last = next_session.max(*last);
        }
    }
    for environment in Environment::ALL {
        if let Some(next_session) = next_sessions.get(&Some(environment)) {
            limiter.follow(environment, began, *next_session);
        }
    }
    Ok(())
}

/// When the next session may be opened as far as this context tells. Before a session is opened the
/// context shows none that lives, so one that shows none may have been opened right before this
/// process began.
fn next_session_after(stored: &Stored, began: Duration, clock: &SharedClock) -> Duration {
    let now = clock.now();
    let known = stored.context.session_at(now).and(stored.context.last_session_at);
    known.map_or(began + SESSION_WINDOW, |opened| {
        let age = now.duration_since(opened).unsigned_abs();
        clock.monotonic() + SESSION_WINDOW.saturating_sub(age)
    })
}
