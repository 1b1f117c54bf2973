//! Looks for secrets where none may be, in every form they could take.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use serde_json::Value;

use super::outcome::{Outcome, ensure};

/// Shorter texts occur by chance.
const SHORTEST: usize = 12;

/// How many bytes tell almost everywhere that nothing begins there, and how many places the table of them has.
const FEW: usize = 4;
const SLOTS: usize = 1 << 22;

/// A secret that was found: where, and in which form; never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// The file.
    pub path: PathBuf,
    /// `raw`, `JSON`, `base64`, `URL-encoded`, `hex` or `first characters`.
    pub form: &'static str,
    /// The first characters of the line before the secret.
    pub place: String,
}

/// Every leak of one of the `secrets` into a file under `folder`, and how many files there were.
pub fn scan(folder: &Path, secrets: &[String]) -> Outcome<(usize, Vec<Leak>)> {
    let needles: Vec<Forms> = secrets.iter().filter(|it| it.len() >= SHORTEST).map(|it| forms(it)).collect();
    look_for(folder, &needles)
}

/// What a secret looks like, and what that is called.
type Forms = Vec<(&'static str, String)>;

/// Thousands of secrets in many forms, in tens of megabytes: each place is looked at once, and what begins there
/// is looked up by as many bytes as the shortest needle has, if any needle may begin like this.
fn look_for(folder: &Path, needles: &[Forms]) -> Outcome<(usize, Vec<Leak>)> {
    let width = needles.iter().flatten().map(|(_, needle)| needle.len()).min().unwrap_or(FEW);
    ensure(width >= FEW, || format!("a form of a secret has {width} bytes"))?;
    let mut by_start: HashMap<&[u8], Vec<(&'static str, &str)>> = HashMap::new();
    let mut begins = vec![false; SLOTS];
    for (form, needle) in needles.iter().flatten() {
        by_start.entry(&needle.as_bytes()[..width]).or_default().push((form, needle));
        begins[slot(needle.as_bytes())] = true;
    }
    let mut leaks = Vec::new();
    let files = files_under(folder)?;
    for path in &files {
        let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
        let mut found = BTreeSet::new();
        for (at, start) in text.as_bytes().windows(width).enumerate() {
            if !begins[slot(start)] {
                continue;
            }
            let Some(candidates) = by_start.get(start) else { continue };
            for (form, needle) in candidates {
                if text.as_bytes()[at..].starts_with(needle.as_bytes()) && found.insert(*needle) {
                    leaks.push(Leak { path: path.clone(), form, place: before(&text, at) });
                }
            }
        }
        if let Some(at) = text.find("PRIVATE KEY-----") {
            leaks.push(Leak { path: path.clone(), form: "raw", place: before(&text, at) });
        }
    }
    Ok((files.len(), leaks))
}

/// Where the first bytes belong in a table.
fn slot(bytes: &[u8]) -> usize {
    let first = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    // Its upper bits depend on all of them.
    (first.wrapping_mul(0x9E37_79B1) >> 10) as usize
}

/// The same, and the first eight characters of a secret count as one, too: for few files, in which
/// they do not occur by chance.
pub fn scan_closely(folder: &Path, secrets: &[String]) -> Outcome<(usize, Vec<Leak>)> {
    let prefixes = secrets.iter().filter(|it| it.len() >= SHORTEST).filter_map(|it| prefix(it));
    let (_, mut leaks) = look_for(folder, &prefixes.map(|it| vec![("first characters", it)]).collect::<Vec<_>>())?;
    let (files, more) = scan(folder, secrets)?;
    leaks.extend(more);
    Ok((files, leaks))
}

/// What is a secret's own among its first characters: keys of the sandbox and tokens of Kubernetes begin
/// alike.
fn prefix(secret: &str) -> Option<String> {
    let own = secret.strip_prefix("sandbox_").unwrap_or(secret);
    let own = own.rsplit_once('.').map_or(own, |(_, signature)| signature);
    own.get(..8).map(str::to_owned)
}

/// The line up to the leak, at most 200 characters of it.
fn before(text: &str, at: usize) -> String {
    let line = text[..at].rsplit('\n').next().unwrap_or_default();
    line.chars().take(200).collect()
}

/// All files of a folder and of the folders in it.
fn files_under(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_under(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// How a secret could be written.
fn forms(secret: &str) -> Forms {
    let mut forms = vec![("raw", secret.to_owned()), ("JSON", json_escaped(secret))];
    for encoded in base64_cores(secret) {
        forms.push(("base64", encoded.replace('+', "-").replace('/', "_")));
        forms.push(("base64", encoded));
    }
    let url: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    forms.push(("URL-encoded", url));
    let mut every = String::new();
    let mut hex = String::new();
    for byte in secret.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(every, "%{byte:02X}");
        let _ = write!(hex, "{byte:02x}");
    }
    forms.push(("URL-encoded", every));
    forms.push(("hex", hex.to_uppercase()));
    forms.push(("hex", hex));
    let mut seen = BTreeSet::new();
    forms.retain(|(_, form)| seen.insert(form.clone()));
    forms
}

/// As it stands inside of a JSON string.
fn json_escaped(secret: &str) -> String {
    Value::from(secret).to_string().trim_matches('"').to_owned()
}

/// The part of its base64 that does not depend on what stands around it, at each of the three
/// places where a secret can begin.
fn base64_cores(secret: &str) -> Vec<String> {
    let core = |shift: usize| {
        let bytes = [&b"\0\0"[..shift], secret.as_bytes()].concat();
        let whole = bytes.len() / 3 * 3;
        let encoded = STANDARD_NO_PAD.encode(&bytes[..whole]);
        // The first four characters hold what stands before it.
        encoded[if shift == 0 { 0 } else { 4 }..].to_owned()
    };
    (0..3).map(core).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "sandbox_c0ffee+c0ffee/c0ffee";

    fn found_in(text: &str) -> Option<&'static str> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner/log"), text).unwrap();
        let (files, leaks) = scan(folder.path(), &[SECRET.to_owned()]).unwrap();
        assert_eq!(files, 1);
        leaks.first().map(|leak| leak.form)
    }

    #[test]
    fn a_secret_is_found_in_each_of_its_forms() {
        use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
        let hex = SECRET.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        assert_eq!(found_in(&format!("a line\nkey={SECRET} refused")), Some("raw"));
        assert_eq!(found_in("sandbox_c0ffee%2Bc0ffee%2Fc0ffee"), Some("URL-encoded"));
        assert_eq!(found_in(&hex), Some("hex"));
        for before in ["", "x", "xy", "xyz"] {
            let text = format!("{before}{SECRET}\n");
            assert_eq!(found_in(&STANDARD.encode(&text)), Some("base64"), "{before:?}");
            assert_eq!(found_in(&URL_SAFE_NO_PAD.encode(&text)), Some("base64"), "{before:?}");
        }
        assert_eq!(found_in("-----BEGIN PRIVATE KEY-----"), Some("raw"));
        assert_eq!(found_in("sandbox_ is how such keys begin"), None);
        let odd = "a \"quoted\" pass\\word".to_owned();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("log"), serde_json::json!({"key": odd}).to_string()).unwrap();
        let leaks = scan(folder.path(), &[odd]).unwrap().1;
        assert_eq!(leaks.first().map(|leak| leak.form), Some("JSON"));
    }

    #[test]
    fn the_first_characters_of_a_secret_are_found_but_not_what_all_have_in_common() {
        let secrets = [SECRET.to_owned(), "eyJhbGciOi.eyJpc3MiOi.s1gnatureOfIt".to_owned()];
        let found = |text: &str| {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("log"), text).unwrap();
            scan_closely(folder.path(), &secrets).unwrap().1.len()
        };
        assert_eq!(found("sandbox_ and eyJhbGciOi.eyJpc3MiOi"), 0);
        assert_eq!(found("key c0ffee+c…"), 1);
        assert_eq!(found("token s1gnatur…"), 1);
    }
}
