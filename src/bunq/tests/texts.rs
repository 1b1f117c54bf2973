use crate::bunq::ground::bank_text::{LONGEST, identifier, sanitise};

#[test]
fn a_text_is_cut_by_characters_and_says_so() {
    let long = "é".repeat(1000);
    let cut = sanitise(&long, &[]);
    assert_eq!(cut.chars().count(), LONGEST);
    assert!(cut.ends_with('…'));
    let fits = "é".repeat(LONGEST);
    assert_eq!(sanitise(&fits, &[]), fits);
}

#[test]
fn a_secret_at_the_cut_does_not_leave_its_head() {
    let text = format!("{}{}", "x".repeat(LONGEST - 8), "canary-of-some-length");
    let clean = sanitise(&text, &["canary-of-some-length"]);
    assert!(!clean.contains("can"), "{clean}");
}

#[test]
fn removing_invisible_characters_puts_no_secret_together() {
    for hidden in ["\0", "\u{200b}", "\u{ad}", "\u{feff}", "\n", "\u{e0041}"] {
        let clean = sanitise(&format!("can{hidden}ary"), &["canary"]);
        assert_eq!(clean, "can ary");
    }
}

#[test]
fn what_looks_like_a_token_is_masked_even_if_unknown() {
    let token = "0123456789abcdef".repeat(4);
    assert_eq!(sanitise(&format!("Token {token} is bad"), &[]), "Token [redacted] is bad");
    assert_eq!(sanitise(&format!("sandbox_{}", &token[..56]), &[]), "sandbox_[redacted]");
    let id = "3f2b8c1a-5d4e-4f60-8a7b-9c0d1e2f3a4b";
    assert_eq!(sanitise(id, &[]), id);
    assert_eq!(sanitise("dead beef cafe", &[]), "dead beef cafe");
}

#[test]
fn an_identifier_has_no_room_for_anything_else() {
    assert_eq!(identifier("0f4c-5d1e\r\nX: \u{1b}[31m"), "0f4c-5d1eX31m");
    assert_eq!(identifier(&"a".repeat(500)).len(), 64);
}
