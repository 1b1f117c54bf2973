//! Texts from outside, made fit for people's eyes: untrusted, short, without secrets (`H05`).

/// Longest text that is kept, in characters.
pub(crate) const LONGEST: usize = 256;
const MASK: &str = "[redacted]";
/// bunq's tokens, keys and secrets are runs of 64 (keys: 56) hex digits (`bunq-api §1`, §2, §5).
const SHORTEST_TOKEN: usize = 32;

/// One line without control characters, without the given secrets and without anything that
/// looks like one, at most [`LONGEST`] characters.
pub(crate) fn sanitise(text: &str, secrets: &[&str]) -> String {
    let mut clean = one_line(text);
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        clean = clean.replace(secret, MASK);
    }
    truncate(&mask_tokens(&clean))
}

/// An id from a header: what a UUID or a similar token may hold, at most 64 characters.
pub(crate) fn identifier(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).take(64).collect()
}

/// Every invisible character becomes a space: removing them could put a split secret together.
fn one_line(text: &str) -> String {
    // Far more than is ever shown, so that a huge text costs little.
    text.chars().take(16 * LONGEST).map(|c| if is_invisible(c) { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Control characters and Unicode's format characters, which can reorder or hide text.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

fn mask_tokens(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars() {
        if c.is_ascii_hexdigit() {
            run.push(c);
        } else {
            flush(&mut run, &mut masked);
            masked.push(c);
        }
    }
    flush(&mut run, &mut masked);
    masked
}

fn flush(run: &mut String, masked: &mut String) {
    if run.len() >= SHORTEST_TOKEN {
        masked.push_str(MASK);
    } else {
        masked.push_str(run);
    }
    run.clear();
}

fn truncate(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}
