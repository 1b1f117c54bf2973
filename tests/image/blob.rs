//! Pieces of the image, named by what they hold.

use std::{fmt::Write as _, io::Write as _};

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Bytes with their digest and what they are.
pub(crate) struct Blob {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
    hex: String,
}

impl Blob {
    pub(crate) fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        let hex = sha256(&bytes);
        Self { media_type, bytes, hex }
    }

    /// A document; its fields stand in the order of their names.
    pub(crate) fn json(media_type: &'static str, document: &Value) -> Self {
        Self::new(media_type, document.to_string().into_bytes())
    }

    /// How others refer to it.
    pub(crate) fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest(), "size": self.bytes.len()})
    }

    pub(crate) fn digest(&self) -> String {
        format!("sha256:{}", self.hex)
    }

    /// Where it is in the layout.
    pub(crate) fn path(&self) -> String {
        format!("blobs/sha256/{}", self.hex)
    }
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Writing to memory cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Compressed at a fixed level; no name, no time, no system in the header.
pub(crate) fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::new(9));
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_named_by_its_bytes() {
        let blob = Blob::new("text/plain", b"abc".to_vec());
        assert_eq!(blob.digest(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(blob.descriptor()["size"], 3);
    }

    #[test]
    fn nothing_of_the_machine_stands_in_the_header_of_the_compressed() {
        let packed = gzip(b"abc").unwrap();
        // Magic, method, no flags, no time, "best compression", unknown system.
        assert_eq!(packed[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
        assert_eq!(packed, gzip(b"abc").unwrap());
    }
}
