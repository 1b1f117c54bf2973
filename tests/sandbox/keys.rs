//! RSA: the bank's key, and the check of its callers' signatures (`bunq-api §3`).
//!
//! The `rsa` crate on purpose: the operator signs with another library.

use std::sync::OnceLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use rsa::{
    RsaPrivateKey, RsaPublicKey,
    pkcs1v15::{Signature, SigningKey, VerifyingKey},
    pkcs8::{DecodePublicKey, EncodePublicKey, LineEnding},
    sha2::Sha256,
    signature::{SignatureEncoding, Signer, Verifier},
    traits::PublicKeyParts,
};

/// The bank's key pair: one per process, because generating one takes a while.
pub(crate) struct ServerKey {
    signing: SigningKey<Sha256>,
    /// SPKI PEM.
    pub(crate) public_pem: String,
}

impl ServerKey {
    /// The key, made at the first call.
    pub(crate) fn shared() -> &'static Self {
        static KEY: OnceLock<ServerKey> = OnceLock::new();
        KEY.get_or_init(Self::generate)
    }

    #[expect(clippy::expect_used, reason = "2048 bits and a fresh key cannot be refused")]
    fn generate() -> Self {
        let private = RsaPrivateKey::new(&mut rand::thread_rng(), 2048).expect("generate a key");
        let public_pem = private.to_public_key().to_public_key_pem(LineEnding::LF).expect("encode a public key");
        Self { signing: SigningKey::new(private), public_pem }
    }

    /// PKCS#1 v1.5 with SHA-256 over `body`, in base64.
    pub(crate) fn sign(&self, body: &[u8]) -> String {
        STANDARD.encode(self.signing.sign(body).to_bytes())
    }
}

/// Reads a client's public key: SPKI PEM of an RSA key of at least 2048 bits. Line breaks do not
/// matter (`§2`).
pub(crate) fn parse_public_key(pem: &str) -> Option<RsaPublicKey> {
    let base64: String = pem
        .trim()
        .strip_prefix("-----BEGIN PUBLIC KEY-----")?
        .strip_suffix("-----END PUBLIC KEY-----")?
        .split_whitespace()
        .collect();
    let der = STANDARD.decode(base64).ok()?;
    RsaPublicKey::from_public_key_der(&der).ok().filter(|key| key.size() >= 256)
}

/// Whether `signature` (base64) is the key's signature of exactly these bytes.
pub(crate) fn verify(key: &RsaPublicKey, body: &[u8], signature: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(signature) else {
        return false;
    };
    Signature::try_from(bytes.as_slice())
        .is_ok_and(|signature| VerifyingKey::<Sha256>::new(key.clone()).verify(body, &signature).is_ok())
}
