//! One object over which every pass panics, beside twenty healthy ones (F36).

use std::{panic, sync::Arc};

use bunq_oauth_operator::bunq::{HttpOptions, HttpTransport, LimitMode, Request, Response, Transport, TransportError};
use futures::future::BoxFuture;
use libtest_mimic::Trial;
use serde_json::json;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use testbed::harness::{
    Outcome, TestClock, World, ensure, ensure_eq,
    world::{Seams, is_ready},
};

use crate::stage::{Stage, scenarios};

const HEALTHY: usize = 20;
const PANICS: &str = "controller_runtime_reconcile_panics_total{";
/// More than the longest back-off.
const A_WHILE: Duration = Duration::from_mins(11);

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "poison": an_object_that_makes_every_pass_panic_harms_no_other_and_is_told_once)
}

/// A transport that panics over everything about one user, until it is cured.
struct Poisoned {
    bank: HttpTransport,
    user: String,
    is_cured: AtomicBool,
}

impl Transport for Poisoned {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        if request.url.contains(&self.user) && !self.is_cured.load(Ordering::Relaxed) {
            // What a panic says may be a secret; nothing of it may be seen anywhere.
            panic::resume_unwind(Box::new("the poison acts"));
        }
        self.bank.send(request)
    }
}

/// F36, L5: the twenty become Ready, the process lives, each panic is counted, one Event tells of them all, and
/// the object goes on when the cause is gone.
async fn an_object_that_makes_every_pass_panic_harms_no_other_and_is_told_once(world: Arc<World>) -> Outcome {
    let poison = world.sandbox.new_user();
    let bank = HttpTransport::new(HttpOptions { ca_pem: None })?;
    let user = format!("/user/{}/", poison.id);
    let transport = Arc::new(Poisoned { bank, user, is_cured: AtomicBool::new(false) });
    let seams = Seams { client: world.operator_client().await?, transport: transport.clone(), clock: TestClock::new() };
    let operator = world.start_in_process_on(seams, LimitMode::Off)?;

    world.put_key("poison-key", &poison.api_key).await?;
    world
        .apply(&world.manifest("poison", &json!({"credentials": {"apiKeySecretRef": {"name": "poison-key"}}})))
        .await?;
    let healthy = world.crowd(HEALTHY).await?;
    for member in &healthy {
        world.ready(&member.name).await?;
        world.ensure_one_client_with_its_pair(member).await?;
    }
    world.event("poison", "ReconcilePanicked").await?;
    while operator.sum_of(PANICS) < 5 {
        operator.let_pass(A_WHILE).await?;
    }
    ensure(!operator.has_ended(), || "the process has ended".to_owned())?;
    let told = world.events("poison").await?;
    let panicked: Vec<_> = told.iter().filter(|event| event.reason == "ReconcilePanicked").collect();
    ensure_eq(panicked.len(), 1, "Events about the panics")?;
    ensure(panicked.iter().all(|event| event.type_ == "Warning" && !event.note.contains("poison acts")), || {
        format!("the Event says {panicked:?}")
    })?;
    ensure(!is_ready(&world.object("poison").await?), || "the poisoned object is Ready".to_owned())?;

    transport.is_cured.store(true, Ordering::Relaxed);
    operator.let_pass(A_WHILE).await?;
    world.ready("poison").await?;
    ensure_eq(world.sandbox.with(|bank| bank.clients_of(poison.id).len()), 1, "clients of the poisoned user")?;
    operator.stop().await
}
