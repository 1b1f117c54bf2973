//! The frame around a pass: a live read before it, status, Events and the next appointment after.

use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use kube::{Api, ResourceExt, api::PostParams, runtime::controller::Action};
use tracing::Instrument;

use super::{
    due::{Circumstances, Due, SAFETY_NET, due, resync_interval},
    end::End,
    greeting::Newcomer,
    parts::Parts,
    report::{self, Grantee, Standing},
    walk::Pass,
};
use crate::{
    api::{BunqOAuthClient, BunqOAuthClientStatus},
    bunq,
    controller::{
        api_server::{KubeCall, absent, call, failed_with},
        manifests::{CauseId, Manifest, Verified},
        stop::{Stop, is_signature_trouble},
        tell::{
            log,
            status::{self, Report},
        },
    },
    plan::{Verdict, action::News},
    telemetry::{self, Work, metrics::ReconcileResult, trace},
};

/// For one pass, everything included: a silent peer costs this, not the object (`M1`).
const DEADLINE: Duration = Duration::from_mins(2);
/// Signatures that are wrong for so long need a person.
const TOO_LONG: Duration = Duration::from_hours(1);
/// After somebody else wrote the object in between.
const STALE: Duration = Duration::from_millis(200);

/// What a pass came to, for the queue and the metrics.
struct Outcome {
    again_in: Duration,
    result: ReconcileResult,
}

/// The frame around every pass.
pub(crate) struct Frame {
    parts: Arc<Parts>,
    /// Shows that no pass takes for ever.
    workers: Work,
    grantee: Grantee,
}

/// One pass over `object`, never failing: every trouble is told in the status and tried again.
pub(crate) async fn reconcile(object: Arc<Manifest>, frame: Arc<Frame>) -> Result<Action, Infallible> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let Parts { memories, duty, clock, metrics, .. } = &*frame.parts;
    // Whoever is elected looks at everything.
    let Some(term) = duty.term() else { return Ok(Action::requeue(SAFETY_NET)) };
    // Of the highest level, so that every line of a pass has these keys whatever the filter.
    let span = tracing::error_span!(
        "reconcile",
        controller = "bunqoauthclient",
        %namespace,
        %name,
        generation = object.generation,
        reconcileID = %uuid::Uuid::new_v4(),
        trace_id = tracing::field::Empty,
    );
    trace::show_id(&span);
    let clock = Arc::clone(clock);
    let _working = frame.workers.begin();
    let timer = metrics.reconcile_started(move || clock.monotonic());
    let uid = object.uid().unwrap_or_default();
    let pass = Box::pin(frame.pass(Arc::clone(&object)));
    let pass = AssertUnwindSafe(tokio::time::timeout(DEADLINE, pass)).catch_unwind().instrument(span.clone());
    let ended = tokio::select! {
        ended = pass => ended,
        // What it was about is somebody else's now.
        () = duty.ended(term) => return Ok(Action::requeue(SAFETY_NET)),
    };
    let outcome = match ended {
        Ok(Ok(outcome)) => {
            memories.calm(&uid);
            if matches!(outcome.result, ReconcileResult::Error) {
                trace::fail(&span, "error");
            }
            outcome
        }
        Ok(Err(_)) => {
            trace::fail(&span, "timeout");
            metrics.reconcile_timed_out();
            span.in_scope(|| tracing::error!("the pass did not end in {} s and is tried again", DEADLINE.as_secs()));
            Outcome { again_in: memories.back_off(&uid), result: ReconcileResult::Error }
        }
        Err(_) => {
            metrics.reconcile_panicked();
            trace::fail(&span, "panic");
            span.in_scope(|| tracing::error!("the pass panicked and is tried again"));
            frame.tell_panic(&object, &uid).instrument(span).await;
            Outcome { again_in: memories.back_off(&uid), result: ReconcileResult::Error }
        }
    };
    timer.finished(outcome.result);
    Ok(Action::requeue(outcome.again_in.max(Duration::from_millis(10))))
}

