//! One pass over one object: look, ask the planner, act, learn, until it is done or something stops it.

use std::sync::Arc;

use kube::ResourceExt;

use super::{
    conversation::{Reads, Talk},
    due::resync_interval,
    end::End,
    finalizer,
    gather::{self, Key},
    ledger::Ledger,
    output::{Outlet, Wanted, is_ours, published_pair},
    parts::Parts,
    translate, whose,
};
use crate::{
    api::{self, BunqOAuthClient},
    bunq::{OauthClient, Priority},
    controller::{
        bank::{Fate, Turn},
        manifests::{CauseId, Pair, Verified},
        session::Caller,
        stop::Stop,
        tell::Author,
    },
    plan::{self, Action, Desired, Learned, Missed, Mutation, Observed, Seen, Step, Verdict, action::News},
    times::Times,
};

/// Actions in one pass, at most: far more than any path through the rules needs.
const LONGEST_PASS: usize = 60;

/// What a pass knows, and what it works with.
pub(super) struct Pass {
    parts: Arc<Parts>,
    pub(super) object: BunqOAuthClient,
    pub(super) want: Desired,
    pub(super) seen: Observed,
    pub(super) talk: Talk,
    pub(super) ledger: Ledger,
    pub(super) outlet: Outlet,
    pub(super) reads: Reads,
    /// The version of the Secret with the key.
    credentials: String,
    /// The place in the bank's window for the mutation that was announced.
    turn: Option<Turn>,
    /// What happened, to be told at the end.
    pub(super) news: Vec<News>,
}

impl Pass {
    /// A pass over `object`, as it was just read. Of a newcomer nothing was ever looked at.
    pub(super) fn new(parts: &Arc<Parts>, object: BunqOAuthClient, is_newcomer: bool) -> Self {
        let namespace = object.namespace().unwrap_or_default();
        let caller = Caller {
            uid: object.uid().unwrap_or_default(),
            priority: Priority::Change,
            is_asked: false,
            is_newcomer,
            object: format!("{namespace}/{}", object.name_any()),
            credentials: format!("{namespace}/{}", object.spec.credentials.api_key_secret_ref.name),
            credentials_created: None,
            auditor: Arc::new(Author::of(&object)),
        };
        Self {
            want: translate::desired(&object, ""),
            seen: Observed { finalizer: finalizer::is_set(&object), ..Observed::default() },
            ledger: Ledger::new(parts.claims.clone(), caller.object.clone()),
            outlet: Outlet::new(parts.objects.secrets(&namespace), Arc::clone(&parts.memories), &object),
            talk: Talk::new(Arc::clone(&parts.gate), Arc::clone(&parts.sessions), caller),
            reads: Reads::default(),
            credentials: String::new(),
            turn: None,
            news: Vec::new(),
            parts: Arc::clone(parts),
            object,
        }
    }

    /// Runs to the end.
    pub(super) async fn run(&mut self) -> End {
        match self.walk().await {
            Ok(end) => end,
            Err(stop) => {
                if matches!(stop, Stop::Limit { .. } | Stop::Outage | Stop::Ending) {
                    self.ledger.keep(&self.seen).await;
                }
                End::Stop(stop)
            }
        }
    }

    async fn walk(&mut self) -> Result<End, Stop> {
        if self.want.deleting && !self.seen.finalizer {
            return Ok(End::Verdict(Verdict::Released));
        }
        if self.want.suspended && !self.want.deleting {
            return Err(Stop::Suspended);
        }
        if !self.is_let_go() {
            self.check_manifest()?;
            self.gather().await?;
            self.respect_backoff()?;
            self.identify().await?;
            self.recall();
        }
        for _ in 0..LONGEST_PASS {
            self.refresh();
            match plan::next(&self.want, &self.seen, self.parts.clock.now()) {
                Step::Act(action) => {
                    if !finishes(&action) && self.parts.duty.is_ending() {
                        return Err(Stop::Ending);
                    }
                    self.perform(&action).await?;
                }
                Step::Wait(until, why) => return Ok(End::Waiting(until, why)),
                Step::Done(verdict) => return Ok(End::Verdict(verdict)),
            }
        }
        // Never seen; if the rules ever went round in circles, the bank is not to pay for it.
        let reason = format!("no end after {LONGEST_PASS} actions");
        Err(Stop::Corrupt { what: self.talk.caller.object.clone(), reason })
    }

