//! Users and their API keys (`bunq-api §1`, `§2`).

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Bank, IpStatus, PermittedIp, random_hex};
use crate::sandbox::{
    behaviour::SessionUser,
    reply::{Ask, Outcome, Refusal, Reply},
};

/// A bunq user.
#[derive(Debug, Clone)]
pub struct Account {
    /// The number in every path.
    pub id: u64,
    /// Shown in the user object.
    pub name: String,
}

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// Never used; it dies at [`Key::dies`].
    PendingFirstUse,
    /// In use, and bound to addresses.
    Active,
    /// Revoked in the app.
    Revoked,
}

/// An API key, which the bank calls a `CredentialPasswordIp`.
#[derive(Clone)]
pub struct Key {
    /// Its number.
    pub id: u64,
    /// Its user.
    pub user: u64,
    /// The key itself.
    pub secret: String,
    /// Where it stands.
    pub status: KeyStatus,
    /// When it dies if it is not used.
    pub dies: Timestamp,
    /// The addresses it is bound to.
    pub ips: Vec<PermittedIp>,
    /// Set for an OAuth access token: the `UserApiKey` of its sessions.
    pub access_token_of: Option<AccessToken>,
    /// When it was made.
    pub created: Timestamp,
}

/// What an access token stands for.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The number of the `UserApiKey`.
    pub id: u64,
    /// The user who registered the OAuth client.
    pub requested_by: u64,
    /// The user who consented.
    pub granted_by: u64,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("user", &self.user)
            .field("status", &self.status)
            .field("dies", &self.dies)
            .field("ips", &self.ips)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// Whether calls from this address are allowed.
    #[must_use]
    pub fn permits(&self, caller: Ipv4Addr) -> bool {
        let caller = caller.to_string();
        self.ips.iter().any(|it| it.status == IpStatus::Active && (it.ip == "*" || it.ip == caller))
    }
}

impl Bank {
    /// A new user.
    pub(crate) fn add_user(&mut self) -> u64 {
        let id = self.next_id();
        let name = format!("User {id}");
        self.users.insert(id, Account { id, name });
        id
    }

    /// A new key of a user; `sandbox_` and 56 hexadecimal digits, or 64 digits.
    pub(crate) fn add_key(&mut self, user: u64, sandbox: bool) -> String {
        let secret = if sandbox { format!("sandbox_{}", random_hex(56)) } else { random_hex(64) };
        self.add_key_with_secret(user, &secret);
        secret
    }

    pub(crate) fn add_key_with_secret(&mut self, user: u64, secret: &str) {
        let hours = if secret.starts_with("sandbox_") { 1 } else { 4 };
        let life = self.behaviour.unused_key_life.unwrap_or(hours * 3600);
        let key = Key {
            id: self.next_id(),
            user,
            secret: secret.to_owned(),
            status: KeyStatus::PendingFirstUse,
            dies: self.after(std::time::Duration::from_secs(life)),
            ips: Vec::new(),
            access_token_of: None,
            created: self.now,
        };
        self.keys.push(key);
    }

    pub(super) fn key_by_id(&self, id: u64) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The user of a key, whatever its state.
    pub(crate) fn owner_of(&self, secret: &str) -> Option<u64> {
        self.keys.iter().find(|key| key.secret == secret).map(|key| key.user)
    }

    /// The key that a secret names, if it can still be used; one refusal for all other cases.
    pub(super) fn living_key(&self, secret: &str) -> Result<usize, Refusal> {
        self.keys
            .iter()
            .position(|key| {
                let lives = match key.status {
                    KeyStatus::PendingFirstUse => self.now < key.dies,
                    KeyStatus::Active => true,
                    KeyStatus::Revoked => false,
                };
                lives && key.secret == secret
            })
            .ok_or_else(Refusal::credentials)
    }

    pub(super) fn sandbox_user(&mut self, method: &str) -> Outcome {
        if method != "POST" {
            return Err(Refusal::method_not_allowed());
        }
        let user = self.add_user();
        let key = self.add_key(user, true);
        Ok(Reply::Items(vec![json!({"ApiKey": {"api_key": key}})]))
    }

    pub(super) fn read_user(&self, ask: &Ask, session: usize) -> Outcome {
        if ask.method != "GET" {
            return Err(Refusal::method_not_allowed());
        }
        Ok(Reply::Items(vec![self.user_object(session)]))
    }

    /// The user object of a session: `{"UserPerson": {…}}` and its siblings.
    pub(super) fn user_object(&self, session: usize) -> Value {
        let session = &self.sessions[session];
        let token = self.key_by_id(session.key).and_then(|key| key.access_token_of.clone());
        if let Some(token) = token {
            return self.user_api_key(token.id, token.requested_by, token.granted_by);
        }
        let user = session.user;
        match self.behaviour.session_user {
            SessionUser::UserPerson => json!({"UserPerson": self.profile(user)}),
            SessionUser::UserCompany => json!({"UserCompany": self.profile(user)}),
            SessionUser::UserPaymentServiceProvider => {
                json!({"UserPaymentServiceProvider": self.profile(user)})
            }
            SessionUser::UserApiKey => self.user_api_key(user, user, user),
        }
    }

    /// The anchored users have no `id` (`§2`).
    fn user_api_key(&self, id: u64, requested_by: u64, granted_by: u64) -> Value {
        let anchored = |user| {
            let mut profile = self.profile(user);
            if let Some(fields) = profile.as_object_mut() {
                fields.remove("id");
            }
            profile
        };
        json!({"UserApiKey": {
            "id": id,
            "created": self.stamp(),
            "updated": self.stamp(),
            "requested_by_user": {"UserPerson": anchored(requested_by)},
            "granted_by_user": {"UserPerson": anchored(granted_by)},
        }})
    }

    fn profile(&self, user: u64) -> Value {
        let name = self.users.get(&user).map(|it| it.name.clone());
        let mut profile = json!({
            "id": user,
            "created": self.stamp(),
            "updated": self.stamp(),
            "status": "ACTIVE",
            "display_name": name,
            "public_nick_name": name,
        });
        if let Some(seconds) = self.behaviour.session_timeout {
            profile["session_timeout"] = json!(seconds);
        }
        profile
    }

    pub(super) fn monetary_accounts(ask: &Ask, user: u64) -> Outcome {
        if ask.method != "GET" {
            return Err(Refusal::method_not_allowed());
        }
        let account = json!({"MonetaryAccountBank": {
            "id": user + 1,
            "status": "ACTIVE",
            "currency": "EUR",
            "description": "bunq account",
        }});
        Ok(Reply::Items(vec![account]))
    }
}
