//! The files of the image: the program, and the certificate authorities that it trusts.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// One of the places where OpenSSL and rustls look.
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// A file of the image.
pub(crate) struct File {
    /// Without the slash in front.
    pub(crate) path: &'static str,
    pub(crate) mode: u32,
    pub(crate) bytes: Vec<u8>,
}

/// Everything that the image holds, by path.
pub(crate) fn of(program: Vec<u8>) -> Vec<File> {
    vec![
        File { path: "bunq-oauth-operator", mode: 0o555, bytes: program },
        File { path: CERTIFICATES, mode: 0o444, bytes: certificates().into_bytes() },
    ]
}

/// The folders above the files, each before what is in it.
pub(crate) fn folders(files: &[File]) -> Vec<&'static str> {
    let mut folders: Vec<&str> = Vec::new();
    for File { path, .. } in files {
        for (end, _) in path.match_indices('/') {
            if !folders.contains(&&path[..end]) {
                folders.push(&path[..end]);
            }
        }
    }
    folders
}

/// Writes the files under `root`.
pub(crate) fn unpack(files: &[File], root: &Path) -> io::Result<()> {
    for folder in folders(files) {
        fs::create_dir_all(root.join(folder))?;
    }
    for File { path, mode, bytes } in files {
        fs::write(root.join(path), bytes)?;
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(*mode))?;
    }
    Ok(())
}

/// The authorities as PEM, in the order of the crate.
fn certificates() -> String {
    let mut pem = String::new();
    for certificate in TLS_SERVER_ROOT_CERTS {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in STANDARD.encode(certificate).as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundle_holds_every_authority_in_lines_of_64() {
        let pem = certificates();
        assert!(TLS_SERVER_ROOT_CERTS.len() > 100);
        assert_eq!(pem.matches("-----BEGIN CERTIFICATE-----\n").count(), TLS_SERVER_ROOT_CERTS.len());
        assert!(pem.lines().all(|line| line.len() <= 64));
        let first: String = pem.lines().skip(1).take_while(|line| !line.starts_with('-')).collect();
        assert_eq!(STANDARD.decode(first).unwrap(), &**TLS_SERVER_ROOT_CERTS.first().unwrap());
    }

    #[test]
    fn a_folder_comes_before_what_is_in_it() {
        assert_eq!(folders(&of(Vec::new())), ["etc", "etc/ssl", "etc/ssl/certs"]);
    }

    #[test]
    fn what_is_unpacked_can_be_read_by_everybody_and_written_by_nobody() {
        let folder = tempfile::tempdir().unwrap();
        unpack(&of(b"program".to_vec()), folder.path()).unwrap();
        let mode = |path: &str| folder.path().join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("bunq-oauth-operator"), mode(CERTIFICATES)), (0o555, 0o444));
    }
}
