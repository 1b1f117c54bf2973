//! Carries out one action: the only code that changes anything at the bank or in the cluster for
//! an object.

use kube::{
    ResourceExt,
    api::{DeleteParams, Preconditions},
};

use super::{
    ask::{Ask, Fate, Heard, exchange},
    claim::Claim,
    error::Stop,
    finalizer,
    kube_call::{KubeCall, absent, kube_call},
    observe,
    pass::{Pass, read_secret},
    secret,
};
use crate::{
    bunq::{Call, Class, OauthClient, Reply},
    plan::{
        self, Action, Journal, Learned, Missed, Mutation,
        action::{News, Release},
    },
    telemetry,
};

impl Pass {
    /// Carries out `action` and takes in what came of it. An error ends the pass.
    pub(super) async fn perform(&mut self, action: Action) -> Result<(), Stop> {
        let outcome = match &action {
            Action::AddFinalizer => self.set_finalizer(true).await.map(Ok)?,
            Action::DropFinalizer(release) => self.release(release).await.map(Ok)?,
            Action::Record { journal, then, news } => {
                self.record(journal, then.as_ref(), news.as_ref()).await.map(Ok)?
            }
            Action::ListClients => self.list_clients().await.map(Ok)?,
            Action::GetClient(id) => self.get_client(*id).await.map(Ok)?,
            Action::ListCallbackUrls(id) => self.list_callback_urls(*id).await.map(Ok)?,
            Action::Send(mutation) => self.send(mutation).await?,
            Action::ReadOutput => self.read_output().await.map(Ok)?,
            Action::CreateOutput => self.create_output().await.map(Ok)?,
            Action::UpdateOutput => self.update_output().await.map(Ok)?,
            Action::RemoveLeftover(name) => self.remove_leftover(name).await.map(Ok)?,
        };
        plan::learn(&mut self.seen, &self.want, &action, outcome);
        Ok(())
    }

    async fn set_finalizer(&mut self, on: bool) -> Result<Learned, Stop> {
        let api = self.operator.objects(&self.object.namespace().unwrap_or_default());
        match finalizer::set(&api, &self.object, on).await? {
            Some(object) => self.object.metadata = object.metadata,
            None if on => return Err(Stop::Gone),
            None => {}
        }
        Ok(Learned::Finalizer)
    }

    async fn release(&mut self, release: &Release) -> Result<Learned, Stop> {
        let learned = self.set_finalizer(false).await?;
        if self.want.deleting {
            self.operator.tell_release(&self.object, release).await;
        }
        Ok(learned)
    }

    /// Stores the journal. Everything that the announced mutation needs is there before, so that
    /// nothing is announced that cannot be sent at once.
    async fn record(
        &mut self,
        journal: &Journal,
        then: Option<&Mutation>,
        news: Option<&News>,
    ) -> Result<Learned, Stop> {
        if let Some(mutation) = then {
            self.log_in().await?;
            self.take_turn(Ask::Change(mutation).call()).await?;
            self.has_turn = true;
        }
        let claim = self.claim.as_ref().ok_or_else(|| Stop::Corrupt {
            what: self.caller.object.clone(),
            reason: "there is no claim to record into".to_owned(),
        })?;
        let claim = Claim { journal: journal.clone(), ..claim.clone() };
        self.claim = Some(self.operator.claims.store(&claim).await?);
        self.news.extend(news.cloned());
        Ok(Learned::Stored)
    }

    async fn list_clients(&mut self) -> Result<Learned, Stop> {
        let at = self.operator.clock.now();
        let Heard::Clients(read) = self.ask(&Ask::Clients).await?.value else { return Err(mixed_up()) };
        let clients = read.iter().map(|client| self.take_in(client)).collect();
        Ok(plan::learn::listing(at, clients))
    }

    async fn get_client(&mut self, id: u64) -> Result<Learned, Stop> {
        match self.ask(&Ask::Client(id)).await {
            Ok(Reply { value: Heard::Client(read), .. }) => Ok(Learned::Client(Some(self.take_in(&read)))),
            Ok(_) => Err(mixed_up()),
            Err(Stop::Bank { source }) if source.class() == Class::NotFound => Ok(Learned::Client(None)),
            Err(stop) => Err(stop),
        }
    }

    /// Keeps the pair that a verified read carried, and when it was.
    fn take_in(&mut self, read: &OauthClient) -> plan::Client {
        let (client, pair) = observe::client(read);
        self.pairs.extend(pair);
        self.read_at = Some(self.operator.clock.now());
        client
    }

    async fn list_callback_urls(&mut self, id: u64) -> Result<Learned, Stop> {
        match self.ask(&Ask::CallbackUrls(id)).await {
            Ok(Reply { value: Heard::CallbackUrls(urls), .. }) => {
                Ok(Learned::CallbackUrls(Some(observe::entries(&urls))))
            }
            Ok(_) => Err(mixed_up()),
            Err(Stop::Bank { source }) if matches!(source.class(), Class::NotFound | Class::MethodNotAllowed) => {
                Ok(Learned::CallbackUrls(None))
            }
            Err(stop) => Err(stop),
        }
    }

    /// Sends a mutation that the journal knows of.
    async fn send(&mut self, mutation: &Mutation) -> Result<Result<Learned, Missed>, Stop> {
        let result = self.ask(&Ask::Change(mutation)).await;
        let source = match result {
            Ok(Reply { value: Heard::Changed(id), .. }) => return Ok(Ok(Learned::Accepted(id))),
            Ok(_) => return Err(mixed_up()),
            Err(Stop::Bank { source }) => source,
            Err(stop) => {
                self.unannounce(mutation).await?;
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
                self.unannounce(mutation).await?;
                Err(Stop::Bank { source })
            }
        }
    }

