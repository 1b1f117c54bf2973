//! Whose client it is: the claim, and the session that proves it.

use super::{conversation::Talk, gather::Key, translate};
use crate::{
    api::BunqOAuthClient,
    bunq::{ApiKey, Environment},
    controller::{
        claim::{Claim, Claims, Owner},
        manifests::{Manifest, Objects},
        stop::Stop,
    },
    plan::{Desired, Remembered},
};

/// The claim that `object` works under: the one that it holds, if the key is the one that it was made with, else of
/// the user that a session names.
pub(super) async fn claim(
    object: &BunqOAuthClient,
    want: &Desired,
    talk: &mut Talk,
    claims: &Claims,
    objects: &Objects,
) -> Result<Option<Claim>, Stop> {
    let owner = Owner::of(object);
    // A newcomer has claimed nobody yet. If only its status was lost, the attempt to claim finds the claim.
    let known = if talk.caller.is_newcomer { None } else { claims.of(&owner, hint(object)).await? };
    if want.deleting {
        pin(talk, known.as_ref());
        return Ok(known);
    }
    let environment = talk.environment()?;
    if let Some(claim) = known.as_ref().filter(|claim| claim.environment != environment) {
        return Err(mismatch(talk, claim.environment, environment));
    }
    let context = &want.cause.key;
    if known.as_ref().is_some_and(|claim| claim.context == *context) {
        return Ok(known);
    }
    let user_id = talk.log_in(None).await?.user_id;
    let claim = match known {
        Some(claim) if claim.user_id == user_id => claims.store(&Claim { context: context.clone(), ..claim }).await?,
        Some(claim) => {
            allow_other_user(&claim, user_id, want)?;
            let new = claims.hold(&owner, environment, user_id, context).await?;
            claims.free(&claim).await?;
            objects.wake_where(Manifest::may_wait_for_a_user);
            new
        }
        None => claims.hold(&owner, environment, user_id, context).await?,
    };
    Ok(Some(claim))
}

/// What is deleted is where the claim says, whatever the key is for: one of another environment
/// is as good as none.
fn pin(talk: &mut Talk, claim: Option<&Claim>) {
    let Some(wanted) = claim.map(|claim| claim.environment) else { return };
    talk.environment = Some(wanted);
    if let Some(found) = talk.key.here().map(ApiKey::environment)
        && found != wanted
    {
        talk.key = Key::Lacking(mismatch(talk, wanted, found));
    }
}

fn mismatch(talk: &Talk, wanted: Environment, found: Environment) -> Stop {
    Stop::EnvironmentMismatch {
        wanted: wanted.as_str(),
        found: found.as_str(),
        pinned: true,
        secret: talk.caller.credentials.clone(),
    }
}

/// The user that the status names.
fn hint(object: &BunqOAuthClient) -> Option<(Environment, u64)> {
    let status = object.status.as_ref()?;
    Some((translate::of_api(status.environment?), u64::try_from(status.user_id?).ok()?))
}

/// The client that the status names, if it speaks of this very user.
pub(super) fn remembered(object: &BunqOAuthClient, claim: &Claim) -> Option<Remembered> {
    let status = object.status.as_ref()?;
    let is_same_user = hint(object) == Some((claim.environment, claim.user_id));
    let id = u64::try_from(status.oauth_client_id?).ok()?;
    is_same_user.then(|| Remembered { id, client_id: status.client_id.clone() })
}

/// A key of another user is refused, unless the old client is given up by name.
fn allow_other_user(claim: &Claim, found: u64, want: &Desired) -> Result<(), Stop> {
    let journal = &claim.journal;
    let client_id = journal.client_id.clone().or_else(|| journal.oauth_client_id.map(|id| id.to_string()));
    if client_id.is_none() || want.allow_new_client == client_id {
        return Ok(());
    }
    Err(Stop::UserChanged { claimed: claim.user_id, found, client_id })
}
