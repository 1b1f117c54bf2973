//! Sessions of all keys: opened, renewed, refused (D7, `F18`, `F19`).

use std::sync::Arc;

use super::{
    caller::Caller,
    handshake::{Handshake, Means},
    login::Login,
    refusal,
};
use crate::{
    bunq::{self, ApiKey, Auditor, Environment, HandshakeStep},
    controller::{
        context::ContextStore,
        stop::{Refused, Stop},
    },
    telemetry,
};

/// Opens sessions, and keeps what becomes of them.
pub(crate) struct Sessions {
    means: Means,
}

impl Sessions {
    pub(crate) fn new(means: Means) -> Self {
        Self { means }
    }

    /// An open session for `key`, from memory, from the context Secret, or from the bank.
    pub(crate) async fn open(&self, environment: Environment, key: &ApiKey, caller: &Caller) -> Result<Login, Stop> {
        let contexts = &self.means.contexts;
        let entry = contexts.of_key(environment, key).await;
        let mut entry = entry.lock().await;
        let result = Handshake { means: &self.means, entry: &mut entry, key, caller, is_fresh: false }.run().await;
        // Parsed keys are large, and at rest one object in a thousand signs anything.
        entry.keys = None;
        // Whatever stopped it, what the bank has answered is not asked for again.
        let saved = match &result {
            // Just tried.
            Err(Stop::Call(_)) => Ok(()),
            Ok(_) | Err(_) => contexts.save(&mut entry).await,
        };
        if matches!(&result, Err(Stop::KeyPair { .. } | Stop::Corrupt { .. })) {
            // A person may mend or delete it, as the message says.
            ContextStore::reload(&mut entry);
        }
        let login = result?;
        saved?;
        Ok(login)
    }

    /// A session that is still open in the context of this name: it serves when the key is gone.
    pub(crate) async fn open_without_key(&self, name: &str, environment: Environment) -> Result<Option<Login>, Stop> {
        let Means { contexts, clock, .. } = &self.means;
        let entry = contexts.named(name, environment).await;
        let mut entry = entry.lock().await;
        contexts.load(&mut entry, clock.now()).await?;
        match bunq::next_step(&entry.stored.context, clock.now()) {
            HandshakeStep::Ready => Login::of(&mut entry, contexts, clock.now()).map(Some),
            HandshakeStep::GenerateKey
            | HandshakeStep::Install
            | HandshakeStep::RegisterDevice
            | HandshakeStep::OpenSession => Ok(None),
        }
    }

    /// The bank no longer accepts this session: the next login opens another one. That is written down
    /// first: whoever finds no live session knows that one may have been opened (see `windows`).
    pub(crate) async fn end(&self, environment: Environment, key: &ApiKey, login: &Login) -> Result<(), Stop> {
        let contexts = &self.means.contexts;
        let entry = contexts.of_key(environment, key).await;
        let mut entry = entry.lock().await;
        if entry.stored.context.session.as_ref().is_some_and(|session| login.is(session)) {
            entry.stored.context.session = None;
            entry.touch();
            if let Err(error) = contexts.save(&mut entry).await {
                ContextStore::reload(&mut entry);
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// A session that was opened just now and is refused all the same: trying again and again would
    /// only cost sessions, so it counts as a refusal of the key (`F19`, `S8`).
    pub(crate) async fn refuse(
        &self,
        environment: Environment,
        key: &ApiKey,
        caller: &Caller,
        answer: bunq::Error,
    ) -> Stop {
        let Means { contexts, clock, .. } = &self.means;
        let entry = contexts.of_key(environment, key).await;
        let mut entry = entry.lock().await;
        let stop = refusal::note(Refused::Session(answer), &mut entry, caller, clock.now());
        if let Err(error) = contexts.save(&mut entry).await {
            tracing::warn!(error = telemetry::chain(&error), "the refusal could not be written down");
        }
        stop
    }

    /// The bank accepted a call: earlier refusals of this key no longer matter.
    pub(crate) async fn end_probation(&self, environment: Environment, key: &ApiKey) {
        let contexts = &self.means.contexts;
        let entry = contexts.of_key(environment, key).await;
        let mut entry = entry.lock().await;
        entry.stored.refusals.clear();
        entry.touch();
        if let Err(error) = contexts.save(&mut entry).await {
            tracing::warn!(error = telemetry::chain(&error), "the end of a refusal could not be written down");
        }
    }

    /// Reads the context of this name again next time: a person may have reset it.
    pub(crate) async fn look_again(&self, name: &str, environment: Environment) {
        self.means.contexts.reload_named(name, environment).await;
    }

    /// Namespace and name of a context, for messages.
    pub(crate) fn locate(&self, name: &str) -> String {
        self.means.contexts.locate(name)
    }

    /// Tells the bank that the session of an abandoned context is not needed any more. One that cannot be closed ends
    /// by itself.
    pub(crate) async fn close(&self, name: &str, environment: Environment, auditor: &Arc<dyn Auditor>) {
        if let Ok(Some(login)) = self.open_without_key(name, environment).await {
            let bank = self.means.gate.audited_bank(environment, auditor);
            let _ = bank.close_session(&login.access()).await;
        }
    }
}