    /// Whether it goes without a call: then nothing has to be known, and nothing can stand in its way
    /// (D6, `L4`).
    fn is_let_go(&self) -> bool {
        self.want.deleting && (!self.want.cancel_on_delete || self.want.suspended)
    }

    /// The rules of the definition once more: an old object may have been stored under other rules.
    fn check_manifest(&self) -> Result<(), Stop> {
        if self.want.deleting {
            return Ok(());
        }
        api::validate(&self.object.spec, &self.object.name_any(), None)
            .map_err(|violations| Stop::InvalidSpec { violations })
    }

    /// Both Secrets of the tenant. While the object is being deleted they may be gone already.
    async fn gather(&mut self) -> Result<(), Stop> {
        let namespace = self.object.namespace().unwrap_or_default();
        self.parts.watches.ensure(&namespace);
        let secrets = self.parts.objects.secrets(&namespace);
        let found = gather::credentials(&secrets, &self.object, &self.talk.caller.credentials).await;
        self.credentials = found.version;
        self.talk.caller.credentials_created = found.created;
        match found.key {
            Key::Lacking(stop @ Stop::NamespaceNotGranted { .. }) => {
                self.parts.watches.revoked(&namespace);
                if !self.want.deleting {
                    return Err(stop);
                }
                self.talk.key = Key::Lacking(stop);
            }
            key => self.talk.key = key,
        }
        let published = self.object.status.as_ref().and_then(|status| status.binding.as_ref());
        self.outlet.recall_names(published.map(|binding| binding.name.as_str()));
        match self.outlet.read().await {
            Err(Stop::NamespaceNotGranted { .. }) if self.want.deleting => {}
            read => read?,
        }
        // What published something was here before, and only its status was lost.
        let was_here = self.outlet.present().is_some_and(|found| is_ours(found, &self.object));
        self.talk.caller.is_newcomer &= !was_here;
        match &self.talk.key {
            Key::Here(key) => {
                self.want.cause.key = gather::fingerprint(key);
                let environment = translate::environment(&self.object, key, &self.talk.caller.credentials);
                self.talk.environment = if self.want.deleting { environment.ok() } else { Some(environment?) };
            }
            Key::Unread | Key::Lacking(_) if self.want.deleting => {}
            Key::Unread | Key::Lacking(_) => return Err(self.talk.key.lack(&self.talk.caller.credentials)),
        }
        Ok(())
    }

    /// What this pass works from.
    pub(super) fn inputs(&self) -> String {
        gather::inputs(&self.want, &self.credentials, self.outlet.present())
    }

    fn respect_backoff(&mut self) -> Result<(), Stop> {
        let attempt = gather::attempt(&self.object, &self.want, &self.inputs(), self.parts.clock.now());
        self.talk.caller.priority = attempt.priority;
        self.talk.caller.is_asked = attempt.is_asked;
        let is_released = self.parts.memories.of(&self.talk.caller.uid, |memory| std::mem::take(&mut memory.released));
        match attempt.backs_off_until {
            Some(until) if !is_released && self.parts.clock.now() < until => Err(Stop::BackingOff { until }),
            Some(_) | None => Ok(()),
        }
    }

    async fn identify(&mut self) -> Result<(), Stop> {
        let Parts { claims, objects, .. } = &*self.parts;
        let claim = whose::claim(&self.object, &self.want, &mut self.talk, claims, objects).await?;
        if let Some(claim) = &claim {
            self.seen.journal = claim.journal.clone();
            // What differs from what is stored is written down, times that cannot be true included.
            self.seen.journal.correct(&mut Times::read_at(self.parts.clock.now()));
            self.seen.stored = claim.journal.clone();
            self.seen.remembered = whose::remembered(&self.object, claim);
        }
        self.ledger.hold(claim);
        Ok(())
    }

