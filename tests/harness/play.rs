//! Plays the planner against the models, pass by pass, as the executor does: ask, act, tell.

use bunq_oauth_operator::plan::{
    Action, Client, Desired, Learned, Missed, Mutation, Observed, Step, Verdict, Waiting, learn, learn::listing, next,
};
use jiff::{Timestamp, ToSpan};

use super::{
    bank_model::BankModel,
    guard::{Guard, ensure},
    kube_model::{Credentials, KubeModel, OutputSecret},
};

/// More steps in one pass are a loop.
const STEPS: usize = 60;
/// More passes until nothing is left to do are a wait for ever.
const PASSES: usize = 80;
/// How many passes an outage of the bank lasts.
const OUTAGE_PASSES: usize = 6;

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request never arrives; no answer.
    LostBefore,
    /// It is carried out; the answer is lost.
    LostAfter,
    /// It is carried out half a minute later; no answer.
    Late,
    /// From this one on, every mutation is lost, for some passes.
    Outage,
    /// The process ends when the action has been carried out, before anything is learned.
    Crash,
}

/// The operator, the bank and the API server.
#[derive(Clone, Debug)]
pub struct World {
    /// The bank.
    pub bank: BankModel,
    /// The API server.
    pub kube: KubeModel,
    /// The manifest.
    pub want: Desired,
    /// The rules and their history.
    pub guard: Guard,
    /// What goes wrong at which action (`Crash`) or mutation (all others), counted from zero.
    pub faults: Vec<(usize, Fault)>,
    /// Actions so far.
    pub actions: usize,
    /// Mutations so far.
    pub mutations: usize,
    /// What the bank accepted, as the planner learned, since somebody last changed something; and
    /// whether the journal says so.
    pub accepted: Vec<(Mutation, bool)>,
    /// What happened, for a failing test; empty unless asked for.
    pub log: Option<Vec<String>>,
    hands: Vec<(String, String)>,
}

enum End {
    Done(Verdict),
    Wait(Timestamp, Waiting),
    Crashed,
}

impl World {
    /// A manifest that nobody has looked at yet.
    #[must_use]
    pub fn new(bank: BankModel, want: Desired) -> Self {
        let mut guard = Guard::default();
        guard.declare(&want.urls);
        Self {
            bank,
            kube: KubeModel::new(),
            want,
            guard,
            faults: Vec::new(),
            actions: 0,
            mutations: 0,
            accepted: Vec::new(),
            log: None,
            hands: Vec::new(),
        }
    }

    /// Plays passes until nothing is left to do, and once more to see that it stays so.
    pub fn settle(&mut self) -> Result<Verdict, String> {
        let verdict = self.passes()?;
        let (mutations, journal) = (self.mutations, self.kube.journal.clone());
        if !matches!(verdict, Verdict::Released)
            && !self.faults.iter().any(|(at, fault)| *fault == Fault::Crash && *at >= self.actions)
        {
            let again = self.passes()?;
            ensure(again == verdict, &format!("a second look said {again:?} after {verdict:?}"))?;
            ensure(self.mutations == mutations, "a second look sent a mutation")?;
            ensure(self.kube.journal == journal, "a second look wrote the journal")?;
        }
        Ok(verdict)
    }

    /// Lets time pass: what was late arrives.
    pub fn wait(&mut self, minutes: i64) -> Result<(), String> {
        let later = self.bank.now().saturating_add(minutes.minutes()).unwrap_or(Timestamp::MAX);
        self.advance(later)
    }

    fn advance(&mut self, to: Timestamp) -> Result<(), String> {
        let before = self.guard.urls(&self.bank, &self.kube);
        self.bank.advance(to);
        self.guard.after(&before, &self.want, &self.bank, &self.kube)
    }

    fn passes(&mut self) -> Result<Verdict, String> {
        let mut last = None;
        for count in 0..PASSES {
            if count > 0 && count % OUTAGE_PASSES == 0 {
                let mutations = self.mutations;
                self.faults.retain(|(at, fault)| *fault != Fault::Outage || *at >= mutations);
            }
            match self.pass()? {
                End::Done(verdict) => return Ok(verdict),
                End::Wait(until, why) => {
                    ensure(until > self.bank.now(), "a wait that is over")?;
                    last = Some(why);
                    self.advance(until)?;
                }
                End::Crashed => self.advance(self.bank.now().saturating_add(1.second()).unwrap_or(Timestamp::MAX))?,
            }
        }
        Err(format!("it waits for ever: {last:?}"))
    }

    fn pass(&mut self) -> Result<End, String> {
        self.guard.begin();
        self.accepted.retain(|(_, is_stored)| *is_stored);
        self.hands = self.kube.pair().into_iter().collect();
        let mut seen = Observed {
            journal: self.kube.journal.clone(),
            stored: self.kube.journal.clone(),
            finalizer: self.kube.finalizer,
            pair: self.hands.first().map(|(client_id, _)| client_id.clone()),
            ..Observed::default()
        };
        self.note(|_| "— pass".to_owned());
        for _ in 0..STEPS {
            let step = next(&self.want, &seen, self.bank.now());
            self.note(|_| format!("{step:?}"));
            match step {
                Step::Act(action) => {
                    let is_last = self.faults.contains(&(self.actions, Fault::Crash));
                    self.actions += 1;
                    let outcome = self.act(&action, &seen)?;
                    if is_last {
                        return Ok(End::Crashed);
                    }
                    if let Action::Send(mutation) = &action {
                        self.answered(mutation, &outcome)?;
                    }
                    learn(&mut seen, &self.want, &action, outcome);
                }
                Step::Wait(until, why) => {
                    ensure(seen.journal == seen.stored, "something learned was not stored before a wait")?;
                    return Ok(End::Wait(until, why));
                }
                Step::Done(verdict) => {
                    let is_stored = seen.journal == seen.stored || verdict == Verdict::Released;
                    ensure(is_stored, "something learned was not stored at the end")?;
                    if verdict == Verdict::Synced {
                        Guard::synced(&self.want, &seen, &self.bank, &self.kube)?;
                    }
                    return Ok(End::Done(verdict));
                }
            }
        }
        Err("a pass without end".to_owned())
    }

