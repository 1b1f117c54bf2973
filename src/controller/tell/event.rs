//! Events: one per change of a reason, and one per thing that happened once (C27). Publishing
//! never fails a pass.

use std::sync::{Mutex, PoisonError};

use kube::{
    Client, Resource, ResourceExt,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use crate::{
    api::{self, BunqOAuthClient},
    controller::api_server::{KubeCall, call},
    plan::{
        Reason, Weight,
        action::{News, Release},
    },
    telemetry,
};

/// The API server refuses notes over 1 kB.
const LONGEST_NOTE: usize = 1000;
/// Events that are remembered, to count one that repeats instead of writing another (2 kB each).
const REMEMBERED: usize = 128;

/// Publishes Events. kube's recorder remembers all of six minutes: in a large cluster's first minutes, that is most
/// of its memory. So it is a new one after so many.
pub(crate) struct Herald {
    client: Client,
    recorder: Mutex<(Recorder, usize)>,
}

impl Herald {
    pub(crate) fn new(client: Client) -> Self {
        let first = recorder(&client);
        Self { client, recorder: Mutex::new((first, 0)) }
    }

    /// The reason of Ready has changed.
    pub(crate) async fn tell_reason(&self, object: &BunqOAuthClient, reason: Reason, message: &str) {
        let type_ = match reason.weight() {
            Weight::Stalled => EventType::Warning,
            Weight::Ready | Weight::Suspended => EventType::Normal,
            Weight::Reconciling => match reason {
                Reason::BankUnavailable
                | Reason::BankNotTrusted
                | Reason::BankAnswerUnverified
                | Reason::KubernetesUnavailable => EventType::Warning,
                _ => EventType::Normal,
            },
        };
        self.tell(object, type_, reason.as_str(), "Reconcile", message).await;
    }

    /// Something happened once.
    pub(crate) async fn tell_news(&self, object: &BunqOAuthClient, news: &News) {
        let (reason, note) = match news {
            News::Created { id } => ("ClientCreated", format!("created OAuth client {id} at bunq")),
            News::Adopted { client_id, foreign_urls } => (
                "ClientAdopted",
                format!(
                    "adopted the OAuth client {client_id}; {foreign_urls} of its redirect URLs belong to somebody else and stay"
                ),
            ),
            News::Recovered { id } => (
                "ClientRecovered",
                format!("took up OAuth client {id} again, which the status names: its journal was lost"),
            ),
            News::GivenUp { client_id } => {
                ("ClientGivenUp", format!("gave up the OAuth client {client_id}, as the annotation allows"))
            }
            News::Repaired { what } => ("DriftRepaired", format!("{what} had vanished at bunq and is written again")),
        };
        self.tell(object, EventType::Normal, reason, "Reconcile", &note).await;
    }

    /// The finalizer goes.
    pub(crate) async fn tell_release(&self, object: &BunqOAuthClient, release: &Release) {
        let kept = |why: &str| format!("the OAuth client at bunq was not cancelled: {why}");
        let (type_, reason, note) = match release {
            Release::Retained => (EventType::Normal, "ClientRetained", kept("deletionPolicy is Retain")),
            Release::Suspended => (EventType::Warning, "ClientRetained", kept("the object is suspended")),
            Release::NothingToCancel => {
                (EventType::Normal, "NothingToCancel", "there is no OAuth client of ours at bunq".to_owned())
            }
            Release::NotConfirmed { client_id } => (
                EventType::Warning,
                "ClientRetained",
                kept(&format!(
                    "it was adopted, and no annotation bunq-operator.io/confirm-cancel: \"{client_id}\" confirms it"
                )),
            ),
            Release::Cancelled => {
                (EventType::Normal, "ClientCancelled", "cancelled the OAuth client at bunq".to_owned())
            }
            Release::GaveUp { why } => (
                EventType::Warning,
                "CancelGivenUp",
                format!("the OAuth client at bunq may still be ACTIVE: {why}; cancel it in the bunq app"),
            ),
        };
        // In a namespace that is going away no Event can be made: this line is all that stays.
        tracing::info!(reason, note, "the finalizer goes");
        self.tell(object, type_, reason, "Delete", &note).await;
    }

    /// A pass over the object panicked (`F36`); what the panic said may hold secrets.
    pub(crate) async fn tell_panic(&self, object: &impl Resource<DynamicType = ()>) {
        let note = "the operator failed over this object, by a defect of its own; other objects go on, and this one is \
                    tried again. Report it with the log of the operator around this time";
        self.tell(object, EventType::Warning, "ReconcilePanicked", "Reconcile", note).await;
    }

    /// Publishes one Event; what goes wrong is only logged.
    async fn tell(
        &self,
        object: &impl Resource<DynamicType = ()>,
        type_: EventType,
        reason: &str,
        action: &str,
        note: &str,
    ) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(shorten(note)),
            action: action.to_owned(),
            secondary: None,
        };
        let reference = object.object_ref(&());
        let about = || format!("{reason} about {}/{}", object.namespace().unwrap_or_default(), object.name_any());
        let recorder = self.next_recorder();
        if let Err(error) = call(KubeCall::PublishEvent, about, recorder.publish(&event, &reference)).await {
            tracing::info!(error = telemetry::chain(&error), "an Event could not be published");
        }
    }

    /// For one Event.
    fn next_recorder(&self) -> Recorder {
        let mut current = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        if current.1 == REMEMBERED {
            *current = (recorder(&self.client), 0);
        }
        current.1 += 1;
        current.0.clone()
    }
}

