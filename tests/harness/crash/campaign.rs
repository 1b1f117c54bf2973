//! The reference run of a story, every way to cut it, and what a cut run must equal.

use std::time::Duration;

use bunq_oauth_operator::{bunq::Call, controller::KubeCall};
use serde_json::Value;

use super::{
    cut::{Cut, Point, PollCut},
    effect::Effect,
    run::{Lane, Record},
    script::Counts,
    story::Story,
};
use crate::harness::{Outcome, ensure};

/// Time that may have to pass for each cut: a creation in doubt is looked for again after a minute, and
/// a write in doubt rests; back-offs come on top.
const PATIENCE: Duration = Duration::from_mins(5);

/// Runs without cuts, before any is cut.
const REFERENCES: usize = 3;

/// How often an effect may take place more than in the run without faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tolerance {
    /// As often, exactly: whatever is created, removed, or changed at the bank.
    Exact,
    /// So many times more for each cut.
    More(usize),
    /// It changes nothing.
    Any,
}

/// An effect that is not here does not compile.
fn tolerance(effect: Effect) -> Tolerance {
    match effect {
        Effect::Kube(call) => match call {
            KubeCall::SetFinalizer
            | KubeCall::CreateOutput
            | KubeCall::DeleteLeftover
            | KubeCall::CreateContext
            | KubeCall::DeleteContext
            | KubeCall::ReadLease
            | KubeCall::CreateLease
            | KubeCall::UpdateLease => Tolerance::Exact,
            // The claim of an owner that is gone is freed and made anew, or taken over.
            KubeCall::CreateClaim | KubeCall::DeleteClaim => Tolerance::More(0),
            // Trouble and its end are told; a doubt and its end are written down.
            KubeCall::WriteStatus | KubeCall::UpdateClaim | KubeCall::PublishEvent => Tolerance::More(5),
            KubeCall::UpdateOutput | KubeCall::UpdateContext => Tolerance::More(2),
            KubeCall::ReadManifest
            | KubeCall::ReadOwner
            | KubeCall::ReadSecret
            | KubeCall::ReadContext
            | KubeCall::ListContexts
            | KubeCall::ReadClaim
            | KubeCall::ListClaims => Tolerance::Any,
        },
        Effect::Bank(call) => match call {
            Call::CreateOauthClient
            | Call::UpdateOauthClient
            | Call::CreateCallbackUrl
            | Call::UpdateCallbackUrl
            | Call::DeleteCallbackUrl => Tolerance::Exact,
            Call::CreateInstallation | Call::CreateDeviceServer | Call::CreateSession | Call::DeleteSession => {
                Tolerance::More(1)
            }
            Call::GetUser
            | Call::ListOauthClients
            | Call::GetOauthClient
            | Call::ListCallbackUrls
            | Call::ListCredentialIps => Tolerance::Any,
        },
    }
}

/// A story, and how it ends when nothing is cut.
pub struct Reference {
    story: &'static Story,
    record: Record,
}

impl Reference {
    /// Plays the story without cuts, and has it judged. It is played again and again: a pass more is a
    /// matter of chance, and what does not always happen cannot be cut.
    pub async fn play(lane: &Lane, story: &'static Story) -> Outcome<Self> {
        let mut record = lane.play(story, &[]).await?;
        for _ in 1..REFERENCES {
            let again = lane.play(story, &[]).await?;
            record.complaints.extend(again.complaints);
            let count = |effect: &Effect| again.begun.get(effect).copied().unwrap_or_default();
            record.begun.iter_mut().for_each(|(effect, begun)| *begun = count(effect).min(*begun));
        }
        ensure(record.complaints.is_empty(), || record.complaints.join("\n"))?;
        let written = record.at_rest.keys().filter(|effect| effect.is_write()).count();
        ensure(written == 0, || format!("at rest there is more than a look: {:?}", record.at_rest))?;
        Ok(Self { story, record })
    }

    /// Effects that this story has.
    pub fn effects(&self) -> impl Iterator<Item = Effect> {
        self.record.begun.keys().copied()
    }

    /// Every effect, cut in every way.
    #[must_use]
    pub fn points(&self) -> Vec<Point> {
        let counted = self.record.begun.iter();
        let places = counted.flat_map(|(effect, count)| (0..*count).map(|nth| (*effect, nth)));
        places.flat_map(|(effect, nth)| Cut::ALL.map(|cut| Point { effect, nth, cut })).collect()
    }

