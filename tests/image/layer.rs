//! The one layer: a tar archive without anything of the machine that wrote it.

use std::io;

use jiff::Timestamp;
use tar::{Builder, EntryType, Header};

use super::content::{File, folders};

/// The files as a tar archive, owned by root and as old as their source.
pub(crate) fn tar(files: &[File], created: Timestamp) -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    for folder in folders(files) {
        append(&mut archive, &format!("{folder}/"), EntryType::Directory, 0o755, &[], created)?;
    }
    for File { path, mode, bytes } in files {
        append(&mut archive, path, EntryType::Regular, *mode, bytes, created)?;
    }
    archive.into_inner()
}

/// Appends one entry with a header of fixed fields.
pub(crate) fn append(
    archive: &mut Builder<Vec<u8>>,
    path: &str,
    kind: EntryType,
    mode: u32,
    bytes: &[u8],
    created: Timestamp,
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_path(path)?;
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(u64::try_from(created.as_second()).unwrap_or_default());
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    archive.append(&header, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content;

    #[test]
    fn entries_belong_to_root_and_are_as_old_as_their_source() {
        let created = Timestamp::from_second(1_700_000_000).unwrap();
        let bytes = tar(&content::of(b"program".to_vec()), created).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            assert_eq!(header.mtime().unwrap(), 1_700_000_000);
            seen.push(format!("{:o} {}", header.mode().unwrap(), entry.path().unwrap().display()));
        }
        assert_eq!(
            seen,
            [
                "755 etc/",
                "755 etc/ssl/",
                "755 etc/ssl/certs/",
                "555 bunq-oauth-operator",
                "444 etc/ssl/certs/ca-certificates.crt"
            ]
        );
    }
}
