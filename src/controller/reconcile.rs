//! The frame around a pass: a live read before it, status, Events and the next appointment after.

use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use jiff::Timestamp;
use kube::{Api, ResourceExt, api::PostParams, runtime::controller::Action};
use tracing::Instrument;

use super::{
    context::{Operator, Verified},
    error::{Retry, Stop, is_signature_trouble, status_code},
    kube_call::{KubeCall, absent, failed_with, kube_call},
    message,
    pass::{End, Pass, draw},
    status::{self, Part, Report},
};
use crate::{
    api::{BunqOAuthClient, BunqOAuthClientStatus},
    plan::{Class, Reason, Verdict, backoff},
    telemetry::{self, metrics::ReconcileResult},
};

/// For one pass, everything included: a silent peer costs this, not the object (`M1`).
const DEADLINE: Duration = Duration::from_mins(2);
/// A pass is never further away than this, whatever else is set.
const SAFETY_NET: Duration = Duration::from_hours(1);
/// After somebody else wrote the object in between.
const STALE: Duration = Duration::from_millis(200);
/// A stalled object is looked at again this often, at most and at least.
const STALLED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(10));

/// What a pass came to, for the queue and the metrics.
struct Outcome {
    again_in: Duration,
    result: ReconcileResult,
}

/// One pass over `object`, never failing: every trouble is told in the status and tried again.
pub(crate) async fn reconcile(object: Arc<BunqOAuthClient>, operator: Arc<Operator>) -> Result<Action, Infallible> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let span = tracing::info_span!(
        "reconcile",
        controller = "bunqoauthclient",
        %namespace,
        %name,
        generation = object.metadata.generation,
        reconcileID = %uuid::Uuid::new_v4(),
    );
    let clock = Arc::clone(&operator.clock);
    let timer = operator.telemetry.metrics.reconcile_started(move || clock.monotonic());
    let uid = object.uid().unwrap_or_default();
    let pass = Box::pin(one_pass(Arc::clone(&operator), object));
    let pass = AssertUnwindSafe(tokio::time::timeout(DEADLINE, pass)).catch_unwind().instrument(span.clone());
    let outcome = match pass.await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => {
            span.in_scope(|| tracing::error!("the pass did not end in {} s and is tried again", DEADLINE.as_secs()));
            Outcome { again_in: operator.back_off(&uid), result: ReconcileResult::Error }
        }
        Err(_) => {
            operator.telemetry.metrics.reconcile_panicked();
            span.in_scope(|| tracing::error!("the pass panicked and is tried again"));
            Outcome { again_in: operator.back_off(&uid), result: ReconcileResult::Error }
        }
    };
    timer.finished(outcome.result);
    Ok(Action::requeue(outcome.again_in.max(Duration::from_millis(10))))
}

async fn one_pass(operator: Arc<Operator>, known: Arc<BunqOAuthClient>) -> Outcome {
    let (namespace, name) = (known.namespace().unwrap_or_default(), known.name_any());
    let api = operator.objects(&namespace);
    let mut pass = Pass::new(Arc::clone(&operator), (*known).clone());
    // The answer to a status that was written over this very version is as good as a read (`S2`).
    if known.status.is_some() || !greet(&mut pass, &api).await {
        let read = kube_call(KubeCall::ReadManifest, || format!("{namespace}/{name}"), api.get(&name)).await;
        let object = match absent(read) {
            Ok(Some(object)) => object,
            Ok(None) => {
                operator.forget(&pass.caller.uid);
                return Outcome { again_in: SAFETY_NET, result: ReconcileResult::Success };
            }
            Err(stop) => {
                tracing::warn!(error = telemetry::chain(&stop), "the object could not be read");
                return Outcome { again_in: operator.back_off(&pass.caller.uid), result: ReconcileResult::Error };
            }
        };
        pass = Pass::new(Arc::clone(&operator), object);
        greet(&mut pass, &api).await;
    }
    let end = match pass.run().await {
        End::Stop(Stop::Bank { source }) if is_signature_trouble(&source) => {
            operator.weigh_signature_trouble(&pass, source).await
        }
        end => end,
    };
    operator.keep(&pass, &end);
    conclude(&operator, &api, pass, end).await
}