    /// A change that certainly was not carried out leaves no doubt behind.
    async fn unannounce(&mut self, mutation: &Mutation) -> Result<(), Stop> {
        let mut journal = self.seen.journal.clone();
        match mutation.target() {
            None => journal.create_sent = None,
            Some(target) => journal.forget_sending(&target),
        }
        self.record(&journal, None, None).await.map(drop)
    }

    /// What the bank answered is written down also where the pass cannot go on for now: the next one would take the
    /// change for one without an answer, wait, and send it again.
    pub(super) async fn keep_what_is_known(&mut self) {
        if self.claim.is_none() || self.seen.journal == self.seen.stored {
            return;
        }
        let journal = self.seen.journal.clone();
        if let Err(stop) = self.record(&journal, None, None).await {
            tracing::info!(error = telemetry::chain(&stop), "what the bank answered could not be written down");
        }
    }

    async fn take_turn(&self, call: Call) -> Result<(), Stop> {
        self.operator.take_turn(&self.caller.uid, self.known_environment()?, call, self.caller.priority).await
    }

    /// One call; a session that the bank no longer accepts costs one new session and one replay
    /// (`F18`).
    async fn ask(&mut self, ask: &Ask<'_>) -> Result<Reply<Heard>, Stop> {
        let call = ask.call();
        let environment = self.known_environment()?;
        let mut renewed = false;
        loop {
            let login = self.log_in().await?;
            // The slot first: whoever waited for one goes by what the others found out meanwhile.
            let slot = self.operator.bank_slot().await;
            if !std::mem::take(&mut self.has_turn) {
                self.take_turn(call).await?;
            }
            let bank = self.operator.bank_for(&self.caller, environment);
            let answer =
                self.operator.timed(environment, call, exchange(&bank, &login.access(), ask, &self.want)).await;
            drop(slot);
            match (answer, &self.key) {
                (Err(Stop::Bank { source }), Ok(key)) if source.class() == Class::Session => {
                    self.operator.end_session(environment, key, &login).await?;
                    self.login = None;
                    if renewed {
                        return Err(self.operator.refuse_session(environment, key, &self.caller, &source).await);
                    }
                    renewed = true;
                }
                (Ok(reply), Ok(key)) if login.is_on_probation => {
                    self.operator.end_probation(environment, key).await;
                    self.login = Some(login.trusted());
                    return Ok(reply);
                }
                (answer, _) => return answer,
            }
        }
    }

    async fn read_output(&mut self) -> Result<Learned, Stop> {
        let namespace = self.object.namespace().unwrap_or_default();
        self.output = read_secret(&self.secrets(), &namespace, &self.output_name()).await?;
        Ok(self.judge_output())
    }

    async fn create_output(&mut self) -> Result<Learned, Stop> {
        let api = self.secrets();
        let wanted = self.wanted().ok_or_else(mixed_up)?;
        self.remember_output();
        match wanted.create(&api).await? {
            Some(secret) => self.output = Some(secret),
            // Somebody was faster: look at what is there now.
            None => return self.read_output().await,
        }
        self.count_repair();
        Ok(self.judge_output())
    }

    async fn update_output(&mut self) -> Result<Learned, Stop> {
        let api = self.secrets();
        let wanted = self.wanted().ok_or_else(mixed_up)?;
        let present = self.output.clone().ok_or_else(mixed_up)?;
        match wanted.update(&api, &present).await? {
            Some(secret) => self.output = Some(secret),
            None => return self.read_output().await,
        }
        self.count_repair();
        Ok(self.judge_output())
    }

    /// Deletes the Secret of an earlier name, if it is still ours and nobody wrote it since.
    async fn remove_leftover(&mut self, name: &str) -> Result<Learned, Stop> {
        let namespace = self.object.namespace().unwrap_or_default();
        let api = self.secrets();
        let found = read_secret(&api, &namespace, name).await?;
        if let Some(secret) = found.filter(|secret| secret::is_ours(secret, &self.object)) {
            let preconditions = Preconditions { uid: secret.uid(), resource_version: secret.resource_version() };
            let params = DeleteParams::default().preconditions(preconditions);
            let deleted =
                kube_call(KubeCall::DeleteLeftover, || format!("{namespace}/{name}"), api.delete(name, &params)).await;
            absent(deleted)?;
        }
        self.leftovers.remove(name);
        self.operator.remember(&self.caller.uid, |memory| memory.outputs.remove(name));
        Ok(Learned::Output(None))
    }

    /// Whatever becomes of this pass, the next one knows that there is a Secret of this name.
    fn remember_output(&self) {
        let name = self.output_name();
        self.operator.remember(&self.caller.uid, |memory| memory.outputs.insert(name));
    }

    /// A Secret that this very generation had published already was lost or changed.
    fn count_repair(&self) {
        let status = self.object.status.as_ref();
        if status.is_some_and(|status| {
            status.observed_generation == self.object.metadata.generation && status.secret_hash.is_some()
        }) {
            self.operator.telemetry.metrics.secret_repaired();
        }
    }

    fn judge_output(&self) -> Learned {
        let wanted = self.wanted();
        Learned::Output(self.output.as_ref().map(|secret| secret::judge(secret, &self.object, wanted.as_ref())))
    }
}

/// Our own defect: an answer of another kind than the question.
fn mixed_up() -> Stop {
    Stop::Corrupt {
        what: "the answer of a call".to_owned(),
        reason: "it is of another kind than the question".to_owned(),
    }
}
