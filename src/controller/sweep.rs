//! Frees what nobody holds any more: claims whose owner is gone, contexts that no object uses
//! (D9).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, channel::mpsc};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt, api::DeleteParams};

use super::{
    audit::Author,
    claim::{Claim, readable},
    context::Operator,
    context_secret::{self, ContextId},
    error::Stop,
    kube_call::{KubeCall, absent, kube_call},
    status,
};
use crate::{api::BunqOAuthClient, clock, plan::Reason, telemetry};

const EVERY: Duration = Duration::from_mins(5);
/// After a sweep that failed; somebody may wait for what it frees (`L3`).
const RETRIES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));
/// A context that nobody used for so long goes (protocol §8).
const UNUSED: SignedDuration = SignedDuration::from_hours(24);
/// While a creation without an answer is younger than this, its journal is kept.
const DOUBT: SignedDuration = SignedDuration::from_mins(5);

/// While this process leads, and from the beginning whenever it is elected.
pub(crate) async fn run(operator: Arc<Operator>, mut deletions: mpsc::UnboundedReceiver<()>) {
    loop {
        let term = operator.leadership.begun().await;
        tokio::select! {
            () = lead(&operator, &mut deletions) => return,
            () = operator.leadership.ended(term) => {}
        }
    }
}

/// Sweeps at the start, every five minutes, whenever an object was seen to be deleted, and when the clock
/// jumped. A sweep that failed is tried again soon.
async fn lead(operator: &Operator, deletions: &mut mpsc::UnboundedReceiver<()>) {
    let mut unused_since = HashMap::new();
    let mut jumps = operator.clock.jumps();
    let mut again_in = RETRIES.0;
    loop {
        let pause = match sweep(operator, &mut unused_since).await {
            Ok(()) => {
                again_in = RETRIES.0;
                EVERY
            }
            Err(stop) => {
                tracing::warn!(error = telemetry::chain(&stop), "the sweep could not be finished");
                let pause = again_in;
                again_in = RETRIES.1.min(again_in * 2);
                pause
            }
        };
        tokio::select! {
            deletion = deletions.next() => if deletion.is_none() { return },
            Ok(()) = jumps.changed() => {}
            () = clock::pause(pause) => {}
        }
        // One sweep serves all deletions seen so far.
        while deletions.try_recv().is_ok() {}
    }
}

async fn sweep(operator: &Operator, unused_since: &mut HashMap<String, Timestamp>) -> Result<(), Stop> {
    let mut swept = Swept::default();
    let listed = sweep_claims(operator, &mut swept).await;
    if swept.is_open {
        operator.wake_claimants();
    }
    operator.watches.prune();
    operator.forget_gone();
    // Of claims that nobody listed, nobody knows the context.
    listed?;
    sweep_contexts(operator, &swept.contexts, unused_since).await?;
    swept.failure.map_or(Ok(()), Err)
}

/// What a look at all claims brought.
#[derive(Default)]
struct Swept {
    /// The contexts of the claims that stay.
    contexts: HashSet<ContextId>,
    /// Whether somebody may find a user free.
    is_open: bool,
    /// Of a claim that stays because of it.
    failure: Option<Stop>,
}

async fn sweep_claims(operator: &Operator, swept: &mut Swept) -> Result<(), Stop> {
    let mut claims = operator.claims.all();
    while let Some(page) = claims.next().await? {
        for claim in readable(&page) {
            let stays = match sweep_claim(operator, &claim).await {
                Ok(Fate::Held) => true,
                Ok(Fate::Abandoned) => {
                    swept.is_open = true;
                    true
                }
                Ok(Fate::Freed) => {
                    swept.is_open = true;
                    tracing::info!(claim = claim.name, "freed a claim whose owner is gone");
                    false
                }
                Err(stop) => {
                    swept.failure = Some(stop);
                    true
                }
            };
            if stays {
                swept.contexts.insert(ContextId::of(&claim.context));
            }
        }
    }
    Ok(())
}

/// What became of a claim.
enum Fate {
    /// Its owner lives.
    Held,
    /// Its owner is gone; it stays for whoever takes it over, with the doubt that is in it.
    Abandoned,
    /// It is gone.
    Freed,
}

async fn sweep_claim(operator: &Operator, claim: &Claim) -> Result<Fate, Stop> {
    if !is_abandoned(operator, claim).await? {
        return Ok(Fate::Held);
    }
    if is_in_doubt(operator, claim) {
        return Ok(Fate::Abandoned);
    }
    operator.claims.free(claim).await.map(|()| Fate::Freed)
}

/// The cache may tell that an owner lives; only a live read may tell that it is gone.
async fn is_abandoned(operator: &Operator, claim: &Claim) -> Result<bool, Stop> {
    let lives = |object: &BunqOAuthClient| object.uid().as_deref() == Some(claim.owner.uid.as_str());
    if operator.store.find(lives).is_some() {
        return Ok(false);
    }
    operator.claims.is_gone(&claim.owner).await
}

fn is_in_doubt(operator: &Operator, claim: &Claim) -> bool {
    let sent = claim.journal.create_sent.as_ref();
    sent.is_some_and(|sent| operator.clock.now().duration_since(sent.at) < DOUBT)
}

impl Operator {
    /// Everybody who may wait for a user that another object holds. Who is about to be told so waits, too,
    /// and its status is not in the store yet.
    pub(crate) fn wake_claimants(&self) {
        let waiting = [None, Some(Reason::Progressing.as_str()), Some(Reason::UserAlreadyClaimed.as_str())];
        self.waker
            .wake_where(&self.store, |object| waiting.contains(&object.status.as_ref().and_then(status::ready_reason)));
    }
}

async fn sweep_contexts(
    operator: &Operator,
    claimed: &HashSet<ContextId>,
    unused_since: &mut HashMap<String, Timestamp>,
) -> Result<(), Stop> {
    let now = operator.clock.now();
    let api: Api<Secret> = Api::namespaced(operator.client.clone(), &operator.config.operator_namespace);
    for (name, used_at) in operator.contexts.uses(now).await? {
        let is_used = used_at.is_some_and(|at| now.duration_since(at) < UNUSED);
        if is_used || claimed.contains(&ContextId::of(&name)) {
            unused_since.remove(&name);
            continue;
        }
        let since = *unused_since.entry(name.clone()).or_insert(now);
        if now.duration_since(since) >= UNUSED {
            drop_context(operator, &api, &name).await?;
            unused_since.remove(&name);
        }
    }
    Ok(())
}

/// Ends its session, best effort, then deletes it.
async fn drop_context(operator: &Operator, api: &Api<Secret>, name: &str) -> Result<(), Stop> {
    let secret = absent(kube_call(KubeCall::ReadContext, || operator.contexts.locate(name), api.get(name)).await)?;
    let environment = secret.as_ref().and_then(context_secret::environment);
    if let Some(environment) = environment
        && let Ok(Some(login)) = operator.login_without_key(name, environment).await
    {
        // A session that cannot be closed ends by itself.
        let author = Author::operator(format!("Secret {}", operator.contexts.locate(name)));
        let _ = operator.bank(environment).audited_by(Arc::new(author)).close_session(&login.access()).await;
    }
    operator.contexts.forget(name).await;
    let located = || operator.contexts.locate(name);
    let deleted = kube_call(KubeCall::DeleteContext, located, api.delete(name, &DeleteParams::default())).await;
    absent(deleted).map(drop)
}