/// The first visit is visible at once: all conditions, not yet known (C03). Whether this was it.
async fn greet(pass: &mut Pass, api: &Api<BunqOAuthClient>) -> bool {
    let is_known = pass.object.status.as_ref().is_some_and(|status| !status.conditions.is_empty());
    if is_known || pass.want.deleting || pass.want.suspended {
        return false;
    }
    let message = Reason::Progressing.meaning().to_owned();
    let mut report = report(pass, Reason::Progressing, message, None);
    report.inputs = None;
    report.handled = None;
    pass.caller.is_newcomer = matches!(write_status(pass, api, &report).await, Written::Yes);
    pass.caller.is_newcomer
}

async fn conclude(operator: &Operator, api: &Api<BunqOAuthClient>, mut pass: Pass, end: End) -> Outcome {
    let now = operator.clock.now();
    let (again_in, next_attempt) = appointment(operator, &pass, &end, now);
    let result = match &end {
        End::Stop(stop) if matches!(stop.retry(), Retry::Backoff) => ReconcileResult::Error,
        End::Stop(_) | End::Waiting(..) | End::Verdict(_) => ReconcileResult::RequeueAfter,
    };
    let outcome = Outcome { again_in, result };
    let Some((reason, message)) = tell(operator, &pass, &end) else {
        tell_news(operator, &mut pass).await;
        return outcome;
    };
    let mut report = report(&pass, reason, message, next_attempt);
    set_parts(&mut report, &end);
    let headline = |pass: &Pass| pass.object.status.as_ref().and_then(status::headline).map(str::to_owned);
    let before = headline(&pass);
    let written = write_status(&mut pass, api, &report).await;
    tell_news(operator, &mut pass).await;
    match written {
        Written::Yes if before != headline(&pass) => {
            log(reason, &report.message);
            operator.tell_reason(&pass.object, reason, &report.message).await;
            outcome
        }
        Written::Yes | Written::Same => outcome,
        Written::Stale => Outcome { again_in: STALE, ..outcome },
        Written::Failed => Outcome {
            again_in: outcome.again_in.min(operator.back_off(&pass.caller.uid)),
            result: ReconcileResult::Error,
        },
    }
}

/// What happened on the way is told when nobody waits for it any more.
async fn tell_news(operator: &Operator, pass: &mut Pass) {
    for news in std::mem::take(&mut pass.news) {
        operator.tell_news(&pass.object, &news).await;
    }
}

/// Reason and message of this end; `None` when the status is to stay as it is.
fn tell(operator: &Operator, pass: &Pass, end: &End) -> Option<(Reason, String)> {
    let namespace = pass.object.namespace().unwrap_or_default();
    let secret = format!("{namespace}/{}", pass.output_name());
    match end {
        End::Verdict(Verdict::Released) => None,
        End::Verdict(_) if pass.want.deleting => None,
        End::Verdict(verdict) => {
            Some((verdict_reason(verdict)?, message::of_verdict(verdict, &pass.caller.object, &secret)))
        }
        End::Waiting(_, waiting) => Some((waiting.reason(), message::of_waiting(*waiting))),
        // Suspended from birth is told; later the last status stays: nothing is looked at (D6).
        End::Stop(Stop::Suspended) if !is_new_or_suspended(pass) => None,
        // A look that has its turn later is no news: objects at rest do not move (protocol §9).
        End::Stop(Stop::Limit { .. }) if is_ready_as_declared(pass) => None,
        // An outage is told once.
        End::Stop(Stop::Outage) if is_outage_told(pass) => None,
        // Somebody else wrote in between; nothing is wrong.
        End::Stop(Stop::Kube { source, .. }) if status_code(source) == Some(409) => None,
        End::Stop(stop) => {
            let message = message::of_stop(stop, &operator.config.operator_namespace, &operator.config.service_account);
            Some((stop.reason()?, message))
        }
    }
}

fn is_ready_as_declared(pass: &Pass) -> bool {
    let status = pass.object.status.as_ref();
    status.is_some_and(|status| {
        status.observed_generation == pass.object.metadata.generation && status::is_true(status, "Ready")
    })
}

