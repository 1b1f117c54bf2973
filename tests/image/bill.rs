//! The bill of materials: every crate that is in the program, as `CycloneDX`.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    process::Command,
};

use serde_json::{Value, json};

use super::{Outcome, Subject, blob::sha256, content::File};

const TARGET: &str = "x86_64-unknown-linux-musl";

/// A crate, and what it uses.
#[derive(Debug, Default, PartialEq)]
struct Crate {
    license: String,
    uses: BTreeSet<String>,
}

/// The bill of the image that holds these files.
pub(crate) fn of(subject: &Subject, files: &[File]) -> Outcome<Value> {
    let crates = read_tree(&tree(subject.name)?)?;
    let lock = fs::read_to_string("Cargo.lock").map_err(|error| format!("read Cargo.lock: {error}"))?;
    let checksums = read_checksums(&lock);
    let own = reference(&format!("{}@{}", subject.name, subject.version));
    let mut components = Vec::new();
    for (id, found) in &crates {
        if reference(id) != own {
            components.push(component(id, &found.license, checksums.get(id)));
        }
    }
    let authorities = authorities(&lock)?;
    components.push(component(&authorities, "CDLA-Permissive-2.0", checksums.get(&authorities)));
    components.push(json!({
        "type": "library",
        "name": "rust-std",
        "version": rust_version()?,
        "description": format!("Rust's standard library for {TARGET}, with the musl C library that it brings"),
        "licenses": [{"expression": "(MIT OR Apache-2.0) AND MIT"}],
    }));
    let dependencies: Vec<Value> = crates
        .iter()
        .map(|(id, found)| {
            let uses: Vec<String> = found.uses.iter().map(|used| reference(used)).collect();
            json!({"ref": reference(id), "dependsOn": uses})
        })
        .collect();
    let program: Vec<Value> =
        files.iter().take(1).map(|file| json!({"alg": "SHA-256", "content": sha256(&file.bytes)})).collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": subject.created.to_string(),
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": subject.name,
                "version": subject.version,
                "purl": own,
                "hashes": program,
                "licenses": [{"expression": env!("CARGO_PKG_LICENSE")}],
            },
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

fn reference(id: &str) -> String {
    format!("pkg:cargo/{id}")
}

fn component(id: &str, license: &str, checksum: Option<&String>) -> Value {
    let (name, version) = id.split_once('@').unwrap_or((id, ""));
    let hashes: Vec<Value> = checksum.iter().map(|checksum| json!({"alg": "SHA-256", "content": checksum})).collect();
    json!({
        "type": "library",
        "bom-ref": reference(id),
        "name": name,
        "version": version,
        "purl": reference(id),
        "hashes": hashes,
        // Older crates write a slash.
        "licenses": [{"expression": license.replace('/', " OR ")}],
    })
}

/// What is linked into the program: no build scripts, no macros, no tests.
fn tree(package: &str) -> Outcome<String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--package", package, "--edges", "normal,no-proc-macro", "--target", TARGET])
        .args(["--prefix", "depth", "--format", "\t{p}\t{l}\t"])
        .output()
        .map_err(|error| format!("run cargo tree: {error}"))?;
    if !tree.status.success() {
        return Err(format!("cargo tree: {}", String::from_utf8_lossy(&tree.stderr).trim()).into());
    }
    Ok(String::from_utf8(tree.stdout)?)
}

/// Reads lines of depth, name and version, and license. A crate that was shown before comes again
/// without what it uses.
fn read_tree(tree: &str) -> Outcome<BTreeMap<String, Crate>> {
    let mut crates: BTreeMap<String, Crate> = BTreeMap::new();
    let mut above: Vec<String> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut fields = line.split('\t');
        let (Some(depth), Some(package), Some(license)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(format!("cargo tree says {line:?}").into());
        };
        let mut words = package.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next().and_then(|word| word.strip_prefix('v'))) else {
            return Err(format!("cargo tree names {package:?}").into());
        };
        let id = format!("{name}@{version}");
        above.truncate(depth.parse()?);
        if let Some(user) = above.last().and_then(|user| crates.get_mut(user)) {
            user.uses.insert(id.clone());
        }
        license.clone_into(&mut crates.entry(id.clone()).or_default().license);
        above.push(id);
    }
    Ok(crates)
}

/// The checksums of the lock file, by name and version.
fn read_checksums(lock: &str) -> BTreeMap<String, String> {
    let mut checksums = BTreeMap::new();
    for package in lock.split("[[package]]") {
        if let (Some(id), Some(checksum)) = (locked(package), field(package, "checksum")) {
            checksums.insert(id, checksum.to_owned());
        }
    }
    checksums
}

fn locked(package: &str) -> Option<String> {
    Some(format!("{}@{}", field(package, "name")?, field(package, "version")?))
}

fn field<'a>(package: &'a str, name: &str) -> Option<&'a str> {
    package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \"")?.strip_suffix('"'))
}

/// The crate that the certificate authorities come from.
fn authorities(lock: &str) -> Outcome<String> {
    let found = lock.split("[[package]]").find(|package| field(package, "name") == Some("webpki-root-certs"));
    Ok(found.and_then(locked).ok_or("Cargo.lock does not name webpki-root-certs")?)
}

fn rust_version() -> Outcome<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("--version").output().map_err(|error| format!("run rustc: {error}"))?;
    let said = String::from_utf8(said.stdout)?;
    Ok(said.split(' ').nth(1).ok_or("rustc does not say its version")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_with_who_uses_whom() {
        let tree = "0\ta v1.0.0 (/src)\tMIT\t\n1\tb v2.0.0\tApache-2.0\t\n2\tc v3.0.0\tISC\t\n1\tc v3.0.0\tISC\t (*)\n";
        let crates = read_tree(tree).unwrap();
        let uses = |id: &str| crates[id].uses.iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(uses("a@1.0.0"), ["b@2.0.0", "c@3.0.0"]);
        assert_eq!(uses("b@2.0.0"), ["c@3.0.0"]);
        assert_eq!(uses("c@3.0.0"), [""; 0]);
        assert_eq!(crates["c@3.0.0"].license, "ISC");
        assert!(read_tree("0\tnameless\tMIT\t").is_err());
    }

    #[test]
    fn a_checksum_is_that_of_name_and_version() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\nchecksum = \"ff\"\n";
        let checksums = read_checksums(lock);
        assert_eq!(checksums.len(), 1);
        assert_eq!(checksums["b@2.0.0"], "ff");
    }

    #[test]
    fn a_component_says_name_version_license_and_checksum() {
        let shown = component("b@2.0.0", "MIT/Apache-2.0", Some(&"ff".to_owned()));
        assert_eq!(shown["purl"], "pkg:cargo/b@2.0.0");
        assert_eq!(shown["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(shown["hashes"][0]["content"], "ff");
    }
}
