//! What a call needs to know of the handshake before it.

use secrecy::SecretString;

use crate::bunq::ground::{KeyPair, ServerKey};

/// What an installation gives: enough for `device-server` and `session-server`.
#[derive(Debug, Clone, Copy)]
pub struct Installed<'a> {
    /// Signs.
    pub key_pair: &'a KeyPair,
    /// Verifies.
    pub server_key: &'a ServerKey,
    /// The installation token.
    pub token: &'a SecretString,
}

/// What a session gives: enough for every other call.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// Signs.
    pub key_pair: &'a KeyPair,
    /// Verifies.
    pub server_key: &'a ServerKey,
    /// The session token.
    pub session_token: &'a SecretString,
    /// In front of every path.
    pub user_id: u64,
}
