//! Between the operator and the world: each effect is counted, judged, and perhaps cut.

use std::{future::poll_fn, io, panic, pin::pin, sync::Arc, task::Poll};

use bunq_oauth_operator::bunq::{
    Fault, HttpTransport, Request as BankRequest, Response as BankResponse, Stage, Transport, TransportError,
};
use futures::future::BoxFuture;
use hyper::{Request, Response};
use kube::{Client, client::Body};

use super::{
    cut::{Cut, Dropped},
    effect::{self, Asked, Effect},
    judge::Judge,
    script::{Fate, Script},
};
use crate::harness::{TestClock, world::Seams};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The wire of one process.
pub(super) struct Wire {
    pub(super) script: Arc<Script>,
    pub(super) judge: Arc<Judge>,
    pub(super) process: u64,
    pub(super) kube: Client,
    pub(super) bank: HttpTransport,
    pub(super) operator_namespace: String,
}

/// An effect under way: its end is noted however it ends.
struct UnderWay<'a> {
    wire: &'a Wire,
    effect: Effect,
    is_done: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.effect.is_client_mutation() {
            self.wire.script.end_mutation();
        }
        self.wire.script.end(self.effect, self.wire.process, self.is_done);
    }
}

impl Wire {
    /// The seams that lead through it.
    pub(super) fn seams(self: &Arc<Self>, clock: Arc<TestClock>) -> Seams {
        let wire = Arc::clone(self);
        let service = tower::service_fn(move |request| Arc::clone(&wire).ask_kube(request));
        let client = Client::new(service, self.operator_namespace.clone());
        Seams { client, transport: Arc::new(ToBank(Arc::clone(self))), clock }
    }

    async fn ask_kube(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let effect = match effect::of_kube(&request, &self.operator_namespace) {
            Asked::Effect(effect) => effect,
            Asked::Listening => return Ok(self.kube.send(request).await?),
            Asked::Unknown(what) => {
                self.script.complain(&format!("the operator asked {what}, which no call of its names"));
                return Ok(self.kube.send(request).await?);
            }
        };
        let cut = self.begin(effect).await;
        let mut under_way = self.under_way(effect);
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        self.judge.before_kube(effect, &body).await;
        if cut == Some(Cut::Before) {
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
        }
        let response = self.polled(self.kube.send(Request::from_parts(parts, Body::from(body)))).await;
        under_way.is_done = response.as_ref().is_ok_and(|response| response.status().is_success());
        drop(under_way);
        if self.is_lost(cut) {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
        }
        let (parts, body) = response?.into_parts();
        let body = self.polled(body.collect_bytes()).await?;
        self.judge.after_kube(effect, self.process, &body);
        Ok(Response::from_parts(parts, Body::from(body)))
    }

    async fn ask_bank(&self, request: BankRequest) -> Result<BankResponse, TransportError> {
        let Some(effect) = effect::of_bank(&request) else {
            self.script.complain(&format!("the bank was asked {request:?}, which no call names"));
            return self.bank.send(request).await;
        };
        let cut = self.begin(effect).await;
        let mut under_way = self.under_way(effect);
        self.judge.before_bank(effect, self.process, &request).await;
        if cut == Some(Cut::Before) {
            return Err(failure(Stage::NotSent, Fault::Connect));
        }
        let response = self.polled(self.bank.send(request)).await;
        under_way.is_done = response.as_ref().is_ok_and(|response| (200..300).contains(&response.status));
        let is_done = under_way.is_done;
        drop(under_way);
        if self.is_lost(cut) {
            return Err(failure(Stage::MaybeSent, Fault::Interrupted));
        }
        if is_done {
            self.judge.after_bank(effect);
        }
        response
    }

    /// Returns how the effect is cut; never, if its process is dead.
    async fn begin(&self, effect: Effect) -> Option<Cut> {
        match self.script.begin(effect, self.process) {
            Fate::Goes(cut) => cut,
            Fate::Dead => std::future::pending().await,
        }
    }

    /// Waits for `inner`; whoever waits may be dropped after any poll of it.
    async fn polled<T>(&self, inner: impl Future<Output = T>) -> T {
        let (mut inner, mut is_cut) = (pin!(inner), false);
        poll_fn(|context| {
            // It may have ended in the very poll that was cut, and must not be asked again.
            if is_cut {
                return Poll::Pending;
            }
            let polled = inner.as_mut().poll(context);
            match self.script.poll(self.process) {
                None => polled,
                Some(Dropped::Pass) => panic::resume_unwind(Box::new("the pass is dropped here")),
                // It waits until the process is gone.
                Some(Dropped::Process) => {
                    is_cut = true;
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn under_way(&self, effect: Effect) -> UnderWay<'_> {
        if effect.is_client_mutation() {
            self.script.begin_mutation();
        }
        UnderWay { wire: self, effect, is_done: false }
    }

    /// Whether the answer is lost; a pass that is dropped does not come back from here.
    fn is_lost(&self, cut: Option<Cut>) -> bool {
        match cut {
            None | Some(Cut::Before) => false,
            Some(Cut::Lost) => true,
            Some(Cut::After) => {
                self.script.doom();
                false
            }
            // What a dropped future leaves is what an unwound one leaves; the frame of the pass catches it.
            Some(Cut::Dropped) => panic::resume_unwind(Box::new("the pass is dropped here")),
        }
    }
}

/// The transport that leads through the wire.
struct ToBank(Arc<Wire>);

impl Transport for ToBank {
    fn send(&self, request: BankRequest) -> BoxFuture<'_, Result<BankResponse, TransportError>> {
        Box::pin(self.0.ask_bank(request))
    }
}

fn failure(stage: Stage, fault: Fault) -> TransportError {
    TransportError { stage, fault, detail: "cut by the crash harness".to_owned() }
}
