//! SHA-256 as text: names and fingerprints of what must not be shown.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

/// Lower-case hexadecimal SHA-256.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    hash.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A hash that tells the parts apart.
pub(crate) fn hash_of(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    for part in parts {
        let part = part.as_ref();
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    sha256_hex(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_one_that_everybody_computes() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn parts_that_read_alike_when_joined_have_other_hashes() {
        assert_ne!(hash_of(["ab", "c"]), hash_of(["a", "bc"]));
        assert_ne!(hash_of(["a"]), hash_of(["a", ""]));
    }
}