fn is_outage_told(pass: &Pass) -> bool {
    let status = pass.object.status.as_ref();
    status.is_some_and(|status| {
        status.observed_generation == pass.object.metadata.generation
            && status::headline(status) == Some(Reason::BankUnavailable.as_str())
    })
}

fn is_new_or_suspended(pass: &Pass) -> bool {
    let reason = pass.object.status.as_ref().and_then(status::ready_reason);
    reason.is_none() || reason == Some(Reason::Suspended.as_str())
}

fn verdict_reason(verdict: &Verdict) -> Option<Reason> {
    match verdict {
        Verdict::Synced => Some(Reason::Synced),
        Verdict::Cancelled => Some(Reason::Cancelled),
        Verdict::NothingToCancel => Some(Reason::NothingToCancel),
        Verdict::Stalled(stall) => Some(stall.reason()),
        Verdict::Released => None,
    }
}

fn report(pass: &Pass, reason: Reason, message: String, next_attempt: Option<Timestamp>) -> Report {
    Report {
        generation: pass.want.cause.generation,
        now: pass.operator.clock.now(),
        reason,
        message,
        credentials: Part::Unseen,
        remote: Part::Unseen,
        secret: Part::Unseen,
        findings: pass.findings(),
        inputs: Some(pass.inputs()),
        next_attempt,
        handled: pass.want.cause.requested_at.clone(),
    }
}

