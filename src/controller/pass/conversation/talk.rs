//! One conversation with the bank: with which key, in which session, one turn per call.

use std::sync::Arc;

use super::ask::{Ask, CallbackUrls, Change, Client, Clients, call_of};
use crate::{
    bunq::{Call, CallbackUrl, Class, Endpoints, Environment, OauthClient, UserKind},
    controller::{
        bank::{Gate, Turn},
        claim::Claim,
        pass::gather::Key,
        session::{Caller, Login, Sessions},
        stop::Stop,
    },
    plan::{Desired, Mutation},
};

/// One conversation with the bank.
pub(in crate::controller::pass) struct Talk {
    gate: Arc<Gate>,
    sessions: Arc<Sessions>,
    pub(in crate::controller::pass) caller: Caller,
    pub(in crate::controller::pass) key: Key,
    /// Which bank it is.
    pub(in crate::controller::pass) environment: Option<Environment>,
    login: Option<Login>,
}

impl Talk {
    pub(in crate::controller::pass) fn new(gate: Arc<Gate>, sessions: Arc<Sessions>, caller: Caller) -> Self {
        Self { gate, sessions, caller, key: Key::Unread, environment: None, login: None }
    }

    /// Where the bank is, as soon as it is known which one it is.
    pub(in crate::controller::pass) fn endpoints(&self) -> Option<&Endpoints> {
        self.environment.map(|environment| self.gate.bank(environment).endpoints())
    }

    /// The bank that this is about.
    pub(in crate::controller::pass) fn environment(&self) -> Result<Environment, Stop> {
        self.environment.ok_or_else(|| Stop::CredentialsSecretNotFound { secret: self.caller.credentials.clone() })
    }

    /// The address that the bank bound the key to, as far as this session tells.
    pub(in crate::controller::pass) fn bound_ip(&self) -> Option<&str> {
        self.login.as_ref()?.bound_ip.as_deref()
    }

    /// An open session of the claim's user; opened when the first call needs it, not before.
    pub(in crate::controller::pass) async fn log_in(&mut self, claim: Option<&Claim>) -> Result<Login, Stop> {
        if let Some(login) = &self.login {
            return Ok(login.clone());
        }
        let login = self.open_session(claim).await?;
        if login.kind == UserKind::ApiKey {
            return Err(Stop::NotAnApiKey { secret: self.caller.credentials.clone() });
        }
        if let Some(claim) = claim.filter(|claim| claim.user_id != login.user_id) {
            return Err(Stop::UserChanged {
                claimed: claim.user_id,
                found: login.user_id,
                client_id: claim.journal.client_id.clone(),
            });
        }
        self.login = Some(login.clone());
        Ok(login)
    }

    async fn open_session(&mut self, claim: Option<&Claim>) -> Result<Login, Stop> {
        let environment = self.environment()?;
        if let Key::Here(key) = &self.key {
            return self.sessions.open(environment, key, &self.caller).await;
        }
        // The key is gone: the context named in the claim serves as long as its session lives.
        if let Some(claim) = claim
            && let Some(login) = self.sessions.open_without_key(&claim.context, environment).await?
        {
            return Ok(login);
        }
        Err(self.key.lack(&self.caller.credentials))
    }

    /// A place in the bank's window for this change, or when it comes.
    pub(in crate::controller::pass) async fn take_turn(&self, mutation: &Mutation) -> Result<Turn, Stop> {
        self.turn(call_of(mutation)).await
    }

    async fn turn(&self, call: Call) -> Result<Turn, Stop> {
        let context = self.login.as_ref().map_or(&*self.caller.uid, |login| &login.context);
        let asker = self.caller.as_user(context);
        self.gate.take_turn(asker, self.environment()?, call, self.caller.priority).await
    }

    /// Every client of the user.
    pub(in crate::controller::pass) async fn clients(
        &mut self,
        claim: Option<&Claim>,
    ) -> Result<Vec<OauthClient>, Stop> {
        self.ask(&Clients, claim, None).await
    }