/// What became of a status.
enum Written {
    Yes,
    /// There was nothing to change.
    Same,
    /// Somebody else wrote the object since it was read, or deleted it.
    Stale,
    Failed,
}

impl Frame {
    pub(crate) fn new(parts: Arc<Parts>, workers: Work, grantee: Grantee) -> Self {
        Self { parts, workers, grantee }
    }

    async fn pass(&self, known: Arc<Manifest>) -> Outcome {
        let Parts { objects, memories, .. } = &*self.parts;
        let (namespace, name) = (known.namespace().unwrap_or_default(), known.name_any());
        let (api, uid) = (objects.api(&namespace), known.uid().unwrap_or_default());
        // The answer to a status that was written over this very version is as good as a read (`S2`).
        let (object, is_newcomer) = if let Some(object) = self.greet(Newcomer::known(&known), &api).await {
            (object, true)
        } else {
            let read = call(KubeCall::ReadManifest, || format!("{namespace}/{name}"), api.get(&name)).await;
            match absent(read) {
                Ok(Some(object)) => match self.greet(Newcomer::read(&object), &api).await {
                    Some(greeted) => (greeted, true),
                    None => (object, false),
                },
                Ok(None) => {
                    memories.forget(&uid);
                    return Outcome { again_in: SAFETY_NET, result: ReconcileResult::Success };
                }
                Err(error) => {
                    tracing::warn!(error = telemetry::chain(&error), "the object could not be read");
                    return Outcome { again_in: memories.short_back_off(&uid), result: ReconcileResult::Error };
                }
            }
        };
        let mut pass = Pass::new(&self.parts, object, is_newcomer);
        let end = match pass.run().await {
            End::Stop(Stop::Bank { source }) if is_signature_trouble(&source) => {
                self.weigh_signature_trouble(&pass, source).await
            }
            end => end,
        };
        self.keep(&pass, &end);
        let has_claim = pass.ledger.claim().is_some();
        let outcome = self.conclude(&api, &mut pass, end).await;
        if has_claim {
            objects.sweep_if_gone(&known);
        }
        outcome
    }

    /// The object after its first greeting; `None` if it has had one, or could not be given any.
    async fn greet(&self, newcomer: Option<Newcomer>, api: &Api<BunqOAuthClient>) -> Option<BunqOAuthClient> {
        newcomer?.greet(api, self.parts.clock.now()).await
    }

    async fn conclude(&self, api: &Api<BunqOAuthClient>, pass: &mut Pass, end: End) -> Outcome {
        let now = self.parts.clock.now();
        let uid = pass.talk.caller.uid.clone();
        let circumstances = Circumstances {
            uid: &uid,
            now,
            resync_interval: resync_interval(&pass.object),
            probe_in: pass
                .talk
                .environment
                .map(|bank| self.parts.gate.probe_in(bank, &pass.want.cause.key))
                .unwrap_or_default(),
            deadline: pass.seen.journal.deletion_deadline().filter(|_| pass.want.deleting),
        };
        let Due { again_in, next_attempt } = due(&end, &circumstances, &self.parts.memories);
        let outcome = Outcome { again_in, result: end.result() };
        let Some((reason, message)) = report::headline(&end, &pass.object, &self.grantee) else {
            self.tell_news(pass).await;
            return outcome;
        };
        let findings = report::findings(pass);
        let Standing { credentials, remote, secret } = report::standing(&end, reason, findings.user_id.is_some());
        let report = Report {
            generation: pass.want.cause.generation,
            now,
            reason,
            message,
            credentials,
            remote,
            secret,
            findings,
            inputs: Some(pass.inputs()),
            next_attempt,
            handled: pass.want.cause.requested_at.clone(),
        };
        let headline = |pass: &Pass| pass.object.status.as_ref().and_then(status::headline).map(str::to_owned);
        let before = headline(pass);
        let written = write_status(&mut pass.object, api, &report).await;
        self.tell_news(pass).await;
        match written {
            Written::Yes if before != headline(pass) => {
                log(reason, &report.message);
                self.parts.herald.tell_reason(&pass.object, reason, &report.message).await;
                outcome
            }
            Written::Yes | Written::Same => outcome,
            Written::Stale => Outcome { again_in: STALE, ..outcome },
            Written::Failed => Outcome {
                again_in: outcome.again_in.min(self.parts.memories.short_back_off(&uid)),
                result: ReconcileResult::Error,
            },
        }
    }