/// Which part of the whole this end speaks of.
fn set_parts(report: &mut Report, end: &End) {
    if report.findings.user_id.is_some() {
        report.credentials = Part::Good;
    }
    match end {
        End::Verdict(Verdict::Synced | Verdict::Cancelled | Verdict::NothingToCancel) => {
            report.remote = Part::Good;
            report.secret = Part::Good;
        }
        End::Verdict(_) | End::Waiting(..) | End::Stop(_) => match report.reason {
            Reason::SecretNotOwned | Reason::SecretImmutable => report.secret = Part::Bad,
            Reason::CredentialsSecretNotFound
            | Reason::CredentialsKeyNotFound
            | Reason::CredentialsKeyEmpty
            | Reason::CredentialsRejected
            | Reason::NotAnApiKey
            | Reason::EnvironmentMismatch
            | Reason::UserChanged
            | Reason::NamespaceNotGranted => report.credentials = Part::Bad,
            reason if reason.class() == Class::Stalled => report.remote = Part::Bad,
            _ => {}
        },
    }
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

/// Writes the status if it differs.
async fn write_status(pass: &mut Pass, api: &Api<BunqOAuthClient>, report: &Report) -> Written {
    let old: BunqOAuthClientStatus = pass.object.status.clone().unwrap_or_default();
    let new = status::next(&old, report);
    if new == old && pass.object.status.is_some() {
        return Written::Same;
    }
    let name = pass.object.name_any();
    let object = BunqOAuthClient { status: Some(new), ..pass.object.clone() };
    let params = PostParams { field_manager: Some(crate::api::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let written =
        kube_call(KubeCall::WriteStatus, || pass.caller.object.clone(), api.replace_status(&name, &params, &object))
            .await;
    let is_stale = failed_with(&written, 409) || failed_with(&written, 404);
    match written {
        Ok(written) => {
            pass.object = written;
            Written::Yes
        }
        Err(_) if is_stale => Written::Stale,
        Err(stop) => {
            tracing::warn!(error = telemetry::chain(&stop), "the status could not be written");
            Written::Failed
        }
    }
}

/// When the next pass is due, and whether the status should say so. A deletion is never looked at
/// later than when it is given up (`L4`).
fn appointment(operator: &Operator, pass: &Pass, end: &End, now: Timestamp) -> (Duration, Option<Timestamp>) {
    let (again_in, next_attempt) = usual_appointment(operator, pass, end, now);
    let deadline = pass.seen.journal.deletion_deadline();
    match deadline.filter(|deadline| pass.want.deleting && *deadline > now) {
        Some(deadline) => (
            again_in.min(deadline.duration_since(now).unsigned_abs()),
            next_attempt.map(|attempt| attempt.min(deadline)),
        ),
        None => (again_in, next_attempt),
    }
}

fn usual_appointment(operator: &Operator, pass: &Pass, end: &End, now: Timestamp) -> (Duration, Option<Timestamp>) {
    let uid = &pass.caller.uid;
    let until = |at: Timestamp| (at.duration_since(now).max(jiff::SignedDuration::ZERO).unsigned_abs(), Some(at));
    match end {
        End::Verdict(Verdict::Stalled(_)) => (operator.back_off(uid).clamp(STALLED.0, STALLED.1), None),
        End::Verdict(Verdict::Released) => (SAFETY_NET, None),
        End::Verdict(Verdict::Synced | Verdict::Cancelled | Verdict::NothingToCancel) => {
            let verified = operator.remember(uid, |memory| memory.verified.as_ref().map(|verified| verified.at));
            let age = verified.map(|at| now.duration_since(at).unsigned_abs()).unwrap_or_default();
            (pass.resync_interval().saturating_sub(age), None)
        }
        End::Waiting(at, _) => until(*at),
        // Who failed last asks next whether the bank is back.
        End::Stop(Stop::Bank { .. }) if !probe(operator, pass).is_zero() => {
            until(now.saturating_add(probe(operator, pass)).unwrap_or(now))
        }
        End::Stop(stop) => match stop.retry() {
            Retry::OnChange => (SAFETY_NET, None),
            Retry::At(at) => until(at),
            Retry::After(delay) => (delay, None),
            Retry::Backoff => until(now.saturating_add(operator.back_off(uid)).unwrap_or(now)),
        },
    }
}

/// How far off the next probe of this object's bank is; zero while the bank is there.
fn probe(operator: &Operator, pass: &Pass) -> Duration {
    let now = operator.clock.monotonic();
    pass.environment.map(|environment| operator.breaker.closed_in(environment, now)).unwrap_or_default()
}

impl Operator {
    /// What this pass leaves in memory.
    fn keep(&self, pass: &Pass, end: &End) {
        let pair = pass.pair();
        let client = pass.seen.client.present().cloned();
        self.remember(&pass.caller.uid, |memory| {
            if pair.is_some() {
                memory.pair = pair;
            }
            match end {
                End::Verdict(Verdict::Synced | Verdict::Cancelled | Verdict::NothingToCancel) => {
                    memory.failures = 0;
                    memory.distrusted_since = None;
                    if let (Some(at), Some(client)) = (pass.read_at, client) {
                        memory.verified =
                            Some(Verified { at, cause: pass.want.cause.clone(), client, bound_ip: pass.bound_ip() });
                    }
                }
                End::Verdict(Verdict::Stalled(_) | Verdict::Released) => memory.verified = None,
                End::Waiting(..) | End::Stop(_) => {}
            }
        });
    }

    /// The next delay of an object that fails again and again.
    fn back_off(&self, uid: &str) -> Duration {
        let failures = self.remember(uid, |memory| {
            memory.failures = memory.failures.saturating_add(1);
            memory.failures
        });
        let random = uuid::Uuid::new_v4();
        backoff::after_failure(failures, draw(&random.to_string()))
    }

    /// Signatures that stay invalid for an hour need a person (protocol §8).
    async fn weigh_signature_trouble(&self, pass: &Pass, source: crate::bunq::Error) -> End {
        // A person may have deleted the context, so that the bank's key is fetched anew.
        if let Some(environment) = pass.environment {
            self.contexts.reload_named(&pass.want.cause.key, environment).await;
        }
        let now = self.clock.now();
        let since = self.remember(&pass.caller.uid, |memory| *memory.distrusted_since.get_or_insert(now));
        if now.duration_since(since).as_hours() < 1 {
            return End::Stop(Stop::Bank { source });
        }
        End::Stop(Stop::ServerSignatureInvalid { context: self.contexts.locate(&pass.want.cause.key) })
    }
}

fn log(reason: Reason, message: &str) {
    match reason.class() {
        Class::Stalled => tracing::warn!(reason = reason.as_str(), message),
        Class::Ready | Class::Reconciling | Class::Suspended => tracing::info!(reason = reason.as_str(), message),
    }
}
