//! A creation and its lost answers: the planner is walked through listings and times that are
//! drawn from a seed, and every announcement of a POST is held against what was really listed.

use bunq_oauth_operator::plan::{
    Action, Client, ClientStatus, Desired, DesiredStatus, Journal, Learned, Missed, Mutation, Observed, Step,
    action::News, learn, learn::listing, next,
};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::{dice::Dice, guard::ensure};

/// Passes of one walk; each ends early where a process does.
const PASSES: usize = 10;
/// More steps in one pass are a loop.
const STEPS: usize = 30;
/// Between an attempt without an answer and the second listing (protocol §2.4).
const CONFIRMED_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// What a walk came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Creations that were announced.
    pub announced: usize,
    /// Creations that were announced after one whose answer was lost.
    pub repeated: usize,
}

/// A POST that may have been carried out, and the empty listings since.
#[derive(Clone, Debug)]
struct Attempt {
    at: Timestamp,
    empty: Vec<Timestamp>,
    /// The bank refused it; whether the journal says so.
    refused: Option<bool>,
}

struct Walk<'a> {
    dice: &'a mut Dice,
    want: Desired,
    now: Timestamp,
    stored: Journal,
    attempt: Option<Attempt>,
    /// Whether this pass saw an empty listing since the last POST.
    is_fresh: bool,
    walked: Walked,
}

/// One walk, or the rule that it broke.
pub fn creation(dice: &mut Dice) -> Result<Walked, String> {
    let mut want = dice.desired();
    (want.deleting, want.suspended) = (false, false);
    want.status = DesiredStatus::Active;
    let now = Timestamp::UNIX_EPOCH.saturating_add(1.hour()).unwrap_or(Timestamp::UNIX_EPOCH);
    let (stored, walked) = (Journal::default(), Walked::default());
    let mut walk = Walk { dice, want, now, stored, attempt: None, is_fresh: false, walked };
    for _ in 0..PASSES {
        walk.pass()?;
    }
    Ok(walk.walked)
}

impl Walk<'_> {
    fn pass(&mut self) -> Result<(), String> {
        self.is_fresh = false;
        // An answer that no journal holds is lost with the process that got it.
        self.attempt.iter_mut().for_each(|attempt| attempt.refused = attempt.refused.filter(|stored| *stored));
        let mut seen = Observed { journal: self.stored.clone(), stored: self.stored.clone(), ..Observed::default() };
        for _ in 0..STEPS {
            let Step::Act(action) = next(&self.want, &seen, self.now) else { break };
            let outcome = self.act(&action, &seen)?;
            self.tick();
            if self.dice.below(20) == 0 {
                break;
            }
            learn(&mut seen, &self.want, &action, outcome);
        }
        Ok(())
    }

    /// Time passes, seldom backwards: clocks are set.
    fn tick(&mut self) {
        let seconds = i64::try_from(self.dice.below(40)).unwrap_or_default();
        let seconds = if self.dice.below(50) == 0 { -10 * seconds } else { seconds };
        self.now = self.now.saturating_add(seconds.seconds()).unwrap_or(self.now);
    }

    fn act(&mut self, action: &Action, seen: &Observed) -> Result<Result<Learned, Missed>, String> {
        Ok(match action {
            Action::Record { journal, then, news } => {
                self.record(journal, then.as_ref(), news.as_ref(), seen)?;
                Ok(Learned::Stored)
            }
            Action::ListClients => {
                let (at, clients) = (self.now, self.clients());
                if clients.iter().all(|client| client.status == ClientStatus::Cancelled) {
                    self.is_fresh = true;
                    self.attempt.iter_mut().for_each(|attempt| attempt.empty.push(at));
                }
                Ok(listing(at, clients))
            }
            Action::Send(Mutation::Create(_)) => self.post(),
            Action::Send(_) => Ok(Learned::Accepted(None)),
            Action::GetClient(_) => Ok(Learned::Client(self.dice.maybe(Dice::client))),
            Action::ListCallbackUrls(_) => Ok(Learned::CallbackUrls(None)),
            Action::AddFinalizer | Action::DropFinalizer(_) => Ok(Learned::Finalizer),
            Action::ReadOutput | Action::CreateOutput | Action::UpdateOutput | Action::RemoveLeftover(_) => {
                Ok(Learned::Output(None))
            }
        })
    }

    /// Mostly nothing, for the journal to stay without a client.
    fn clients(&mut self) -> Vec<Client> {
        if self.dice.below(8) > 0 {
            return Vec::new();
        }
        let client = self.dice.client();
        vec![client]
    }

    fn post(&mut self) -> Result<Learned, Missed> {
        self.is_fresh = false;
        match self.dice.below(8) {
            0 => Ok(Learned::Accepted(Some(7))),
            1 => Ok(Learned::Accepted(None)),
            2 => {
                self.attempt.iter_mut().for_each(|attempt| attempt.refused = Some(false));
                Err(Missed::Refused("no".to_owned()))
            }
            _ => Err(Missed::Ambiguous),
        }
    }

    fn record(
        &mut self,
        journal: &Journal,
        then: Option<&Mutation>,
        news: Option<&News>,
        seen: &Observed,
    ) -> Result<(), String> {
        self.stored = journal.clone();
        if let Some(attempt) = &mut self.attempt {
            attempt.refused = attempt.refused.map(|_| true);
        }
        // From here on a person answers for it.
        if matches!(news, Some(News::GivenUp { .. })) {
            self.attempt = None;
        }
        if !matches!(then, Some(Mutation::Create(_))) {
            return Ok(());
        }
        ensure(self.is_fresh, "a creation was announced without an empty listing since the last one")?;
        ensure(seen.stored.oauth_client_id.is_none(), "a creation was announced although a client is known")?;
        if let Some(attempt) = self.attempt.take().filter(|attempt| attempt.refused.is_none()) {
            ensure(attempt.empty.len() > 1, "a creation was announced before a second empty listing")?;
            let mut later = attempt.empty.iter().skip(1).map(|at| at.duration_since(attempt.at));
            ensure(
                later.any(|passed| passed >= CONFIRMED_AFTER),
                "a creation was announced too soon after a lost one",
            )?;
            self.walked.repeated += 1;
        }
        self.walked.announced += 1;
        self.attempt = Some(Attempt { at: self.now, empty: Vec::new(), refused: None });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_get_as_far_as_a_second_creation() {
        let walks = (0..200).map(|seed| creation(&mut Dice::new(seed)).unwrap());
        let (announced, repeated) =
            walks.fold((0, 0), |sum, walked| (sum.0 + walked.announced, sum.1 + walked.repeated));
        assert!(repeated > 20 && announced > repeated, "{announced} announced, {repeated} repeated");
    }
}
