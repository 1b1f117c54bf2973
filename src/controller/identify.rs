//! Whose client it is: the claim, and the session that proves it.

use super::{
    claim::{Claim, Owner},
    error::Stop,
    login::Login,
    observe,
    pass::Pass,
};
use crate::{
    bunq::{ApiKey, Environment, UserKind},
    plan::Remembered,
};

impl Pass {
    /// Whose client it is: from the claim if the key is the one that it was made with, else from
    /// a session.
    pub(super) async fn identify(&mut self) -> Result<(), Stop> {
        let owner = Owner::of(&self.object);
        // A newcomer has claimed nobody yet. If only its status was lost, the attempt to claim finds the claim.
        let known =
            if self.caller.is_newcomer { None } else { self.operator.claims.of(&owner, self.claim_hint()).await? };
        if self.want.deleting {
            self.pin(known.as_ref());
            self.adopt_claim(known);
            return Ok(());
        }
        let environment = self.known_environment()?;
        if let Some(claim) = known.as_ref().filter(|claim| claim.environment != environment) {
            return Err(Stop::EnvironmentMismatch {
                wanted: claim.environment.as_str(),
                found: environment.as_str(),
                pinned: true,
                secret: self.caller.credentials.clone(),
            });
        }
        let context = self.want.cause.key.clone();
        if known.as_ref().is_some_and(|claim| claim.context == context) {
            self.adopt_claim(known);
            return Ok(());
        }
        let user_id = self.log_in().await?.user_id;
        let claim = match known {
            Some(claim) if claim.user_id == user_id => self.operator.claims.store(&Claim { context, ..claim }).await?,
            Some(claim) => {
                self.allow_other_user(&claim, user_id)?;
                let new = self.operator.claims.hold(&owner, environment, user_id, &context).await?;
                self.operator.claims.free(&claim).await?;
                self.operator.wake_claimants();
                new
            }
            None => self.operator.claims.hold(&owner, environment, user_id, &context).await?,
        };
        self.adopt_claim(Some(claim));
        Ok(())
    }

    /// What is deleted is where the claim says, whatever the key is for: one of another environment
    /// is as good as none.
    fn pin(&mut self, claim: Option<&Claim>) {
        let Some(wanted) = claim.map(|claim| claim.environment) else { return };
        self.environment = Some(wanted);
        if let Ok(found) = self.key.as_ref().map(ApiKey::environment)
            && found != wanted
        {
            self.key = Err(Stop::EnvironmentMismatch {
                wanted: wanted.as_str(),
                found: found.as_str(),
                pinned: true,
                secret: self.caller.credentials.clone(),
            });
        }
    }

    fn claim_hint(&self) -> Option<(Environment, u64)> {
        let status = self.object.status.as_ref()?;
        Some((observe::of_api(status.environment?), u64::try_from(status.user_id?).ok()?))
    }

    pub(super) fn known_environment(&self) -> Result<Environment, Stop> {
        self.environment.ok_or_else(|| Stop::CredentialsSecretNotFound { secret: self.caller.credentials.clone() })
    }

    fn adopt_claim(&mut self, claim: Option<Claim>) {
        if let Some(claim) = &claim {
            self.seen.journal = claim.journal.clone();
            self.seen.stored = claim.journal.clone();
            self.seen.remembered = self.remembered(claim);
        }
        self.claim = claim;
    }

    /// The client that the status names, if it speaks of this very user.
    fn remembered(&self, claim: &Claim) -> Option<Remembered> {
        let status = self.object.status.as_ref()?;
        let is_same_user = self.claim_hint() == Some((claim.environment, claim.user_id));
        let id = u64::try_from(status.oauth_client_id?).ok()?;
        is_same_user.then(|| Remembered { id, client_id: status.client_id.clone() })
    }

    /// A key of another user is refused, unless the old client is given up by name.
    fn allow_other_user(&self, claim: &Claim, found: u64) -> Result<(), Stop> {
        let journal = &claim.journal;
        let client_id = journal.client_id.clone().or_else(|| journal.oauth_client_id.map(|id| id.to_string()));
        if client_id.is_none() || self.want.allow_new_client == client_id {
            return Ok(());
        }
        Err(Stop::UserChanged { claimed: claim.user_id, found, client_id })
    }

    /// An open session; opened when the first call needs it, not before.
    pub(super) async fn log_in(&mut self) -> Result<Login, Stop> {
        if let Some(login) = &self.login {
            return Ok(login.clone());
        }
        let login = self.open_session().await?;
        if login.kind == UserKind::ApiKey {
            return Err(Stop::NotAnApiKey { secret: self.caller.credentials.clone() });
        }
        if let Some(claim) = self.claim.as_ref().filter(|claim| claim.user_id != login.user_id) {
            return Err(Stop::UserChanged {
                claimed: claim.user_id,
                found: login.user_id,
                client_id: claim.journal.client_id.clone(),
            });
        }
        self.login = Some(login.clone());
        Ok(login)
    }

    async fn open_session(&mut self) -> Result<Login, Stop> {
        let environment = self.known_environment()?;
        if let Ok(key) = &self.key {
            return self.operator.login(environment, key, &self.caller).await;
        }
        // The key is gone: the context named in the claim serves as long as its session lives.
        if let Some(claim) = &self.claim
            && let Some(login) = self.operator.login_without_key(&claim.context, environment).await?
        {
            return Ok(login);
        }
        Err(self.lack_of_key())
    }
}