    /// A read that ended as declared serves until the next resync: a lost Secret heals without the
    /// bank (D12).
    fn recall(&mut self) {
        let now = self.parts.clock.now();
        let verified = self.parts.memories.of(&self.talk.caller.uid, |memory| memory.verified.clone());
        let is_fresh = |verified: &Verified| {
            verified.cause == CauseId::of(&self.want.cause)
                && Some(verified.client.id) == self.seen.journal.oauth_client_id
                && now.duration_since(verified.at).unsigned_abs() < resync_interval(&self.object)
        };
        if !self.want.deleting
            && let Some(verified) = verified.filter(is_fresh)
        {
            self.reads.at = Some(verified.at);
            self.reads.bound_ip = verified.bound_ip;
            self.seen.client = Seen::Present(verified.client);
        }
    }

    /// Looks at the output Secret with the credentials that are now in hand.
    fn refresh(&mut self) {
        self.seen.leftover = self.outlet.leftover().cloned();
        self.seen.pair = self.pair().map(|pair| pair.client_id);
        self.seen.output = match self.outlet.judge(&self.object, self.wanted().as_ref()) {
            None => Seen::Absent,
            Some(output) => Seen::Present(output),
        };
    }

    /// The client's pair: from a read of this pass, of an earlier one, or from the Secret itself.
    pub(super) fn pair(&self) -> Option<Pair> {
        let client_id = self.seen.client.present()?.client_id.as_ref()?;
        let is_its = |pair: &Pair| pair.client_id == *client_id;
        let remembered = || self.parts.memories.of(&self.talk.caller.uid, |memory| memory.pair.clone());
        let published = || self.outlet.present().and_then(|secret| published_pair(secret, &self.object));
        let read = self.reads.pair(client_id).cloned();
        read.or_else(|| remembered().filter(is_its)).or_else(|| published().filter(is_its))
    }

    pub(super) fn wanted(&self) -> Option<Wanted> {
        Some(Wanted::new(&self.object, self.talk.endpoints()?, &self.pair()?))
    }

    /// Carries out `action`, and takes in what came of it: the only code that changes a client at the bank, the
    /// published Secret or the finalizer. An error ends the pass.
    async fn perform(&mut self, action: &Action) -> Result<(), Stop> {
        let outcome = match action {
            Action::AddFinalizer => {
                self.set_finalizer(true).await?;
                Ok(Learned::Finalizer)
            }
            Action::DropFinalizer(release) => {
                self.set_finalizer(false).await?;
                if self.want.deleting {
                    self.parts.herald.tell_release(&self.object, release).await;
                }
                Ok(Learned::Finalizer)
            }
            Action::Record { journal, then, news } => {
                // Everything that the announced mutation needs is there before, so that nothing is announced that
                // cannot be sent at once.
                if let Some(mutation) = then {
                    self.talk.log_in(self.ledger.claim()).await?;
                    self.turn = Some(self.talk.take_turn(mutation).await?);
                }
                self.ledger.record(journal).await?;
                self.news.extend(news.clone());
                Ok(Learned::Stored)
            }
            Action::ListClients => {
                let at = self.parts.clock.now();
                let read = self.talk.clients(self.ledger.claim()).await?;
                let clients = read.iter().map(|client| self.take_in(client)).collect();
                Ok(plan::learn::listing(at, clients))
            }
            Action::GetClient(id) => {
                let read = self.talk.client(*id, self.ledger.claim()).await?;
                Ok(Learned::Client(read.map(|client| self.take_in(&client))))
            }
            Action::ListCallbackUrls(id) => {
                let read = self.talk.callback_urls(*id, self.ledger.claim()).await?;
                Ok(Learned::CallbackUrls(read.map(|urls| translate::entries(&urls))))
            }
            Action::Send(mutation) => self.send(mutation).await?,
            Action::ReadOutput => {
                self.outlet.read().await?;
                Ok(self.learned_of_output())
            }
            Action::CreateOutput => {
                let wanted = self.wanted().ok_or_else(|| self.lost_pair())?;
                let is_written = self.outlet.create(&wanted).await?;
                self.count_repair(is_written);
                Ok(self.learned_of_output())
            }
            Action::UpdateOutput => {
                let wanted = self.wanted().ok_or_else(|| self.lost_pair())?;
                let is_written = self.outlet.update(&wanted).await?;
                self.count_repair(is_written);
                Ok(self.learned_of_output())
            }
            Action::RemoveLeftover(name) => {
                self.outlet.remove_leftover(name, &self.object).await?;
                Ok(Learned::Output(None))
            }
        };
        plan::learn(&mut self.seen, &self.want, action, outcome);
        Ok(())
    }

