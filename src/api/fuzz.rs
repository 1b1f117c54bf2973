//! What holds for every URL that the rules let pass, in the eyes of a URL library, which the rules
//! themselves do not use (design §2).

use std::{net::Ipv6Addr, sync::LazyLock};

use regex::Regex;
use reqwest::Url;

use super::format;

static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(format::URL).ok());

/// The target of the fuzzer.
///
/// # Panics
///
/// Where something does not hold: so the fuzzer sees it.
pub fn redirect_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert_eq!(judge(text), Ok(()), "{text:?}");
}

/// Whether the verdict on `text` is the expression's, and what passes is a URL that may be registered.
pub fn judge(text: &str) -> Result<(), String> {
    let whole = PATTERN.as_ref().and_then(|pattern| pattern.find(text));
    let fits = whole.is_some_and(|found| found.len() == text.len());
    let is_accepted = format::is_redirect_url(text);
    ensure(is_accepted == (fits && text.len() <= format::MAX_URL), "another verdict than the expression's")?;
    if is_accepted { passes(text) } else { Ok(()) }
}

fn passes(text: &str) -> Result<(), String> {
    ensure(text.len() <= 2048, "it is too long")?;
    ensure(text.bytes().all(|b| b.is_ascii_graphic()), "a space, a control character, or one beyond ASCII")?;
    ensure(!text.contains(['*', '#', '\\', '"', '<', '>']), "a character that it must not have")?;
    ensure(!decoded(text).any(|byte| byte.is_ascii_control()), "a control character in disguise")?;
    let host = host(text);
    let url = match Url::parse(text) {
        Ok(url) => url,
        // An expression cannot see whether an xn-- label decodes.
        Err(_) if host.to_ascii_lowercase().split('.').any(|label| label.starts_with("xn--")) => return Ok(()),
        Err(error) => return Err(format!("it does not parse: {error}")),
    };
    let has_user = !url.username().is_empty() || url.password().is_some();
    ensure(!has_user && url.fragment().is_none(), "user information or a fragment")?;
    let seen = url.host_str().unwrap_or_default();
    ensure(is_same_host(host, seen), &format!("the library sees the host {seen}"))?;
    match url.scheme() {
        "https" => Ok(()),
        "http" => ensure(matches!(seen, "localhost" | "127.0.0.1" | "[::1]"), "http elsewhere"),
        other => Err(format!("the scheme is {other}")),
    }
}

/// The bytes between `://` and whatever ends a host, as a person reads them.
fn host(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    match authority.find(']') {
        Some(end) => &authority[..=end],
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// Byte by byte but for upper case, and for the many ways to write an IPv6 address.
fn is_same_host(read: &str, seen: &str) -> bool {
    let address = |host: &str| host.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    read.eq_ignore_ascii_case(seen) || address(read).is_some_and(|read| address(seen) == Some(read))
}

/// The bytes that a server gets to see once it has decoded them.
fn decoded(text: &str) -> impl Iterator<Item = u8> {
    let digits = |at: &[u8]| u8::from_str_radix(std::str::from_utf8(at).ok()?, 16).ok();
    let bytes = text.as_bytes();
    (0..bytes.len()).filter_map(move |at| match bytes.get(at..at + 3) {
        Some([b'%', digits_of @ ..]) => digits(digits_of),
        _ => Some(bytes[at]),
    })
}

fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::{prelude::*, test_runner::Config};

    use super::*;

    #[test]
    fn the_fuzzers_corpus_is_judged_as_its_names_say() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/redirect_url");
        let mut counts = [0; 2];
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let data = std::fs::read(&path).unwrap();
            redirect_url(&data);
            let is_refused = name.starts_with("no-") || name.starts_with("too-");
            let text = String::from_utf8_lossy(&data);
            assert_eq!(format::is_redirect_url(&text), !is_refused, "{name}");
            counts[usize::from(is_refused)] += 1;
        }
        assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
    }

    #[test]
    fn what_the_rules_must_not_let_pass_would_be_seen() {
        for text in [
            "http://shop.example/",
            "https://me@shop.example/",
            "https://shop.example/#x",
            "https://shop.example/ ",
            "https://127.1/",
            "https://shop.example/%0a",
            "ftp://shop.example/",
            "https://b\u{fc}cher.example/",
            "https://shop.example/*",
            "https://",
        ] {
            assert!(passes(text).is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(Config { cases: 5_000, failure_persistence: None, ..Config::default() })]

        #[test]
        fn whatever_is_accepted_is_a_url_that_may_be_registered(
            scheme in "https|http|HTTPS|ftp", host in "[a-c0-9.-]{1,9}|localhost|127.0.0.1|\\[[0-9a-f:]{2,9}\\]|xn--[a-z0-9]{1,5}",
            port in "|:[0-9]{1,6}", rest in "|[/?][ -~]{0,12}|[/?](%[0-9a-f]{2}){0,3}|.{0,4}",
        ) {
            let text = format!("{scheme}://{host}{port}{rest}");
            prop_assert_eq!(judge(&text), Ok(()), "{}", text);
        }
    }
}
