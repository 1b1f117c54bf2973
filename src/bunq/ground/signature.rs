//! Keys and signatures: RSA PKCS#1 v1.5 with SHA-256 over exact body bytes (`bunq-api §3`).

use std::fmt;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa,
    signature::{self, KeyPair as _, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use thiserror::Error;
use zeroize::Zeroizing;

const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";

/// A key that cannot be made or read. Never says more: the input is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The random source or the library failed.
    #[error("generate an RSA key")]
    Generate,
    /// The library cannot write the key down.
    #[error("encode the RSA key")]
    Encode,
    /// Not one PEM block of the right kind.
    #[error("read the key: not a PEM block of the expected kind")]
    Pem,
    /// The block holds no RSA key of at least 2048 bits.
    #[error("read the key: not an RSA key of at least 2048 bits")]
    Rsa,
    /// The library failed to sign.
    #[error("sign with the RSA key")]
    Sign,
}

/// Why a server signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// Not standard base64.
    #[error("the signature is not base64")]
    Encoding,
    /// It belongs to other bytes or another key.
    #[error("the signature does not match")]
    Mismatch,
}

/// The installation's RSA key pair. The library wipes the private numbers when it is dropped.
pub struct KeyPair(rsa::KeyPair);

impl KeyPair {
    /// A new RSA key of 2048 bits. Takes up to a second: call it on a blocking thread.
    pub fn generate() -> Result<Self, KeyError> {
        rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map(Self).map_err(|_| KeyError::Generate)
    }

    /// Reads what [`KeyPair::to_pkcs8_pem`] wrote.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, KeyError> {
        let der = decode_pem(pem, PRIVATE)?;
        rsa::KeyPair::from_pkcs8(&der).map(Self).map_err(|_| KeyError::Rsa)
    }

    /// The private key as PKCS#8 PEM, wiped on drop.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let der: Pkcs8V1Der<'static> = self.0.as_der().map_err(|_| KeyError::Encode)?;
        Ok(encode_pem(der.as_ref(), PRIVATE))
    }

    /// The public key as SPKI PEM, as `installation` wants it (`bunq-api §2`).
    pub fn public_spki_pem(&self) -> Result<String, KeyError> {
        let der: PublicKeyX509Der<'static> = self.0.public_key().as_der().map_err(|_| KeyError::Encode)?;
        Ok(encode_pem(der.as_ref(), PUBLIC).to_string())
    }

    /// The signature of these bytes in base64.
    pub fn sign(&self, bytes: &[u8]) -> Result<String, KeyError> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature)
            .map_err(|_| KeyError::Sign)?;
        Ok(STANDARD.encode(signature))
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(…)")
    }
}

/// The bank's public key, learnt from the installation and fixed from then on (`H07`).
#[derive(Clone, PartialEq, Eq)]
pub struct ServerKey {
    pem: String,
    der: Vec<u8>,
}

impl ServerKey {
    /// Reads an SPKI PEM block.
    pub fn from_spki_pem(pem: &str) -> Result<Self, KeyError> {
        let der = decode_pem(pem, PUBLIC)?.to_vec();
        let key = rsa::PublicKey::from_der(&der).map_err(|_| KeyError::Rsa)?;
        // A modulus of 2048 bits alone has 256 bytes; `verify` checks the exact size again.
        if key.as_ref().len() < 256 {
            return Err(KeyError::Rsa);
        }
        Ok(Self { pem: pem.to_owned(), der })
    }

    /// The PEM block as the bank sent it.
    #[must_use]
    pub fn as_pem(&self) -> &str {
        &self.pem
    }

    /// Checks a base64 signature over exactly these bytes.
    pub fn verify(&self, bytes: &[u8], signature: &str) -> Result<(), SignatureError> {
        let signature = STANDARD.decode(signature.trim()).map_err(|_| SignatureError::Encoding)?;
        UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, &self.der)
            .verify(bytes, &signature)
            .map_err(|_| SignatureError::Mismatch)
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(…)")
    }
}

fn encode_pem(der: &[u8], label: &str) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    // Room for everything, so that no partial copy is left behind by a reallocation.
    let mut pem = Zeroizing::new(String::with_capacity(body.len() + body.len() / 64 + 80));
    pem.push_str("-----BEGIN ");
    pem.push_str(label);
    pem.push_str("-----\n");
    for (index, letter) in body.char_indices() {
        if index > 0 && index % 64 == 0 {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem.push_str("\n-----END ");
    pem.push_str(label);
    pem.push_str("-----\n");
    pem
}

/// Exactly one block; the lines may be of any length (`bunq-api §2`).
fn decode_pem(pem: &str, label: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let body = pem
        .trim()
        .strip_prefix("-----BEGIN ")
        .and_then(|rest| rest.strip_prefix(label))
        .and_then(|rest| rest.strip_prefix("-----"))
        .and_then(|rest| rest.strip_suffix("-----"))
        .and_then(|rest| rest.strip_suffix(label))
        .and_then(|rest| rest.strip_suffix("-----END "))
        .ok_or(KeyError::Pem)?;
    let mut packed = Zeroizing::new(String::with_capacity(body.len()));
    packed.extend(body.chars().filter(|c| !c.is_ascii_whitespace()));
    STANDARD.decode(packed.as_bytes()).map(Zeroizing::new).map_err(|_| KeyError::Pem)
}
