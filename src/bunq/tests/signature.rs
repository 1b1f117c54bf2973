use base64::{Engine, engine::general_purpose::STANDARD};
use rsa::{
    Pkcs1v15Sign, RsaPublicKey,
    pkcs8::{DecodePrivateKey, DecodePublicKey},
    sha2::{Digest, Sha256},
};

use super::{client_keys, server_key, server_keys};
use crate::bunq::{KeyError, KeyPair, ServerKey, SignatureError};

// Made by OpenSSL, so that neither library judges itself.
const PRIVATE: &str = include_str!("known_private.pem");
const PUBLIC: &str = include_str!("known_public.pem");
const SIGNATURE: &str = include_str!("known_signature.txt");
const BODY: &[u8] = br#"{"Response":[{"Id":{"id":42}}],"note":"a\/b"}"#;

#[test]
fn a_signature_is_the_one_that_openssl_makes() {
    let keys = KeyPair::from_pkcs8_pem(PRIVATE).unwrap();
    assert_eq!(keys.sign(BODY).unwrap(), SIGNATURE.trim());
    assert_eq!(keys.public_spki_pem().unwrap(), PUBLIC);
}

#[test]
fn a_signature_of_openssl_verifies_over_the_exact_bytes_only() {
    let key = ServerKey::from_spki_pem(PUBLIC).unwrap();
    assert_eq!(key.verify(BODY, SIGNATURE), Ok(()));
    // What a JSON library makes of the same body (`bunq-api §3`).
    let value: serde_json::Value = serde_json::from_slice(BODY).unwrap();
    let rewritten = serde_json::to_vec(&value).unwrap();
    let wrong = Err(SignatureError::Mismatch);
    assert_eq!(key.verify(&rewritten, SIGNATURE), wrong);
    for index in [0, BODY.len() / 2, BODY.len() - 1] {
        let mut changed = BODY.to_vec();
        changed[index] ^= 1;
        assert_eq!(key.verify(&changed, SIGNATURE), wrong);
    }
    assert_eq!(key.verify(b"", SIGNATURE), wrong);
    assert_eq!(server_key().verify(BODY, SIGNATURE), wrong);
    assert_eq!(key.verify(BODY, "no base64!"), Err(SignatureError::Encoding));
    assert_eq!(key.verify(BODY, ""), wrong);
}

#[test]
fn another_library_agrees_with_fresh_keys() {
    let keys = client_keys();
    let body = b"\x00\xff any bytes";
    let signature = STANDARD.decode(keys.sign(body).unwrap()).unwrap();
    let public = RsaPublicKey::from_public_key_pem(&keys.public_spki_pem().unwrap()).unwrap();
    public.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(body), &signature).unwrap();

    let private = rsa::RsaPrivateKey::from_pkcs8_pem(&server_keys().to_pkcs8_pem().unwrap()).unwrap();
    let signature = private.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(body)).unwrap();
    assert_eq!(server_key().verify(body, &STANDARD.encode(signature)), Ok(()));
}

#[test]
fn a_key_pair_survives_being_stored() {
    let keys = client_keys();
    let stored = keys.to_pkcs8_pem().unwrap();
    assert!(stored.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(stored.lines().all(|line| line.len() <= 64));
    let read = KeyPair::from_pkcs8_pem(&stored).unwrap();
    assert_eq!(read.sign(BODY).unwrap(), keys.sign(BODY).unwrap());
}

#[test]
fn a_public_key_may_stand_on_one_line_and_end_without_a_newline() {
    let body: String = PUBLIC.lines().filter(|l| !l.starts_with('-')).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----");
    let key = ServerKey::from_spki_pem(&pem).unwrap();
    assert_eq!(key.verify(BODY, SIGNATURE), Ok(()));
    assert_eq!(key.as_pem(), pem);
}

#[test]
fn what_is_not_an_rsa_key_of_2048_bits_is_refused() {
    let server = |pem: &str| ServerKey::from_spki_pem(pem).map(|_| ());
    assert_eq!(server(""), Err(KeyError::Pem));
    assert_eq!(server("nonsense"), Err(KeyError::Pem));
    assert_eq!(server(PRIVATE), Err(KeyError::Pem));
    assert_eq!(server(&format!("{PUBLIC}{PUBLIC}")), Err(KeyError::Pem));
    assert_eq!(server(include_str!("short_public.pem")), Err(KeyError::Rsa));
    assert_eq!(server(include_str!("elliptic_public.pem")), Err(KeyError::Rsa));
    let cut = PUBLIC.replace("MIIB", "");
    assert!(server(&cut).is_err());
    let private = |pem: &str| KeyPair::from_pkcs8_pem(pem).map(|_| ());
    assert_eq!(private(PUBLIC), Err(KeyError::Pem));
    assert!(private(&PRIVATE.replacen("MII", "MIJ", 1)).is_err());
}

#[test]
fn keys_do_not_show_themselves() {
    assert_eq!(format!("{:?}", client_keys()), "KeyPair(…)");
    assert_eq!(format!("{:?}", server_key()), "ServerKey(…)");
}
