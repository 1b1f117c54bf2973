//! Keeps the Lease: takes it when it is free, renews it, gives it back (`F08`–`F11`, `L6`).

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::PostParams,
    runtime::watcher::{self, watch_object},
};
use tokio::sync::{oneshot, watch};

use super::{
    context::Operator,
    election::{self, LEASE, Observation, RENEW_WITHIN, RETRY},
    error::Stop,
    kube_call::{KubeCall, absent, is_status, kube_call},
};
use crate::{
    clock,
    telemetry::{self, Heartbeat},
};

/// The Lease of all replicas, in the operator's namespace.
pub const LEASE_NAME: &str = "bunq-oauth-operator";

/// The election is looked at far more often.
const STUCK: Duration = Duration::from_secs(40);

/// One replica's part in the election.
pub(super) struct Candidate {
    operator: Arc<Operator>,
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
    pub(super) fn new(operator: Arc<Operator>, client: Client, listed: watch::Receiver<bool>) -> Self {
        let namespace = &operator.config.operator_namespace;
        Self {
            api: Api::namespaced(client, namespace),
            // A pod that is started again under its name is somebody else.
            me: format!("{}_{}", operator.config.pod_name, uuid::Uuid::new_v4()),
            located: format!("{namespace}/{LEASE_NAME}"),
            observation: Observation::default(),
            listed,
            complaint: None,
            progress: operator.telemetry.liveness.heartbeat("election", STUCK),
            operator,
        }
    }

    /// Takes part until told to resign; then the lease is free for the next one at once.
    pub(super) async fn run(mut self, mut resign: oneshot::Receiver<()>) {
        let metrics = Arc::clone(&self.operator.telemetry.metrics);
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
            self.operator.take_over().await;
            self.operator.leadership.begin(until);
            metrics.leader(LEASE_NAME, true);
            tracing::info!(lease = self.located, holder = self.me, "elected: this process leads");
            let is_resigning = tokio::select! {
                () = self.keep() => false,
                _ = &mut resign => true,
            };
            self.operator.leadership.end();
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
            let now = self.operator.clock.monotonic();
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
        let lease = self.observation.taken(LEASE_NAME, &self.me, self.operator.clock.now());
        let written = if lease.metadata.resource_version.is_some() {
            self.update(&lease).await
        } else {
            let params = PostParams::default();
            let created = self.api.create(&params, &lease);
            kube_call(KubeCall::CreateLease, || self.located.clone(), created).await
        };
        match written {
            Ok(lease) => self.see(Some(lease)),
            Err(stop) => {
                if !is_conflict(&stop) {
                    self.complain(telemetry::chain(&stop));
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
        let mut renewed_at = self.operator.clock.monotonic();
        loop {
            clock::pause(RETRY).await;
            self.progress.beat();
            let now = self.operator.clock.monotonic();
            let Some(left) = RENEW_WITHIN.checked_sub(now.saturating_sub(renewed_at)) else { return };
            match tokio::time::timeout(left, self.renew()).await {
                Ok(Renewal::Done) => {
                    renewed_at = now;
                    self.operator.leadership.extend(now + LEASE);
                }
                Ok(Renewal::Failed) => {}
                Ok(Renewal::Lost) | Err(_) => return,
            }
        }
    }

    async fn renew(&mut self) -> Renewal {
        let Some(held) = self.observation.lease() else { return Renewal::Lost };
        match self.update(&election::renewed(held.clone(), self.operator.clock.now())).await {
            Ok(written) => {
                self.see(Some(written));
                return Renewal::Done;
            }
            // Edited by hand, deleted, taken, or written by a renewal whose answer was lost.
            Err(stop) if is_conflict(&stop) => self.look().await,
            Err(stop) => {
                self.complain(telemetry::chain(&stop));
                return Renewal::Failed;
            }
        }
        let is_free = self.observation.free_in(&self.me, self.operator.clock.monotonic()) == Some(Duration::ZERO);
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
        match self.update(&election::released(held, self.operator.clock.now())).await {
            Ok(_) => tracing::info!(lease = self.located, "the lease is released"),
            Err(stop) => tracing::warn!(
                error = telemetry::chain(&stop),
                "the lease could not be released: another process leads once it has ended"
            ),
        }
    }

    async fn update(&self, lease: &Lease) -> Result<Lease, Stop> {
        let params = PostParams::default();
        let replaced = self.api.replace(LEASE_NAME, &params, lease);
        kube_call(KubeCall::UpdateLease, || self.located.clone(), replaced).await
    }

    fn see(&mut self, lease: Option<Lease>) {
        self.complaint = None;
        self.observation.see(lease, self.operator.clock.monotonic());
    }

    async fn look(&mut self) {
        let read = kube_call(KubeCall::ReadLease, || self.located.clone(), self.api.get(LEASE_NAME)).await;
        match absent(read) {
            Ok(lease) => self.see(lease),
            Err(stop) => self.complain(telemetry::chain(&stop)),
        }
    }

    fn complain(&mut self, complaint: String) {
        if self.complaint.as_ref() != Some(&complaint) {
            tracing::warn!(lease = self.located, error = complaint, "the lease cannot be used; trying again");
            self.complaint = Some(complaint);
        }
    }
}

enum Renewal {
    Done,
    /// Perhaps next time.
    Failed,
    /// Somebody else has it.
    Lost,
}

fn is_conflict(stop: &Stop) -> bool {
    is_status(stop, 409) || is_status(stop, 404)
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
