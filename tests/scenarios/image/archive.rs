//! Reads an image as a container runtime does: every piece by its digest, then the layers on top of each other.

use std::{collections::BTreeMap, fmt::Write as _, fs, io::Read as _, path::Path};

use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use testbed::harness::{Outcome, ensure, ensure_eq};

/// An image, and how it wants to be run.
pub(super) struct Image {
    files: BTreeMap<String, Vec<u8>>,
    manifest: Value,
    config: Value,
}

impl Image {
    /// Reads an OCI archive that holds one image.
    pub(super) fn read(archive: &Path) -> Outcome<Self> {
        let bytes = fs::read(archive).map_err(|error| format!("read {}: {error}", archive.display()))?;
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries()? {
            let mut entry = entry?;
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            files.insert(entry.path()?.display().to_string(), content);
        }
        let mut image = Self { files, manifest: Value::Null, config: Value::Null };
        let index: Value = serde_json::from_slice(image.file("index.json")?)?;
        ensure_eq(index["manifests"].as_array().map(Vec::len), Some(1), "images in the archive")?;
        image.manifest = serde_json::from_slice(image.blob(&index["manifests"][0])?)?;
        image.config = serde_json::from_slice(image.blob(&image.manifest["config"])?)?;
        Ok(image)
    }

    /// What `docker inspect` shows as `.Config`.
    pub(super) fn config(&self) -> &Value {
        &self.config["config"]
    }

    /// Writes all layers under `root`; returns how many bytes they take.
    pub(super) fn unpack(&self, root: &Path) -> Outcome<u64> {
        let layers = self.manifest["layers"].as_array().cloned().unwrap_or_default();
        let mut size = 0;
        for (number, layer) in layers.iter().enumerate() {
            let mut bytes = Vec::new();
            GzDecoder::new(self.blob(layer)?).read_to_end(&mut bytes)?;
            let unpacked = format!("sha256:{}", hex(&bytes));
            ensure_eq(self.config["rootfs"]["diff_ids"][number].as_str(), Some(&*unpacked), "an unpacked layer")?;
            for entry in tar::Archive::new(bytes.as_slice()).entries()? {
                let entry = entry?;
                let (mode, kind) = (entry.header().mode()?, entry.header().entry_type());
                let path = entry.path()?.display().to_string();
                ensure(kind.is_file() || kind.is_dir(), || format!("{path} is neither file nor folder"))?;
                ensure_eq(mode & 0o7022, 0, &format!("bits of {path} that let others write or change the user"))?;
                size += entry.size();
            }
            tar::Archive::new(bytes.as_slice()).unpack(root)?;
        }
        Ok(size)
    }

    fn file(&self, path: &str) -> Outcome<&[u8]> {
        Ok(self.files.get(path).ok_or_else(|| format!("the archive has no {path}"))?)
    }

    fn blob(&self, descriptor: &Value) -> Outcome<&[u8]> {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        let bytes = self.file(&digest.replacen(':', "/", 1).replacen("sha256", "blobs/sha256", 1))?;
        ensure_eq(format!("sha256:{}", hex(bytes)), digest, "the digest of a piece")?;
        ensure_eq(descriptor["size"].as_u64(), Some(bytes.len() as u64), "the size of a piece")?;
        Ok(bytes)
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Writing to memory cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