    /// What happened on the way is told when nobody waits for it any more.
    async fn tell_news(&self, pass: &Pass) {
        for news in &pass.news {
            if matches!(news, News::Repaired { .. }) {
                self.parts.metrics.drift_repaired();
            }
            self.parts.herald.tell_news(&pass.object, news).await;
        }
    }

    /// Told once until a pass ends in order.
    async fn tell_panic(&self, object: &Manifest, uid: &str) {
        if self.parts.memories.of(uid, |memory| !std::mem::replace(&mut memory.panicked, true)) {
            self.parts.herald.tell_panic(object).await;
        }
    }

    /// What this pass leaves in memory.
    fn keep(&self, pass: &Pass, end: &End) {
        let pair = pass.pair();
        let client = pass.seen.client.present().cloned();
        self.parts.memories.of(&pass.talk.caller.uid, |memory| {
            if pair.is_some() {
                memory.pair = pair;
            }
            match end {
                End::Verdict(Verdict::Synced | Verdict::Cancelled | Verdict::NothingToCancel) => {
                    memory.failures = 0;
                    if let (Some(at), Some(client)) = (pass.reads.at, client) {
                        let cause = CauseId::of(&pass.want.cause);
                        memory.verified = Some(Verified { at, cause, client, bound_ip: pass.bound_ip() });
                    }
                }
                End::Verdict(Verdict::Stalled(_) | Verdict::Released) => memory.verified = None,
                // It has a place in the bank's queue: what the status said before does not hold it up.
                End::Stop(Stop::Limit { .. }) => memory.released = true,
                End::Waiting(..) | End::Stop(_) => {}
            }
        });
    }

    /// Signatures that stay invalid for an hour, whatever is asked with this key, need a person (protocol §8).
    async fn weigh_signature_trouble(&self, pass: &Pass, source: bunq::Error) -> End {
        let Parts { sessions, gate, .. } = &*self.parts;
        // A person may have deleted the context, so that the bank's key is fetched anew.
        if let Some(environment) = pass.talk.environment {
            sessions.look_again(&pass.want.cause.key, environment).await;
        }
        if gate.doubted_for(&pass.want.cause.key) < TOO_LONG {
            return End::Stop(Stop::Bank { source });
        }
        End::Stop(Stop::ServerSignatureInvalid { context: sessions.locate(&pass.want.cause.key) })
    }
}

/// Writes the status if it differs; `object` is then as it was answered.
async fn write_status(object: &mut BunqOAuthClient, api: &Api<BunqOAuthClient>, report: &Report) -> Written {
    let old: BunqOAuthClientStatus = object.status.clone().unwrap_or_default();
    let new = status::next(&old, report);
    if new == old && object.status.is_some() {
        return Written::Same;
    }
    let name = object.name_any();
    let located = || format!("{}/{name}", object.namespace().unwrap_or_default());
    let changed = BunqOAuthClient { status: Some(new), ..object.clone() };
    let params = PostParams { field_manager: Some(crate::api::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let written = call(KubeCall::WriteStatus, located, api.replace_status(&name, &params, &changed)).await;
    let is_stale = failed_with(&written, 409) || failed_with(&written, 404);
    match written {
        Ok(written) => {
            *object = written;
            Written::Yes
        }
        Err(_) if is_stale => Written::Stale,
        Err(error) => {
            tracing::warn!(error = telemetry::chain(&error), "the status could not be written");
            Written::Failed
        }
    }
}
