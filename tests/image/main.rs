//! Writes the operator's container image: `image-builder BINARY FOLDER`.
//!
//! The same binary and `SOURCE_DATE_EPOCH` give the same bytes: nothing else of the machine goes in.

mod bill;
mod blob;
mod content;
mod layer;
mod layout;

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use jiff::Timestamp;

use content::File;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// What a node stores of the image, unpacked.
const LARGEST: usize = 15_000_000;

/// What the image is, as the binary tells it.
struct Subject {
    name: &'static str,
    version: String,
    /// The commit, or `unknown`.
    revision: String,
    created: Timestamp,
}

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [binary, folder] = arguments.as_slice() else {
        tell(&mut std::io::stderr(), "usage: image-builder BINARY FOLDER");
        return ExitCode::from(2);
    };
    match build(binary, folder) {
        Ok(told) => {
            tell(&mut std::io::stdout(), &told);
            ExitCode::SUCCESS
        }
        Err(error) => {
            tell(&mut std::io::stderr(), &format!("build the image: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn tell(to: &mut impl std::io::Write, line: &str) {
    // A closed stream changes nothing.
    let _ = writeln!(to, "{line}");
}

/// Writes the archive, the unpacked files and the bill of materials; returns what people want to know.
fn build(binary: &Path, folder: &Path) -> Outcome<String> {
    let subject = subject(binary)?;
    let program = fs::read(binary).map_err(|error| format!("read {}: {error}", binary.display()))?;
    let files = content::of(program);
    let size: usize = files.iter().map(|file| file.bytes.len()).sum();
    if size > LARGEST {
        return Err(format!("it has {size} bytes; {LARGEST} are the most").into());
    }
    let root = folder.join("rootfs");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    fs::create_dir_all(&root)?;
    content::unpack(&files, &root)?;

    let layout = layout::Layout::of(&subject, &layer::tar(&files, subject.created)?)?;
    let archive = folder.join(format!("{}.tar", subject.name));
    fs::write(&archive, layout.archive(subject.created)?)?;
    let bill_of_materials = folder.join(format!("{}.cdx.json", subject.name));
    fs::write(&bill_of_materials, serde_json::to_vec_pretty(&bill::of(&subject, &files)?)?)?;

    let contents: Vec<String> =
        files.iter().map(|File { path, bytes, .. }| format!("  /{path}, {} bytes", bytes.len())).collect();
    Ok([
        format!("{}:{} of revision {}", subject.name, subject.version, subject.revision),
        contents.join("\n"),
        format!("archive {}, {} bytes", archive.display(), fs::metadata(&archive)?.len()),
        format!("bill of materials {}", bill_of_materials.display()),
        format!("digest {}", layout.digest()),
    ]
    .join("\n"))
}

/// Asks the binary what it is, so that the labels cannot say anything else.
fn subject(binary: &Path) -> Outcome<Subject> {
    let asked = Command::new(binary).arg("--version").output();
    let asked = asked.map_err(|error| format!("run {}: {error}", binary.display()))?;
    let said = String::from_utf8(asked.stdout)?;
    let (version, revision) = read_version(&said).ok_or_else(|| format!("--version says {said:?}"))?;
    Ok(Subject { name: "bunq-oauth-operator", version, revision, created: created()? })
}

/// `NAME 0.1.0 (0123456789ab)`.
fn read_version(said: &str) -> Option<(String, String)> {
    let (_, rest) = said.trim().split_once(' ')?;
    let (version, rest) = rest.split_once(" (")?;
    Some((version.to_owned(), rest.strip_suffix(')')?.to_owned()))
}

/// The time of the source, not of the build.
fn created() -> Outcome<Timestamp> {
    let epoch = env::var("SOURCE_DATE_EPOCH").map_err(|_| "SOURCE_DATE_EPOCH is not set")?;
    let seconds = epoch.parse().map_err(|_| format!("SOURCE_DATE_EPOCH is {epoch:?}, not seconds"))?;
    Ok(Timestamp::from_second(seconds)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_tells_release_and_revision() {
        let read = read_version("bunq-oauth-operator 0.1.0 (0123456789ab-dirty)\n").unwrap();
        assert_eq!(read, ("0.1.0".to_owned(), "0123456789ab-dirty".to_owned()));
        assert!(read_version("bunq-oauth-operator 0.1.0").is_none());
    }
}