    /// What was done is not asked for again, unless somebody undid it.
    fn answered(&mut self, mutation: &Mutation, outcome: &Result<Learned, Missed>) -> Result<(), String> {
        let is_repeated = self.accepted.iter().any(|(accepted, _)| accepted == mutation);
        ensure(!is_repeated, &format!("{mutation:?} was sent again after it was accepted"))?;
        match outcome {
            Ok(_) => self.accepted.push((mutation.clone(), false)),
            Err(Missed::Refused(_)) => {}
            Err(Missed::Ambiguous) => return Ok(()),
        }
        self.guard.answered(mutation);
        Ok(())
    }

    fn act(&mut self, action: &Action, seen: &Observed) -> Result<Result<Learned, Missed>, String> {
        self.guard.before(action, &self.want, seen, &self.bank, &self.kube)?;
        Ok(match action {
            Action::AddFinalizer | Action::DropFinalizer(_) => {
                self.kube.finalizer = *action == Action::AddFinalizer;
                Ok(Learned::Finalizer)
            }
            Action::Record { journal, .. } => {
                self.kube.journal = (**journal).clone();
                self.guard.stored();
                self.accepted.iter_mut().for_each(|(_, is_stored)| *is_stored = true);
                Ok(Learned::Stored)
            }
            Action::ListClients => {
                let clients = self.bank.list();
                let shown = clients.into_iter().map(|(client, secret)| self.take(client, secret)).collect();
                Ok(listing(self.bank.now(), shown))
            }
            Action::GetClient(id) => {
                let client = self.bank.get(*id).map(|(client, secret)| self.take(client, secret));
                Ok(Learned::Client(client))
            }
            Action::ListCallbackUrls(id) => {
                self.guard.read(&self.bank, *id);
                Ok(Learned::CallbackUrls(self.bank.callback_urls(*id)))
            }
            Action::Send(mutation) => self.send(mutation)?,
            Action::ReadOutput => Ok(Learned::Output(self.kube.read_output(self.in_hand(seen), &self.want.urls[0]))),
            Action::CreateOutput | Action::UpdateOutput => self.publish(seen)?,
            Action::RemoveLeftover(_) => Ok(Learned::Output(None)),
        })
    }

    /// The pair of a read is in hand until the pass ends.
    fn take(&mut self, client: Client, secret: Option<String>) -> Client {
        self.guard.read(&self.bank, client.id);
        if let (Some(client_id), Some(secret)) = (&client.client_id, secret) {
            self.hands.retain(|(other, _)| other != client_id);
            self.hands.push((client_id.clone(), secret));
        }
        client
    }

    fn in_hand(&self, seen: &Observed) -> Option<&(String, String)> {
        self.hands.iter().find(|(client_id, _)| Some(client_id) == seen.pair.as_ref())
    }

    fn publish(&mut self, seen: &Observed) -> Result<Result<Learned, Missed>, String> {
        let (client_id, secret) = self.in_hand(seen).cloned().ok_or("published without a pair in hand")?;
        let truth = self.bank.clients.iter().find(|client| client.client_id == client_id);
        ensure(truth.is_some_and(|client| client.secret == secret), "published another pair than the bank's")?;
        let held = Credentials { client_id, secret, redirect_url: self.want.urls[0].clone() };
        self.kube.published = Some(held.clone());
        self.kube.output = OutputSecret::Ours(held);
        Ok(Ok(Learned::Output(self.kube.read_output(self.in_hand(seen), &self.want.urls[0]))))
    }

    fn send(&mut self, mutation: &Mutation) -> Result<Result<Learned, Missed>, String> {
        let fault = self.faults.iter().copied().find(|(at, fault)| match fault {
            Fault::Outage => *at <= self.mutations,
            Fault::LostBefore | Fault::LostAfter | Fault::Late => *at == self.mutations,
            Fault::Crash => false,
        });
        self.mutations += 1;
        let before = self.guard.urls(&self.bank, &self.kube);
        let outcome = match fault {
            Some((_, Fault::LostBefore | Fault::Outage)) => Err(Missed::Ambiguous),
            Some((_, Fault::Late)) => {
                self.bank.send_late(mutation, &self.want);
                Err(Missed::Ambiguous)
            }
            Some((_, Fault::LostAfter)) => {
                let _lost = self.bank.send(mutation, &self.want);
                Err(Missed::Ambiguous)
            }
            Some((_, Fault::Crash)) | None => {
                self.bank.send(mutation, &self.want).map(Learned::Accepted).map_err(Missed::Refused)
            }
        };
        self.note(|world| format!("    {outcome:?}, URLs {:?}", world.bank.clients.last().map(|client| &client.urls)));
        self.guard.after(&before, &self.want, &self.bank, &self.kube)?;
        Ok(outcome)
    }

    fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.log.is_some() {
            let line = line(self);
            self.log.iter_mut().for_each(|log| log.push(line.clone()));
        }
    }
}
