//! The API key: full access to a bank account.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::base_url::Environment;

/// An API key as somebody pasted it, without the white space around it.
#[derive(Clone)]
pub struct ApiKey(SecretString);

impl ApiKey {
    /// Trims white space; `None` when nothing is left or when it holds control characters.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        let usable = !trimmed.is_empty() && !trimmed.chars().any(char::is_control);
        usable.then(|| Self(SecretString::from(trimmed)))
    }

    /// As [`ApiKey::new`], from the bytes of a Secret.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let copy = Zeroizing::new(bytes.to_vec());
        Self::new(std::str::from_utf8(&copy).ok()?)
    }

    /// Told by the prefix: sandbox keys begin with `sandbox_`, others have none (`bunq-api §1`).
    #[must_use]
    pub fn environment(&self) -> Environment {
        if self.expose().starts_with("sandbox_") { Environment::Sandbox } else { Environment::Production }
    }

    /// The key itself, for the two calls that need it and for hashing.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    use super::*;
    use crate::bunq::{Context, KeyPair, Response};

    /// Compiles for what overwrites itself when it goes (`H06`).
    fn is_wiped<T: ZeroizeOnDrop + ?Sized>(_: Option<&T>) {}

    #[test]
    fn what_holds_a_secret_overwrites_it_when_it_goes() {
        is_wiped(Some(&ApiKey::new("key").unwrap().0));
        let context = Context::default();
        is_wiped(context.key_pair_pem.as_ref());
        is_wiped(context.installation.as_ref().map(|installation| &installation.token));
        is_wiped(context.session.as_ref().map(|session| &session.token));
        is_wiped(KeyPair::generate().unwrap().to_pkcs8_pem().ok().as_ref());
        is_wiped(None::<&Response>.map(|response| &response.body));
    }
}