    async fn set_finalizer(&mut self, on: bool) -> Result<(), Stop> {
        let api = self.parts.objects.api(&self.object.namespace().unwrap_or_default());
        match finalizer::set(&api, &self.object, on).await? {
            Some(object) => self.object.metadata = object.metadata,
            None if on => return Err(Stop::Gone),
            None => {}
        }
        Ok(())
    }

    /// Sends a mutation that the journal knows of.
    async fn send(&mut self, mutation: &Mutation) -> Result<Result<Learned, Missed>, Stop> {
        let turn = self.turn.take();
        let source = match self.talk.change(mutation, &self.want, self.ledger.claim(), turn).await {
            Ok(id) => return Ok(Ok(Learned::Accepted(id))),
            Err(Stop::Bank { source }) => source,
            Err(stop) => {
                self.ledger.unannounce(&self.seen.journal, mutation).await?;
                return Err(stop);
            }
        };
        match Fate::of(&source) {
            Fate::Refused => {
                Ok(Err(Missed::Refused(source.answer().map(|answer| answer.text.clone()).unwrap_or_default())))
            }
            Fate::Unknown => {
                tracing::warn!(%source, "the outcome of a change at the bank is not known");
                Ok(Err(Missed::Ambiguous))
            }
            Fate::NotCarriedOut => {
                self.ledger.unannounce(&self.seen.journal, mutation).await?;
                Err(Stop::Bank { source })
            }
        }
    }

    /// Our own defect: the planner writes the Secret only with a pair in hand.
    fn lost_pair(&self) -> Stop {
        Stop::Corrupt { what: self.talk.caller.object.clone(), reason: "no credentials are in hand".to_owned() }
    }

    fn take_in(&mut self, read: &OauthClient) -> plan::Client {
        self.reads.take_in(read, self.parts.clock.now())
    }

    fn learned_of_output(&self) -> Learned {
        Learned::Output(self.outlet.judge(&self.object, self.wanted().as_ref()))
    }

    /// A Secret that this very generation had published already was lost or changed.
    fn count_repair(&self, is_written: bool) {
        let status = self.object.status.as_ref();
        let is_published = status.is_some_and(|status| {
            status.observed_generation == self.object.metadata.generation && status.secret_hash.is_some()
        });
        if is_written && is_published {
            self.parts.metrics.secret_repaired();
        }
    }

    /// The address that the bank bound the key to, as far as this pass or the last read knows.
    pub(super) fn bound_ip(&self) -> Option<String> {
        self.talk.bound_ip().map(str::to_owned).or_else(|| self.reads.bound_ip.clone())
    }
}

/// Whether the action ends what an earlier one began: what was announced is sent, and what came of it is noted,
/// also while the process ends. Otherwise the next one would find a doubt, and wait.
fn finishes(action: &Action) -> bool {
    matches!(action, Action::Send(_) | Action::Record { then: None, .. })
}
