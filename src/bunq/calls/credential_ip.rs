//! Which address an API key is bound to, so that a lock-out can be explained (protocol §8).

use crate::bunq::{
    answer::{Believed, Reply},
    exchange::{Access, Attempt, Line},
    ground::{Call, Error, bank_text},
};

/// A credential's address and state; its `token_value` is never read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermittedDevice {
    /// The address as the bank writes it, or `*`.
    pub ip: String,
    /// Whether the credential is in use (`ACTIVE`).
    pub active: bool,
}

pub(crate) async fn list(line: &Line, access: &Access<'_>) -> Result<Reply<Vec<PermittedDevice>>, Error> {
    let path = format!("user/{}/credential-password-ip", access.user_id);
    let attempt = Attempt::access(Call::ListCredentialIps, path, access);
    read_devices(line.exchange(attempt).await?)
}

/// Every credential that has an address.
pub(crate) fn read_devices(answer: Believed) -> Result<Reply<Vec<PermittedDevice>>, Error> {
    let items = answer.envelope()?.items.into_iter();
    let devices = items
        .filter_map(|item| item.credential_password_ip)
        .filter_map(|credential| {
            let ip = credential.permitted_device?.ip?;
            Some(PermittedDevice {
                ip: bank_text::sanitise(&ip, &[]),
                active: credential.status.as_deref() == Some("ACTIVE"),
            })
        })
        .collect();
    Ok(answer.reply(devices))
}
