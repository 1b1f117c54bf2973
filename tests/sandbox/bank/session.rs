//! Sessions (`bunq-api §2`).

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::{Bank, KeyStatus, random_hex};
use crate::sandbox::{
    behaviour::SecondSession,
    reply::{Ask, Outcome, Refusal, Reply, text},
};

/// What a session lives when the bank does not say: seconds.
const UNSAID_TIMEOUT: u64 = 300;

/// A session.
#[derive(Clone)]
pub struct Session {
    /// Its number.
    pub id: u64,
    /// The session token.
    pub token: String,
    /// The number in its paths: the user's, or the `UserApiKey`'s.
    pub user: u64,
    /// The key it was opened with ([`Key::id`](super::Key)).
    pub key: u64,
    /// Its installation ([`Installation::id`](super::Installation)).
    pub installation: u64,
    /// When it was opened.
    pub created: Timestamp,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// Whether it was ended earlier.
    pub ended: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("user", &self.user)
            .field("expires", &self.expires)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Whether its token still opens doors.
    #[must_use]
    pub fn lives(&self, now: Timestamp) -> bool {
        !self.ended && now < self.expires
    }
}

impl Bank {
    pub(super) fn create_session(&mut self, ask: &Ask, installation: usize) -> Outcome {
        if ask.method != "POST" {
            return Err(Refusal::method_not_allowed());
        }
        let fields = ask.object()?;
        let key = self.living_key(text(&fields, "secret").unwrap_or_default())?;
        let installation = self.installations[installation].id;
        self.check_device(key, installation)?;
        self.check_second_session(key, installation)?;

        let life = self.behaviour.session_timeout.unwrap_or(UNSAID_TIMEOUT);
        let id = self.next_id();
        let key = &self.keys[key];
        let session = Session {
            id,
            token: random_hex(64),
            user: key.access_token_of.as_ref().map_or(key.user, |it| it.id),
            key: key.id,
            installation,
            created: self.now,
            expires: self.after(Duration::from_secs(life)),
            ended: false,
        };
        let token = self.token_item(&session.token);
        self.sessions.push(session);
        let user = self.user_object(self.sessions.len() - 1);
        Ok(Reply::Items(vec![json!({"Id": {"id": id}}), token, user]))
    }

    /// A device on this installation, registered with this key, called from a permitted address.
    /// An access token may use any installation that has a device, and is bound at first use.
    fn check_device(&mut self, key: usize, installation: u64) -> Result<(), Refusal> {
        let (key_id, is_access_token) = (self.keys[key].id, self.keys[key].access_token_of.is_some());
        let registered = self
            .devices
            .iter()
            .filter(|it| it.installation == installation)
            .any(|it| is_access_token || it.key == key_id);
        if !registered {
            return Err(Refusal::credentials());
        }
        if self.keys[key].status == KeyStatus::PendingFirstUse {
            self.bind(key, &[]);
        }
        if self.keys[key].permits(self.caller) { Ok(()) } else { Err(Refusal::credentials()) }
    }

    fn check_second_session(&mut self, key: usize, installation: u64) -> Result<(), Refusal> {
        let (key, now) = (self.keys[key].id, self.now);
        let mut living =
            self.sessions.iter_mut().filter(|it| it.key == key && it.installation == installation && it.lives(now));
        match self.behaviour.second_session {
            SecondSession::KeepsOld => Ok(()),
            SecondSession::EndsOld => {
                living.for_each(|it| it.ended = true);
                Ok(())
            }
            SecondSession::Refused => match living.next() {
                Some(_) => Err(Refusal::new(400, "Authentication token already has a user session.")),
                None => Ok(()),
            },
        }
    }

    /// Ends the session of this token, if there is one.
    pub(crate) fn end_session_of(&mut self, token: Option<&str>) {
        for session in self.sessions.iter_mut().filter(|it| Some(it.token.as_str()) == token) {
            session.ended = true;
        }
    }

    pub(super) fn end_session(&mut self, ask: &Ask, session: usize) -> Outcome {
        if ask.method != "DELETE" {
            return Err(Refusal::method_not_allowed());
        }
        self.sessions[session].ended = true;
        Ok(Reply::Empty)
    }
}