fn recorder(client: &Client) -> Recorder {
    Recorder::new(client.clone(), Reporter { controller: api::GROUP.to_owned(), instance: None })
}

/// The line in the log for a reason that is new.
pub(crate) fn log(reason: Reason, message: &str) {
    match reason.weight() {
        Weight::Stalled => tracing::warn!(reason = reason.as_str(), message),
        Weight::Ready | Weight::Reconciling | Weight::Suspended => tracing::info!(reason = reason.as_str(), message),
    }
}

fn shorten(note: &str) -> String {
    if note.len() <= LONGEST_NOTE {
        return note.to_owned();
    }
    let end = (0..=LONGEST_NOTE).rev().find(|index| note.is_char_boundary(*index)).unwrap_or_default();
    format!("{}…", &note[..end])
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc};

    use hyper::{Method, Request, Response};
    use k8s_openapi::api::core::v1::ObjectReference;
    use kube::client::Body;
    use tower::service_fn;

    use super::*;

    fn event(reason: &str) -> Event {
        let (reason, action) = (reason.to_owned(), "Reconcile".to_owned());
        Event { type_: EventType::Normal, reason, note: None, action, secondary: None }
    }

    #[tokio::test]
    async fn an_event_that_repeats_is_counted_unless_many_others_came_between() {
        let methods: Arc<Mutex<Vec<Method>>> = Arc::default();
        let heard = Arc::clone(&methods);
        let echo = service_fn(move |request: Request<Body>| {
            heard.lock().unwrap().push(request.method().clone());
            std::future::ready(Ok::<_, Infallible>(Response::new(request.into_body())))
        });
        let herald = Herald::new(Client::new(echo, "default"));
        let about = ObjectReference { namespace: Some("default".to_owned()), ..ObjectReference::default() };
        let others = (0..REMEMBERED).map(|number| format!("Other{number}"));
        let reasons = ["Same", "Same"].map(str::to_owned).into_iter().chain(others).chain(["Same".to_owned()]);
        for reason in reasons {
            // The echo of a patch is no Event; that it was sent is what counts.
            let _ = herald.next_recorder().publish(&event(&reason), &about).await;
        }
        let methods = methods.lock().unwrap();
        assert_eq!(methods[..2], [Method::POST, Method::PATCH]);
        assert_eq!(methods.last(), Some(&Method::POST), "it had been forgotten");
    }

    #[test]
    fn a_note_is_cut_between_characters_and_fits() {
        let note = "é".repeat(900);
        assert!(shorten(&note).len() <= 1024);
        assert_eq!(shorten("short"), "short");
    }
}
