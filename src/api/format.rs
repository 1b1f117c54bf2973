//! The text formats of the resource, each as one anchored regular expression
//! that CEL (RE2 in the server) and Rust both read.
//!
//! CEL's own `isURL()` and `url()` are not used: the server and kube's CEL
//! disagree about them in 12 of 53 cases (design §2).

use std::sync::LazyLock;

use regex::Regex;

/// One label of a host name.
macro_rules! label {
    () => {
        "[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
    };
}

/// The last label of a host name: it begins with a letter, so that `127.1` and
/// other spellings of an address are none.
macro_rules! last_label {
    () => {
        "[A-Za-z]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
    };
}

/// A number from 0 to 255.
macro_rules! octet {
    () => {
        "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    };
}

/// Up to four hexadecimal digits.
macro_rules! hextet {
    () => {
        "[0-9A-Fa-f]{1,4}"
    };
}

/// An IPv6 address without an embedded IPv4 address or a zone.
macro_rules! ipv6 {
    () => {
        concat!(
            "((",
            hextet!(),
            ":){7}",
            hextet!(),
            "|(",
            hextet!(),
            ":){1,7}:",
            "|(",
            hextet!(),
            ":){1,6}:",
            hextet!(),
            "|(",
            hextet!(),
            ":){1,5}(:",
            hextet!(),
            "){2}",
            "|(",
            hextet!(),
            ":){1,4}(:",
            hextet!(),
            "){3}",
            "|(",
            hextet!(),
            ":){1,3}(:",
            hextet!(),
            "){4}",
            "|(",
            hextet!(),
            ":){1,2}(:",
            hextet!(),
            "){5}",
            "|",
            hextet!(),
            ":(:",
            hextet!(),
            "){6}",
            "|:((:",
            hextet!(),
            "){1,7}|:))"
        )
    };
}

/// `https://` and a host name or an address.
macro_rules! https {
    () => {
        concat!(
            "https://((",
            label!(),
            "\\.)*",
            last_label!(),
            "|(",
            octet!(),
            "\\.){3}",
            octet!(),
            "|\\[",
            ipv6!(),
            "\\])"
        )
    };
}

/// `http://` and the loopback host, literally.
macro_rules! http {
    () => {
        "http://(localhost|127\\.0\\.0\\.1|\\[::1\\])"
    };
}

/// A port from 1 to 65535.
macro_rules! port {
    () => {
        "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
    };
}

/// One character of a path or a query: those of RFC 3986 without the asterisk,
/// and percent-encoded bytes that are no control characters.
macro_rules! character {
    () => {
        "[-A-Za-z0-9._~!$&'()+,;=:@/]|%([2-689A-Fa-f][0-9A-Fa-f]|7[0-9A-Ea-e])"
    };
}

/// A redirect URL: https, or http on the literal loopback host.
pub const URL: &str =
    concat!("^(", https!(), "|", http!(), ")", port!(), "(/(", character!(), ")*)?(\\?(", character!(), "|\\?)*)?$");
/// The longest redirect URL, in characters.
pub const MAX_URL: usize = 2048;

/// A display name: one line, and not only white space. Spelt out because `\s`
/// means ASCII to RE2 and Unicode to Rust.
pub const DISPLAY_NAME: &str = "^[^\\x{0}-\\x{1f}\\x{7f}-\\x{9f}\\x{2028}\\x{2029}]*[^\\x{0}-\\x{20}\\x{7f}-\\x{a0}\\x{ad}\\x{1680}\\x{180e}\\x{2000}-\\x{200f}\\x{2028}-\\x{202f}\\x{205f}-\\x{206f}\\x{3000}\\x{feff}][^\\x{0}-\\x{1f}\\x{7f}-\\x{9f}\\x{2028}\\x{2029}]*$";
/// The longest display name, in characters.
pub const MAX_DISPLAY_NAME: usize = 128;

/// The name of a Secret (a DNS subdomain).
pub const OBJECT_NAME: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A key of a Secret: as the API server has it, neither `.` nor beginning
/// with `..`.
pub const SECRET_KEY: &str = "^\\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$";
/// The longest name and the longest key, in characters.
pub const MAX_NAME: usize = 253;

/// Hours, minutes and seconds in this order.
pub const INTERVAL: &str = "^([0-9]{1,2}h)?([0-9]{1,4}m)?([0-9]{1,5}s)?$";

/// The key of a label or an annotation: an optional DNS subdomain and a name.
pub const QUALIFIED_NAME: &str = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$";
/// The value of a label.
pub const LABEL_VALUE: &str = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";

/// A compiled constant of this file; that they compile is tested.
type Pattern = LazyLock<Option<Regex>>;

static URL_PATTERN: Pattern = LazyLock::new(|| Regex::new(URL).ok());
static DISPLAY_NAME_PATTERN: Pattern = LazyLock::new(|| Regex::new(DISPLAY_NAME).ok());
static OBJECT_NAME_PATTERN: Pattern = LazyLock::new(|| Regex::new(OBJECT_NAME).ok());
static SECRET_KEY_PATTERN: Pattern = LazyLock::new(|| Regex::new(SECRET_KEY).ok());
static QUALIFIED_NAME_PATTERN: Pattern = LazyLock::new(|| Regex::new(QUALIFIED_NAME).ok());
static LABEL_VALUE_PATTERN: Pattern = LazyLock::new(|| Regex::new(LABEL_VALUE).ok());

/// Whether a text is a redirect URL the operator registers.
#[must_use]
pub fn is_redirect_url(text: &str) -> bool {
    text.len() <= MAX_URL && matches(&URL_PATTERN, text)
}

/// Whether a text can be shown as the name of a client.
#[must_use]
pub fn is_display_name(text: &str) -> bool {
    text.chars().count() <= MAX_DISPLAY_NAME && matches(&DISPLAY_NAME_PATTERN, text)
}

/// Whether a text is the name of a Secret.
#[must_use]
pub fn is_object_name(text: &str) -> bool {
    text.len() <= MAX_NAME && matches(&OBJECT_NAME_PATTERN, text)
}

/// Whether a text is a key of a Secret.
#[must_use]
pub fn is_secret_key(text: &str) -> bool {
    text.len() <= MAX_NAME && matches(&SECRET_KEY_PATTERN, text)
}

/// Whether a text is the key of a label or an annotation.
#[must_use]
pub fn is_qualified_name(text: &str) -> bool {
    text.len() <= MAX_NAME + 64 && matches(&QUALIFIED_NAME_PATTERN, text)
}

/// Whether a text is the value of a label.
#[must_use]
pub fn is_label_value(text: &str) -> bool {
    text.len() <= 63 && matches(&LABEL_VALUE_PATTERN, text)
}

/// A pattern that did not compile accepts nothing.
fn matches(pattern: &Pattern, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}
