//! The form in which claims and contexts are stored: its number, and what a newer version added to it.
//!
//! What a version does not know it carries along, so an addition needs no new number. Whatever an older version must
//! not touch without knowing it does: that one leaves the object alone.

use serde_json::Value;

/// Under this key an object tells its number; one without is of the first.
pub(crate) const KEY: &str = "format";
/// The newest that this version knows.
pub(crate) const KNOWN: u32 = 1;
/// Of a text that is no number so much is shown.
const SHOWN: usize = 20;

/// What the object says, if this version does not know it.
pub(crate) fn unknown(written: Option<&str>) -> Option<String> {
    let text = written?;
    let is_known = text.parse::<u32>().is_ok_and(|number| (1..=KNOWN).contains(&number));
    (!is_known).then(|| text.chars().take(SHOWN).collect())
}

/// `new`, with those parts of `read` that this version does not know: they are missing in `known`, which is what it made
/// of `read`.
pub(crate) fn carried(read: &Value, known: &Value, new: Value) -> Value {
    match (read, known, new) {
        (Value::Object(read), Value::Object(known), Value::Object(mut new)) => {
            for (key, part) in read {
                match (known.get(key), new.remove(key)) {
                    (None, None) => new.insert(key.clone(), part.clone()),
                    (None, Some(own)) => new.insert(key.clone(), own),
                    (Some(known), Some(own)) => new.insert(key.clone(), carried(part, known, own)),
                    // It went on purpose.
                    (Some(_), None) => None,
                };
            }
            Value::Object(new)
        }
        (Value::Array(read), Value::Array(known), Value::Array(new)) => {
            let of = |own: &Value| read.iter().zip(known).find(|(_, known)| is_same(known, own));
            let carry = |own: Value| match of(&own) {
                Some((read, known)) => carried(read, known, own),
                None => own,
            };
            Value::Array(new.into_iter().map(carry).collect())
        }
        (_, _, new) => new,
    }
}

/// Whether two entries of a list are about the same: a write is known by its target, anything else by all it says.
fn is_same(one: &Value, other: &Value) -> bool {
    let target = one.get("target");
    one == other || target.is_some() && target == other.get("target")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_numbers_up_to_ours_are_known_and_none_is_the_first() {
        assert_eq!(unknown(None), None);
        assert_eq!(unknown(Some("1")), None);
        for text in ["2", "0", "-1", "", "one"] {
            assert_eq!(unknown(Some(text)).as_deref(), Some(text));
        }
        assert_eq!(unknown(Some(&"9".repeat(100))).map(|shown| shown.len()), Some(SHOWN));
    }

    #[test]
    fn what_this_version_does_not_know_stays_where_it_was_and_what_it_knows_goes_when_it_says_so() {
        let read = json!({
            "new": 1, "gone": 2, "kept": {"new": 3, "at": 4}, "urls": ["a", "b"],
            "writes": [{"target": "a", "seen": false, "new": 5}, {"target": "b", "new": 6}],
        });
        let known = json!({
            "gone": 2, "kept": {"at": 4}, "urls": ["a", "b"],
            "writes": [{"target": "a", "seen": false}, {"target": "b"}],
        });
        let new = json!({
            "kept": {"at": 7}, "urls": ["b", "c"], "writes": [{"target": "c"}, {"target": "a", "seen": true}],
        });
        let wanted = json!({
            "new": 1, "kept": {"new": 3, "at": 7}, "urls": ["b", "c"],
            "writes": [{"target": "c"}, {"target": "a", "seen": true, "new": 5}],
        });
        assert_eq!(carried(&read, &known, new), wanted);
    }
}
