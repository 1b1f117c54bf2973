//! The image as an OCI layout, which also holds the list that older `docker load`s look for.

use jiff::Timestamp;
use serde_json::{Value, json};
use tar::{Builder, EntryType};

use super::{
    Outcome, Subject,
    blob::{Blob, gzip, sha256},
    layer::append,
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

const TITLE: &str = "bunq-oauth-operator";
const DESCRIPTION: &str = "A Kubernetes operator that keeps a bunq user's one OAuth client equal to a manifest and publishes its credentials in a Secret";

/// The pieces of the image.
pub(crate) struct Layout {
    tag: String,
    layer: Blob,
    config: Blob,
    manifest: Blob,
}

impl Layout {
    /// An image of one uncompressed layer.
    pub(crate) fn of(subject: &Subject, tar: &[u8]) -> Outcome<Self> {
        let layer = Blob::new(LAYER, gzip(tar)?);
        let labels = labels(subject);
        let config = Blob::json(
            CONFIG,
            &json!({
                "architecture": "amd64",
                "os": "linux",
                "created": subject.created.to_string(),
                "config": {
                    "User": "65532:65532",
                    "Entrypoint": [format!("/{}", subject.name)],
                    "WorkingDir": "/",
                    "ExposedPorts": {"8080/tcp": {}},
                    "Labels": labels,
                },
                "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(tar))]},
                "history": [{"created": subject.created.to_string(), "created_by": "make image"}],
            }),
        );
        let manifest = Blob::json(
            MANIFEST,
            &json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config.descriptor(),
                "layers": [layer.descriptor()],
                "annotations": labels,
            }),
        );
        Ok(Self { tag: format!("{}:{}", subject.name, subject.version), layer, config, manifest })
    }

    /// The name of the image by its content.
    pub(crate) fn digest(&self) -> String {
        self.manifest.digest()
    }

    /// The layout as one tar archive.
    pub(crate) fn archive(&self, created: Timestamp) -> std::io::Result<Vec<u8>> {
        let mut archive = Builder::new(Vec::new());
        for folder in ["blobs/", "blobs/sha256/"] {
            append(&mut archive, folder, EntryType::Directory, 0o755, &[], created)?;
        }
        let blobs = [&self.layer, &self.config, &self.manifest];
        let blobs = blobs.map(|blob| (blob.path(), blob.bytes.clone()));
        let documents = [
            ("index.json", self.index()),
            ("manifest.json", self.docker()),
            ("oci-layout", json!({"imageLayoutVersion": "1.0.0"})),
        ];
        let documents = documents.map(|(path, document)| (path.to_owned(), document.to_string().into_bytes()));
        for (path, bytes) in blobs.into_iter().chain(documents) {
            append(&mut archive, &path, EntryType::Regular, 0o644, &bytes, created)?;
        }
        archive.into_inner()
    }

    fn index(&self) -> Value {
        let mut manifest = self.manifest.descriptor();
        manifest["annotations"] = json!({
            // The first is read by skopeo and podman, the second by containerd.
            "org.opencontainers.image.ref.name": self.tag,
            "io.containerd.image.name": format!("docker.io/library/{}", self.tag),
        });
        manifest["platform"] = json!({"architecture": "amd64", "os": "linux"});
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]})
    }

    fn docker(&self) -> Value {
        json!([{"Config": self.config.path(), "RepoTags": [self.tag], "Layers": [self.layer.path()]}])
    }
}

fn labels(subject: &Subject) -> Value {
    json!({
        "org.opencontainers.image.title": TITLE,
        "org.opencontainers.image.description": DESCRIPTION,
        "org.opencontainers.image.version": subject.version,
        "org.opencontainers.image.revision": subject.revision,
        "org.opencontainers.image.created": subject.created.to_string(),
        "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read as _};

    use super::*;

    fn layout(second: i64) -> (Layout, Timestamp) {
        let created = Timestamp::from_second(second).unwrap();
        let revision = "0123456789ab".to_owned();
        let subject = Subject { name: TITLE, version: "0.1.0".to_owned(), revision, created };
        (Layout::of(&subject, b"layer").unwrap(), created)
    }

    fn unpack(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().display().to_string(), bytes)
        });
        entries.collect()
    }

    #[test]
    fn whoever_loads_it_finds_every_piece_by_its_digest() {
        let (layout, created) = layout(0);
        let files = unpack(&layout.archive(created).unwrap());
        let document = |path: &str| serde_json::from_slice::<Value>(&files[path]).unwrap();
        let blob = |descriptor: &Value| {
            let hex = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let bytes = &files[&format!("blobs/sha256/{hex}")];
            assert_eq!(sha256(bytes), hex);
            assert_eq!(descriptor["size"], bytes.len());
            bytes.clone()
        };
        let index = document("index.json");
        let manifest: Value = serde_json::from_slice(&blob(&index["manifests"][0])).unwrap();
        let config: Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", sha256(b"layer")));
        assert_eq!(config["config"]["Labels"]["org.opencontainers.image.revision"], "0123456789ab");
        let mut layer = Vec::new();
        let packed = blob(&manifest["layers"][0]);
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut layer).unwrap();
        assert_eq!(layer, b"layer");
        let docker = document("manifest.json");
        assert!(files.contains_key(docker[0]["Config"].as_str().unwrap()));
        assert!(files.contains_key(docker[0]["Layers"][0].as_str().unwrap()));
    }

    #[test]
    fn the_same_source_gives_the_same_bytes_and_another_time_other_ones() {
        let archive = |second| {
            let (layout, created) = layout(second);
            (layout.digest(), layout.archive(created).unwrap())
        };
        assert_eq!(archive(7), archive(7));
        assert_ne!(archive(7).0, archive(8).0);
    }
}
