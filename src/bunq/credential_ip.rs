//! Which address an API key is bound to, so that a lock-out can be explained (protocol §8).

use super::{
    bank_text,
    call::Call,
    client::{Access, Bank, Reply},
    envelope::Believed,
    error::Error,
    exchange::Attempt,
};

/// A credential's address and state; its `token_value` is never read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermittedDevice {
    /// The address as the bank writes it, or `*`.
    pub ip: String,
    /// Whether the credential is in use (`ACTIVE`).
    pub active: bool,
}

impl Bank {
    /// The first page of the user's credentials; those without an address are left out.
    pub async fn list_credential_password_ip(&self, access: &Access<'_>) -> Result<Reply<Vec<PermittedDevice>>, Error> {
        let path = format!("user/{}/credential-password-ip", access.user_id);
        self.exchange(Attempt::access(Call::ListCredentialIps, path, access)).await?.permitted_devices()
    }
}

impl Believed {
    /// Every credential that has an address.
    pub(super) fn permitted_devices(self) -> Result<Reply<Vec<PermittedDevice>>, Error> {
        let items = self.envelope()?.items.into_iter();
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
        Ok(self.reply(devices))
    }
}
