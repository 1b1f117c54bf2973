//! The few fields of an object that the judges look at.

use serde_json::Value;

/// An object, read with the tolerance of the tools that judge it: what is
/// absent or of another type counts as zero or empty.
pub(super) struct View {
    pub(super) generation: i64,
    pub(super) observed_generation: Option<i64>,
    pub(super) deleting: bool,
    pub(super) conditions: Vec<Seen>,
}

/// One condition; an absent generation is 0, as in Go.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) type_: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) observed_generation: i64,
}

impl View {
    pub(super) fn of(object: &Value) -> Self {
        let conditions = object["status"]["conditions"].as_array();
        Self {
            generation: object["metadata"]["generation"].as_i64().unwrap_or(0),
            observed_generation: object["status"]["observedGeneration"].as_i64(),
            deleting: object["metadata"]["deletionTimestamp"].as_str().is_some_and(|time| !time.is_empty()),
            conditions: conditions.into_iter().flatten().map(Seen::of).collect(),
        }
    }

    pub(super) fn condition(&self, type_: &str) -> Option<&Seen> {
        self.conditions.iter().find(|seen| seen.type_ == type_)
    }

    /// Whether a condition is there with that status.
    pub(super) fn is(&self, type_: &str, status: &str) -> bool {
        self.condition(type_).is_some_and(|seen| seen.status == status)
    }

    /// The types of the conditions that `matches` picks.
    pub(super) fn types(&self, matches: impl Fn(&Seen) -> bool) -> Vec<&str> {
        self.conditions.iter().filter(|seen| matches(seen)).map(|seen| seen.type_.as_str()).collect()
    }
}

impl Seen {
    fn of(condition: &Value) -> Self {
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        Self {
            type_: text("type"),
            status: text("status"),
            reason: text("reason"),
            message: text("message"),
            observed_generation: condition["observedGeneration"].as_i64().unwrap_or(0),
        }
    }
}