    /// Plays the story with these cuts. The end is the same, and so is everything that was created.
    /// Tells which cuts were really made: after the first, a second may find no effect to cut.
    pub async fn survives(&self, lane: &Lane, points: &[Point]) -> Outcome<Vec<Point>> {
        let told = points.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let record = lane.play(self.story, points).await.map_err(|error| format!("cut at {told}: {error}"))?;
        let mut broken = record.complaints.clone();
        differences("", &self.record.end, &record.end, &mut broken);
        self.count(&record, &mut broken);
        if record.at_rest != self.record.at_rest {
            broken.push(format!("at rest: {:?}", record.at_rest));
        }
        let patience = PATIENCE * u32::try_from(points.len())?;
        if record.waited > patience {
            broken.push(format!("L1: it took {:?}", record.waited));
        }
        ensure(broken.is_empty(), || format!("cut at {told}:\n  {}\n    {}", broken.join("\n  "), record.trail))?;
        Ok(record.cuts)
    }

    /// Plays the story and drops something after one poll. The end is the same, and the bank was asked for
    /// nothing twice but one step of the handshake: what was under way may have happened, and nobody heard of it.
    /// Tells whether there was such a poll.
    pub async fn survives_poll(&self, lane: &Lane, cut: PollCut) -> Outcome<bool> {
        let record = lane.play_cut_at(self.story, cut).await.map_err(|error| format!("{cut:?}: {error}"))?;
        let mut broken = record.complaints.clone();
        differences("", &self.record.end, &record.end, &mut broken);
        if record.at_rest != self.record.at_rest {
            broken.push(format!("at rest: {:?}", record.at_rest));
        }
        let about_client = |record: &Record| {
            let granted = record.granted.iter().filter(|(_, template)| template.contains("oauth-client"));
            granted.cloned().collect::<Vec<_>>()
        };
        let (found, wanted) = (about_client(&record), about_client(&self.record));
        if found != wanted {
            broken.push(format!("the bank granted {found:?}, without faults {wanted:?}"));
        }
        if record.granted.len() > self.record.granted.len() + 1 {
            broken.push(format!("the bank granted {:?}", record.granted));
        }
        if record.waited > PATIENCE {
            broken.push(format!("L1: it took {:?}", record.waited));
        }
        ensure(broken.is_empty(), || format!("{cut:?}:\n  {}\n    {}", broken.join("\n  "), record.trail))?;
        Ok(!record.was_too_short)
    }

    /// Polls of all waits when nothing is cut.
    #[must_use]
    pub fn polls(&self) -> usize {
        self.record.polls
    }

    fn count(&self, record: &Record, broken: &mut Vec<String>) {
        let times = |counts: &Counts, effect: Effect| counts.get(&effect).copied().unwrap_or_default();
        for effect in Effect::all() {
            let (wanted, found) = (times(&self.record.done, effect), times(&record.done, effect));
            let most = match tolerance(effect) {
                Tolerance::Exact => wanted,
                Tolerance::More(more) => wanted + more * record.cuts.len(),
                Tolerance::Any => continue,
            };
            let is_exact = tolerance(effect) == Tolerance::Exact;
            if found > most || (is_exact && found != wanted) {
                broken.push(format!("{effect}: {found} times, {wanted} without faults"));
            }
        }
    }
}

/// Where two ends differ.
fn differences(place: &str, wanted: &Value, found: &Value, into: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(wanted_fields), Value::Object(found_fields)) => {
            for key in wanted_fields.keys().chain(found_fields.keys().filter(|key| !wanted_fields.contains_key(*key))) {
                differences(&format!("{place}/{key}"), &wanted[key], &found[key], into);
            }
        }
        _ if wanted != found => into.push(format!("{place} is {found}, without faults {wanted}")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_name_the_place_and_both_values() {
        let mut found = Vec::new();
        differences("", &json!({"a": {"b": 1}, "c": 2}), &json!({"a": {"b": 3}, "c": 2, "d": 4}), &mut found);
        assert_eq!(found, ["/a/b is 3, without faults 1", "/d is 4, without faults null"]);
    }
}
