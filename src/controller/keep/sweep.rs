//! Frees what nobody holds any more: claims whose owner is gone, contexts that no object uses
//! (D9).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, channel::mpsc};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::{
    bunq::Auditor,
    clock::{self, SharedClock},
    controller::{
        claim::{Claim, Claims, context_of, readable},
        context::{ContextId, ContextStore},
        lead::Leadership,
        manifests::{Manifest, Memories, Objects, SecretWatches},
        session::Sessions,
        stop::Stop,
        tell::Author,
    },
    telemetry,
    times::Times,
};

const EVERY: Duration = Duration::from_mins(5);
/// After a sweep that failed; somebody may wait for what it frees (`L3`).
const RETRIES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));
/// A context that nobody used for so long goes (protocol §8).
const UNUSED: SignedDuration = SignedDuration::from_hours(24);
/// While a creation without an answer is younger than this, its journal is kept.
const DOUBT: SignedDuration = SignedDuration::from_mins(5);

/// Frees what nobody holds any more.
pub(crate) struct Sweeper {
    pub(crate) claims: Claims,
    pub(crate) contexts: Arc<ContextStore>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) objects: Objects,
    pub(crate) memories: Arc<Memories>,
    pub(crate) watches: Arc<SecretWatches>,
    pub(crate) leadership: Arc<Leadership>,
    pub(crate) clock: SharedClock,
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

/// What became of a claim.
enum Tenure {
    /// Its owner lives.
    Held,
    /// Its owner is gone; it stays for whoever takes it over, with the doubt that is in it.
    Abandoned,
    /// It is gone.
    Freed,
}

impl Sweeper {
    /// While this process leads, and from the beginning whenever it is elected.
    pub(crate) async fn run(self, mut deletions: mpsc::UnboundedReceiver<()>) {
        loop {
            let term = self.leadership.begun().await;
            tokio::select! {
                () = self.lead(&mut deletions) => return,
                () = self.leadership.ended(term) => {}
            }
        }
    }

    /// Sweeps at the start, every five minutes, whenever an object was seen to be deleted, and when the clock
    /// jumped. A sweep that failed is tried again soon.
    async fn lead(&self, deletions: &mut mpsc::UnboundedReceiver<()>) {
        let mut unused_since = HashMap::new();
        let mut jumps = self.clock.jumps();
        let mut again_in = RETRIES.0;
        loop {
            let pause = match self.sweep(&mut unused_since).await {
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

    async fn sweep(&self, unused_since: &mut HashMap<String, Timestamp>) -> Result<(), Stop> {
        let mut swept = Swept::default();
        let listed = self.sweep_claims(&mut swept).await;
        if swept.is_open {
            self.objects.wake_where(Manifest::may_wait_for_a_user);
        }
        self.watches.prune();
        self.memories.keep_only(&self.objects.uids());
        // Of claims that nobody listed, nobody knows the context.
        listed?;
        self.sweep_contexts(&swept.contexts, unused_since).await?;
        swept.failure.map_or(Ok(()), Err)
    }

    async fn sweep_claims(&self, swept: &mut Swept) -> Result<(), Stop> {
        let mut claims = self.claims.all();
        while let Some(page) = claims.next().await? {
            // Of one that cannot be read the context stays, too.
            let unread = page.iter().filter(|map| Claim::read(map).is_err()).filter_map(context_of);
            swept.contexts.extend(unread.map(ContextId::of));
            for claim in readable(&page) {
                let stays = match self.sweep_claim(&claim).await {
                    Ok(Tenure::Held) => true,
                    Ok(Tenure::Abandoned) => {
                        swept.is_open = true;
                        true
                    }
                    Ok(Tenure::Freed) => {
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

    async fn sweep_claim(&self, claim: &Claim) -> Result<Tenure, Stop> {
        if !self.is_abandoned(claim).await? {
            return Ok(Tenure::Held);
        }
        if self.is_in_doubt(claim).await? {
            return Ok(Tenure::Abandoned);
        }
        self.claims.free(claim).await.map(|()| Tenure::Freed)
    }

    /// The cache may tell that an owner lives; only a live read may tell that it is gone.
    async fn is_abandoned(&self, claim: &Claim) -> Result<bool, Stop> {
        let lives = |object: &Manifest| object.uid().as_deref() == Some(claim.owner.uid.as_str());
        if self.objects.any(lives) {
            return Ok(false);
        }
        self.claims.is_gone(&claim.owner).await
    }

    async fn is_in_doubt(&self, claim: &Claim) -> Result<bool, Stop> {
        let (now, mut claim) = (self.clock.now(), claim.clone());
        let mut times = Times::read_at(now);
        claim.journal.correct(&mut times);
        if times.were_wrong() {
            claim = self.claims.store(&claim).await?;
        }
        Ok(claim.journal.create_sent.is_some_and(|sent| now.duration_since(sent.at) < DOUBT))
    }

    async fn sweep_contexts(
        &self,
        claimed: &HashSet<ContextId>,
        unused_since: &mut HashMap<String, Timestamp>,
    ) -> Result<(), Stop> {
        let now = self.clock.now();
        for (name, used_at) in self.contexts.uses(now).await? {
            let is_used = used_at.is_some_and(|at| now.duration_since(at) < UNUSED);
            if is_used || claimed.contains(&ContextId::of(&name)) {
                unused_since.remove(&name);
                continue;
            }
            let since = *unused_since.entry(name.clone()).or_insert(now);
            if now.duration_since(since) >= UNUSED {
                self.drop_context(&name).await?;
                unused_since.remove(&name);
            }
        }
        Ok(())
    }

    /// Ends its session, best effort, then deletes it.
    async fn drop_context(&self, name: &str) -> Result<(), Stop> {
        if let Some(environment) = self.contexts.read_environment(name).await? {
            let author: Arc<dyn Auditor> = Arc::new(Author::operator(format!("Secret {}", self.contexts.locate(name))));
            self.sessions.close(name, environment, &author).await;
        }
        Ok(self.contexts.delete(name).await?)
    }
}
