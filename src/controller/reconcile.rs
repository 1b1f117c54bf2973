//! The frame around a pass: a live read before it, status, Events and the next appointment after.

use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use jiff::Timestamp;
use kube::{Api, ResourceExt, api::PostParams, runtime::controller::Action};
use tracing::Instrument;

use super::{
    appointment::{SAFETY_NET, appointment},
    audit::Author,
    context::{Operator, Verified},
    error::{Stop, is_signature_trouble, status_code},
    events::log,
    kube_call::{KubeCall, absent, failed_with, kube_call},
    message,
    pass::{End, Pass},
    status::{self, Part, Report},
};
use crate::{
    api::{BunqOAuthClient, BunqOAuthClientStatus},
    plan::{Reason, Verdict, Weight},
    telemetry::{self, metrics::ReconcileResult, trace},
};

/// For one pass, everything included: a silent peer costs this, not the object (`M1`).
const DEADLINE: Duration = Duration::from_mins(2);
/// After somebody else wrote the object in between.
const STALE: Duration = Duration::from_millis(200);

/// What a pass came to, for the queue and the metrics.
struct Outcome {
    again_in: Duration,
    result: ReconcileResult,
}

/// One pass over `object`, never failing: every trouble is told in the status and tried again.
pub(crate) async fn reconcile(object: Arc<BunqOAuthClient>, operator: Arc<Operator>) -> Result<Action, Infallible> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    // Whoever is elected looks at everything.
    let Some(term) = operator.leadership.term().filter(|_| operator.go_on().is_ok()) else {
        return Ok(Action::requeue(SAFETY_NET));
    };
    // Of the highest level, so that every line of a pass has these keys whatever the filter.
    let span = tracing::error_span!(
        "reconcile",
        controller = "bunqoauthclient",
        %namespace,
        %name,
        generation = object.metadata.generation,
        reconcileID = %uuid::Uuid::new_v4(),
        trace_id = tracing::field::Empty,
    );
    trace::show_id(&span);
    let clock = Arc::clone(&operator.clock);
    let _working = operator.workers.begin();
    let timer = operator.telemetry.metrics.reconcile_started(move || clock.monotonic());
    let uid = object.uid().unwrap_or_default();
    let pass = Box::pin(one_pass(Arc::clone(&operator), Arc::clone(&object)));
    let pass = AssertUnwindSafe(tokio::time::timeout(DEADLINE, pass)).catch_unwind().instrument(span.clone());
    let ended = tokio::select! {
        ended = pass => ended,
        // What it was about is somebody else's now.
        () = operator.leadership.ended(term) => return Ok(Action::requeue(SAFETY_NET)),
    };
    let outcome = match ended {
        Ok(Ok(outcome)) => {
            operator.calmed(&uid);
            if matches!(outcome.result, ReconcileResult::Error) {
                trace::fail(&span, "error");
            }
            outcome
        }
        Ok(Err(_)) => {
            trace::fail(&span, "timeout");
            operator.telemetry.metrics.reconcile_timed_out();
            span.in_scope(|| tracing::error!("the pass did not end in {} s and is tried again", DEADLINE.as_secs()));
            Outcome { again_in: operator.back_off(&uid), result: ReconcileResult::Error }
        }
        Err(_) => {
            operator.telemetry.metrics.reconcile_panicked();
            trace::fail(&span, "panic");
            span.in_scope(|| tracing::error!("the pass panicked and is tried again"));
            operator.tell_panic(&object, &uid).instrument(span).await;
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
                return Outcome { again_in: operator.short_back_off(&pass.caller.uid), result: ReconcileResult::Error };
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
    let has_claim = pass.claim.is_some();
    let outcome = conclude(&operator, &api, pass, end).await;
    if has_claim {
        operator.sweep_if_gone(&known);
    }
    outcome
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
    // The answer has the managed fields that the cache keeps none of.
    pass.caller.author = Arc::new(Author::of(&pass.object));
    pass.caller.is_newcomer
}

async fn conclude(operator: &Operator, api: &Api<BunqOAuthClient>, mut pass: Pass, end: End) -> Outcome {
    let now = operator.clock.now();
    let (again_in, next_attempt) = appointment(operator, &pass, &end, now);
    let outcome = Outcome { again_in, result: end.result() };
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
            again_in: outcome.again_in.min(operator.short_back_off(&pass.caller.uid)),
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
        status.observed_generation == pass.object.metadata.generation && status::tells_of_an_outage(status)
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
            reason if reason.weight() == Weight::Stalled => report.remote = Part::Bad,
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
