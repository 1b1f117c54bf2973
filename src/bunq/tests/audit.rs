//! Whoever audits hears of each attempt at a change once, whatever becomes of it.

use std::sync::{Arc, Mutex};

use futures::{
    FutureExt,
    future::{self, BoxFuture},
};

use super::{World, client_keys};
use crate::bunq::{Auditor, Bank, Call, Ending, Fault, Request, Response, Stage, Told, Transport, TransportError};

/// Keeps what it heard: call, whether there was a response id, ending.
#[derive(Default)]
struct Heard(Mutex<Vec<(Call, bool, &'static str)>>);

impl Auditor for Heard {
    fn told(&self, told: &Told<'_>) {
        assert_eq!(told.request_id.len(), 36);
        let ending = match &told.ending {
            Ending::Accepted => "accepted",
            Ending::Failed(_) => "failed",
            Ending::Dropped => "dropped",
        };
        self.0.lock().unwrap().push((told.call, told.response_id.is_some(), ending));
    }
}

/// Never answers.
struct Silent;

impl Transport for Silent {
    fn send(&self, _: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(future::pending())
    }
}

fn audited(bank: &Bank) -> (Bank, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    (bank.audited_by(heard.clone()), heard)
}

#[tokio::test]
async fn each_attempt_at_a_change_is_told_once_and_no_read() {
    let world = World::new();
    let (bank, heard) = audited(&world.bank);
    let close = || async { bank.close_session(&world.access()).await };

    world.answer(200, "{}");
    close().await.unwrap();
    world.answer(400, r#"{"Error":[{"error_description":"no"}]}"#);
    close().await.unwrap_err();
    let broken = TransportError { stage: Stage::MaybeSent, fault: Fault::Interrupted, detail: String::new() };
    world.script(move |_| Err(broken));
    close().await.unwrap_err();
    world.answer(404, r#"{"Error":[{"error_description":"nothing"}]}"#);
    bank.get_oauth_client(&world.access(), 1).await.unwrap_err();

    let call = Call::DeleteSession;
    assert_eq!(*heard.0.lock().unwrap(), [(call, true, "accepted"), (call, true, "failed"), (call, false, "failed")]);
}

/// A pass that is dropped where it waits leaves a line all the same (F43).
#[test]
fn an_attempt_that_nobody_waits_for_any_more_is_told() {
    let world = World::new();
    let silent = Bank::new(world.bank.endpoints().clone(), Arc::new(Silent), "test/1");
    let (bank, heard) = audited(&silent);

    let waited = bank.install(client_keys()).now_or_never();

    assert!(waited.is_none());
    assert_eq!(*heard.0.lock().unwrap(), [(Call::CreateInstallation, false, "dropped")]);
}
