//! Keeps the Lease: takes it when it is free, renews it, gives it back (`F08`–`F11`, `L6`).

use std::{pin::pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{Stream, StreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::PostParams,
    runtime::watcher::{self, watch_object},
};
use tokio::sync::{oneshot, watch};

use super::{
    election::{self, LEASE, Observation, RENEW_WITHIN, RETRY},
    term::Leadership,
};
use crate::{
    clock::{self, SharedClock},
    controller::api_server::{CallError, KubeCall, absent, call},
    telemetry::{self, Heartbeat, Telemetry, metrics::Metrics},
};

/// The Lease of all replicas, in the operator's namespace.
pub const LEASE_NAME: &str = "bunq-oauth-operator";

/// The election is looked at far more often.
const STUCK: Duration = Duration::from_secs(40);

/// Who works from the moment that this process is elected.
#[async_trait]
pub(crate) trait Heir: Send + Sync {
    /// Another process led until now: what this one remembers of an earlier term may be out of date.
    async fn inherit(&self);
}

/// One replica's part in the election.
pub(crate) struct Candidate {
    leadership: Arc<Leadership>,
    heir: Arc<dyn Heir>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    api: Api<Lease>,
    me: String,
    located: String,
    observation: Observation,
    /// Whether every object was seen. kube's store tells only the last of those who wait for it.
    listed: watch::Receiver<bool>,
    /// What was said last about a failure, so that it is said once.
    complaint: Option<String>,
    progress: Heartbeat,
}

impl Candidate {
    /// `listed` tells when every object was seen.
    pub(crate) fn new(
        leadership: Arc<Leadership>,
        heir: Arc<dyn Heir>,
        clock: SharedClock,
        telemetry: &Telemetry,
        lease: LeaseOf<'_>,
        listed: watch::Receiver<bool>,
    ) -> Self {
        let LeaseOf { client, namespace, pod_name } = lease;
        Self {
            leadership,
            heir,
            clock,
            metrics: Arc::clone(&telemetry.metrics),
            api: Api::namespaced(client, namespace),
            // A pod that is started again under its name is somebody else.
            me: format!("{pod_name}_{}", uuid::Uuid::new_v4()),
            located: format!("{namespace}/{LEASE_NAME}"),
            observation: Observation::default(),
            listed,
            complaint: None,
            progress: telemetry.liveness.heartbeat("election", STUCK),
        }
    }

    /// Takes part until told to resign; then the lease is free for the next one at once.
    pub(crate) async fn run(mut self, mut resign: oneshot::Receiver<()>) {
        let metrics = Arc::clone(&self.metrics);
        metrics.leader(LEASE_NAME, false);
        tokio::select! {
            () = self.know_the_objects() => {}
            _ = &mut resign => return,
        }
        loop {
            let until = tokio::select! {
                until = self.take() => until,
                _ = &mut resign => break,
            };
            self.heir.inherit().await;
            self.leadership.begin(until);
            metrics.leader(LEASE_NAME, true);
            tracing::info!(lease = self.located, holder = self.me, "elected: this process leads");
            let is_resigning = tokio::select! {
                () = self.keep() => false,
                _ = &mut resign => true,
            };
            self.leadership.end();
            metrics.leader(LEASE_NAME, false);
            if is_resigning {
                tracing::info!(lease = self.located, "resigned: this process leads no more");
                break;
            }
            tracing::warn!(lease = self.located, "the lease is lost: this process leads no more");
        }
        self.release().await;
    }

    /// Who has not yet seen the objects has nothing to lead, and sees them sooner without a leader's own lists.
    async fn know_the_objects(&mut self) {
        loop {
            self.progress.beat();
            tokio::select! {
                // An error is the end of the watch, and with it of the process.
                _ = self.listed.wait_for(|listed| *listed) => return,
                () = clock::pause(RETRY) => {}
            }
        }
    }

    /// Waits until the lease is free and is ours. Returns when it ends unless it is renewed.
    async fn take(&mut self) -> Duration {
        let mut sightings = pin!(sightings(self.api.clone()));
        let mut told_holder = None;
        loop {
            self.progress.beat();
            let now = self.clock.monotonic();
            let mut wait = self.observation.free_in(&self.me, now).unwrap_or(RETRY);
            if wait.is_zero() {
                if self.try_to_take().await {
                    return now + LEASE;
                }
                wait = RETRY;
            }
            let holder = self.observation.holder().filter(|holder| *holder != self.me).map(str::to_owned);
            if holder.is_some() && holder != told_holder {
                tracing::info!(lease = self.located, holder, "standing by: another process leads");
                told_holder = holder;
            }
            tokio::select! {
                seen = sightings.next() => match seen {
                    Some(Ok(lease)) => self.see(lease),
                    Some(Err(error)) => self.complain(telemetry::chain(&error)),
                    // It never ends by itself.
                    None => clock::pause(RETRY).await,
                },
                () = clock::pause(wait.min(RENEW_WITHIN)) => {}
            }
        }
    }

    /// Writes it over exactly what was seen; whoever was faster wins.
    async fn try_to_take(&mut self) -> bool {
        let lease = self.observation.taken(LEASE_NAME, &self.me, self.clock.now());
        let written = if lease.metadata.resource_version.is_some() {
            self.update(&lease).await
        } else {
            let params = PostParams::default();
            let created = self.api.create(&params, &lease);
            call(KubeCall::CreateLease, || self.located.clone(), created).await
        };
        match written {
            Ok(lease) => self.see(Some(lease)),
            Err(error) => {
                if !is_conflict(&error) {
                    self.complain(telemetry::chain(&error));
                }
                // It may have been written all the same, by us or by another.
                self.look().await;
                return false;
            }
        }
        true
    }

    /// Renews until somebody else has it, or until it could not be renewed for too long.
    async fn keep(&mut self) {
        let mut renewed_at = self.clock.monotonic();
        loop {
            clock::pause(RETRY).await;
            self.progress.beat();
            let now = self.clock.monotonic();
            let Some(left) = RENEW_WITHIN.checked_sub(now.saturating_sub(renewed_at)) else { return };
            match tokio::time::timeout(left, self.renew()).await {
                Ok(Renewal::Done) => {
                    renewed_at = now;
                    self.leadership.extend(now + LEASE);
                }
                Ok(Renewal::Failed) => {}
                Ok(Renewal::Lost) | Err(_) => return,
            }
        }
    }

    async fn renew(&mut self) -> Renewal {
        let Some(held) = self.observation.lease() else { return Renewal::Lost };
        match self.update(&election::renewed(held.clone(), self.clock.now())).await {
            Ok(written) => {
                self.see(Some(written));
                return Renewal::Done;
            }
            // Edited by hand, deleted, taken, or written by a renewal whose answer was lost.
            Err(error) if is_conflict(&error) => self.look().await,
            Err(error) => {
                self.complain(telemetry::chain(&error));
                return Renewal::Failed;
            }
        }
        let is_free = self.observation.free_in(&self.me, self.clock.monotonic()) == Some(Duration::ZERO);
        if !is_free {
            Renewal::Lost
        } else if self.try_to_take().await {
            Renewal::Done
        } else {
            Renewal::Failed
        }
    }

    /// Gives it back if it is ours; a write that was cut short may have made it so.
    async fn release(&mut self) {
        self.look().await;
        let held = self.observation.lease().filter(|lease| election::is_held_by(lease, &self.me));
        let Some(held) = held.cloned() else { return };
        match self.update(&election::released(held, self.clock.now())).await {
            Ok(_) => tracing::info!(lease = self.located, "the lease is released"),
            Err(error) => tracing::warn!(
                error = telemetry::chain(&error),
                "the lease could not be released: another process leads once it has ended"
            ),
        }
    }

    async fn update(&self, lease: &Lease) -> Result<Lease, CallError> {
        let params = PostParams::default();
        let replaced = self.api.replace(LEASE_NAME, &params, lease);
        call(KubeCall::UpdateLease, || self.located.clone(), replaced).await
    }

    fn see(&mut self, lease: Option<Lease>) {
        self.complaint = None;
        self.observation.see(lease, self.clock.monotonic());
    }

    async fn look(&mut self) {
        let read = call(KubeCall::ReadLease, || self.located.clone(), self.api.get(LEASE_NAME)).await;
        match absent(read) {
            Ok(lease) => self.see(lease),
            Err(error) => self.complain(telemetry::chain(&error)),
        }
    }

    fn complain(&mut self, complaint: String) {
        if self.complaint.as_ref() != Some(&complaint) {
            tracing::warn!(lease = self.located, error = complaint, "the lease cannot be used; trying again");
            self.complaint = Some(complaint);
        }
    }
}

/// Which Lease, and as whom.
pub(crate) struct LeaseOf<'a> {
    pub(crate) client: Client,
    /// The operator's own.
    pub(crate) namespace: &'a str,
    /// What it shows as its holder, before a random suffix.
    pub(crate) pod_name: &'a str,
}

enum Renewal {
    Done,
    /// Perhaps next time.
    Failed,
    /// Somebody else has it.
    Lost,
}

fn is_conflict(error: &CallError) -> bool {
    matches!(error.status(), Some(404 | 409))
}

/// News of the Lease as they come; a watch that broke is begun again after a moment.
fn sightings(api: Api<Lease>) -> impl Stream<Item = Result<Option<Lease>, watcher::Error>> {
    watch_object(api, LEASE_NAME).then(|seen| async {
        if seen.is_err() {
            clock::pause(RETRY).await;
        }
        seen
    })
}