    /// One client; `None` is the bank's 404.
    pub(in crate::controller::pass) async fn client(
        &mut self,
        id: u64,
        claim: Option<&Claim>,
    ) -> Result<Option<OauthClient>, Stop> {
        match self.ask(&Client(id), claim, None).await {
            Err(Stop::Bank { source }) if source.class() == Class::NotFound => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// The redirect URLs of a client; `None` where the bank has no such route.
    pub(in crate::controller::pass) async fn callback_urls(
        &mut self,
        id: u64,
        claim: Option<&Claim>,
    ) -> Result<Option<Vec<CallbackUrl>>, Stop> {
        match self.ask(&CallbackUrls(id), claim, None).await {
            Err(Stop::Bank { source }) if matches!(source.class(), Class::NotFound | Class::MethodNotAllowed) => {
                Ok(None)
            }
            answer => answer.map(Some),
        }
    }

    /// Changes something, in the turn that was taken for it; a creation may bring an id.
    pub(in crate::controller::pass) async fn change(
        &mut self,
        mutation: &Mutation,
        want: &Desired,
        claim: Option<&Claim>,
        turn: Option<Turn>,
    ) -> Result<Option<u64>, Stop> {
        self.ask(&Change(mutation, want), claim, turn).await
    }

    /// One call, in the turn that was taken for it or in a new one; a session that the bank no longer accepts costs
    /// one new session and one replay (`F18`).
    async fn ask<A: Ask>(&mut self, ask: &A, claim: Option<&Claim>, mut turn: Option<Turn>) -> Result<A::Answer, Stop> {
        let environment = self.environment()?;
        let mut renewed = false;
        loop {
            let login = self.log_in(claim).await?;
            // The slot first: whoever waited for one goes by what the others found out meanwhile.
            let slot = self.gate.slot().await;
            let turn = match turn.take() {
                Some(turn) => turn,
                None => self.turn(ask.call()).await?,
            };
            let bank = self.gate.audited_bank(environment, &self.caller.auditor);
            let answer = self.gate.call(turn, ask.put(&bank, &login.access())).await;
            drop(slot);
            match (answer, &self.key) {
                (Err(Stop::Bank { source }), Key::Here(key)) if source.class() == Class::Session => {
                    self.sessions.end(environment, key, &login).await?;
                    self.login = None;
                    if renewed {
                        return Err(self.sessions.refuse(environment, key, &self.caller, source).await);
                    }
                    renewed = true;
                }
                (Ok(reply), Key::Here(key)) if login.is_on_probation => {
                    self.sessions.end_probation(environment, key).await;
                    self.login = Some(login.trusted());
                    return Ok(reply.value);
                }
                (answer, _) => return answer.map(|reply| reply.value),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::{Value, json};
    use tokio::sync::watch;

    use super::*;
    use crate::{
        bunq::{ApiKey, LimitMode, Priority},
        controller::{
            context::ContextStore,
            fixtures::{Scripted, ScriptedBank, Seconds, bank_refusal, keeper},
            lead::{Duty, Leadership},
            session::{Device, Means},
            stop::{Refused, Retry},
            tell::Author,
        },
    };

    /// With a bank that answers like this.
    fn talk<A>(bank: &Arc<ScriptedBank<A>>) -> Talk
    where
        A: Fn(&str) -> (u16, Value) + Send + Sync + 'static,
    {
        let clock = Arc::<Seconds>::default();
        let contexts = Arc::new(ContextStore::new(Scripted::default().client(keeper), "bunq-operator"));
        let gate =
            Gate::new(bank.banks(), LimitMode::Off, Arc::clone(&contexts), clock.clone(), Arc::default(), |_| ());
        let gate = Arc::new(gate);
        let sessions = Sessions::new(Means {
            contexts,
            gate: Arc::clone(&gate),
            duty: Duty::new(Leadership::always(clock.clone()), watch::Sender::new(false).subscribe()),
            device: Device { description: "test".to_owned(), egress_ips: Vec::new() },
            clock,
            metrics: Arc::default(),
        });
        let caller = Caller {
            uid: "u1".to_owned(),
            priority: Priority::Change,
            is_asked: false,
            is_newcomer: false,
            credentials: "shop/bunq".to_owned(),
            credentials_created: None,
            object: "shop/app".to_owned(),
            auditor: Arc::new(Author::operator(String::new())),
        };
        let mut talk = Talk::new(gate, Arc::new(sessions), caller);
        talk.key = Key::Here(ApiKey::new("sandbox_abc").unwrap());
        talk.environment = Some(Environment::Sandbox);
        talk
    }

    fn sessions<A>(bank: &Arc<ScriptedBank<A>>) -> usize
    where
        A: Fn(&str) -> (u16, Value) + Send + Sync + 'static,
    {
        bank.asked().iter().filter(|line| *line == "POST session-server").count()
    }

    #[tokio::test]
    async fn a_session_that_is_refused_costs_one_new_session_and_one_replay() {
        let asked = AtomicUsize::new(0);
        let bank = ScriptedBank::new(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
            0 => bank_refusal(401),
            _ => (200, json!({"Response": []})),
        });
        let mut talk = talk(&bank);
        assert!(talk.clients(None).await.unwrap().is_empty());
        assert_eq!(sessions(&bank), 2);
        let calls = bank.asked();
        assert_eq!(calls.iter().filter(|line| line.starts_with("GET user/7/oauth-client")).count(), 2);
        assert_eq!(calls.iter().filter(|line| *line == "POST installation").count(), 1);
    }

    #[tokio::test]
    async fn a_session_that_is_refused_again_counts_as_a_refused_key() {
        let bank = ScriptedBank::new(|_| bank_refusal(403));
        let mut talk = talk(&bank);
        let Err(Stop::CredentialsRejected(rejection)) = talk.clients(None).await else { panic!("it is refused") };
        assert!(matches!(rejection.of, Refused::Session(_)));
        assert_eq!(sessions(&bank), 2);
        // Asking again before its time sends nothing.
        let calls = bank.asked().len();
        let again = talk.clients(None).await.unwrap_err();
        assert_eq!(again.retry(), Retry::At(rejection.until));
        assert_eq!(bank.asked().len(), calls);
    }

    #[tokio::test]
    async fn what_is_not_there_is_an_answer() {
        let bank = ScriptedBank::new(|_| bank_refusal(404));
        let mut talk = talk(&bank);
        assert!(talk.client(5, None).await.unwrap().is_none());
        assert!(talk.callback_urls(5, None).await.unwrap().is_none());
        assert_eq!(sessions(&bank), 1);
    }

    #[tokio::test]
    async fn without_a_key_nobody_is_called_and_the_lack_is_told() {
        let bank = ScriptedBank::new(|_| bank_refusal(404));
        let mut talk = talk(&bank);
        talk.key = Key::Lacking(Stop::CredentialsKeyEmpty { secret: "shop/bunq".to_owned(), key: "k".to_owned() });
        assert!(matches!(talk.clients(None).await, Err(Stop::CredentialsKeyEmpty { .. })));
        assert!(bank.asked().is_empty());
    }
}
