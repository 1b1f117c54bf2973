//! `resyncInterval`: a length of time as people write it in manifests.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The shortest interval between two looks at the bank.
pub const SHORTEST: Duration = Duration::from_mins(5);
/// The longest interval between two looks at the bank.
pub const LONGEST: Duration = Duration::from_hours(24);

/// Hours, minutes and seconds in this order: `1h`, `90m`, `1h30m`, `300s`.
///
/// It keeps the text as written: an object that was stored under older rules
/// must still be readable, and is then refused by `validate` with a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResyncInterval(String);

/// Says that a text is not an interval between 5 minutes and 24 hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read resync interval {text:?}: it is not between 5m and 24h, written like 1h, 90m or 300s")]
pub struct InvalidInterval {
    /// The text as it stands in the manifest.
    pub text: String,
}

impl ResyncInterval {
    /// Keeps the text; [`Self::to_duration`] reads it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The length of time, between [`SHORTEST`] and [`LONGEST`].
    pub fn to_duration(&self) -> Result<Duration, InvalidInterval> {
        parse(&self.0)
            .filter(|length| (SHORTEST..=LONGEST).contains(length))
            .ok_or_else(|| InvalidInterval { text: self.0.clone() })
    }
}

impl Default for ResyncInterval {
    fn default() -> Self {
        Self::new("1h")
    }
}

impl JsonSchema for ResyncInterval {
    fn schema_name() -> Cow<'static, str> {
        "ResyncInterval".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 2, "maxLength": 16 })
    }
}

/// Digits followed by `h`, `m`, `s`, each at most once and in this order.
fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0_u64;
    for (unit, most_digits, length) in [('h', 2, 3600), ('m', 4, 60), ('s', 5, 1)] {
        let Some((digits, after)) = rest.split_once(unit) else {
            continue;
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || digits.len() > most_digits {
            return None;
        }
        seconds += digits.parse::<u64>().ok()? * length;
        rest = after;
    }
    (rest.is_empty() && !text.is_empty()).then(|| Duration::from_secs(seconds))
}
