//! Answers that refuse for a while, and answers that get lost (F15, F12; M2).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use testbed::harness::{
    Outcome, World,
    api_proxy::{ApiProxy, Trouble},
    ensure_eq,
};

use super::CLIENTS;
use crate::stage::{Stage, report, scenarios};

/// Three refusals in a row cost a few seconds each; an hour is what they ask for.
const PATIENCE: Duration = Duration::from_mins(1);
const AN_HOUR: u32 = 3600;
const OVERLOADED: [u16; 3] = [429, 503, 504];

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "api_server":
        a_refused_call_is_one_request_and_an_hour_of_retry_after_is_not_waited_for,
        a_creation_whose_answer_is_lost_is_read_back_and_not_repeated,
        an_api_server_that_takes_its_time_only_delays,
    )
}

/// What an operator creates once for a new user: where, and what.
fn creations(world: &World) -> [(&'static str, String); 3] {
    let within = |namespace: &str, kind: &str| format!("/namespaces/{namespace}/{kind}");
    [
        ("the context", within(&world.operator_namespace, "secrets")),
        ("the claim", within(&world.operator_namespace, "configmaps")),
        ("the published Secret", within(&world.namespace, "secrets")),
    ]
}

fn posts(proxy: &ApiProxy, path: &str) -> usize {
    proxy.count(|asked| asked.is("POST", path))
}

/// F15: the first of every kind of write is refused; each is sent once more, by the next pass, and never by the
/// client beneath it.
async fn a_refused_call_is_one_request_and_an_hour_of_retry_after_is_not_waited_for(world: Arc<World>) -> Outcome {
    let proxy = world.proxy().await?;
    world.start_operator_through(&proxy).await?;
    for (number, status) in OVERLOADED.into_iter().enumerate() {
        let refusal = Trouble::Refusal { status, retry_after: AN_HOUR };
        for (_, path) in creations(&world) {
            proxy.trouble_times(1, refusal.clone(), move |asked| asked.is("POST", &path));
        }
        proxy.trouble_times(1, refusal.clone(), |asked| asked.is("PUT", "/status"));
        proxy.trouble_times(1, refusal, |asked| asked.method == "GET" && asked.path.contains("/bunqoauthclients/"));
        let before: Vec<usize> = creations(&world).iter().map(|(_, path)| posts(&proxy, path)).collect();
        let since = Instant::now();

        let member = world.join(number).await?;
        world.ready_within(&member.name, PATIENCE).await?;

        report(&format!("with five calls refused by {status}: Ready after {:?}", since.elapsed()));
        for ((what, path), before) in creations(&world).iter().zip(before) {
            ensure_eq(
                posts(&proxy, path) - before,
                2,
                &format!("creations of {what} sent, the first answered {status}"),
            )?;
        }
        world.ensure_one_client_with_its_pair(&member).await?;
    }
    ensure_eq(world.sandbox.count("POST", CLIENTS), OVERLOADED.len(), "creations at the bank")
}

/// F12: what is there is read back. A context is sent again, because it holds what exists nowhere else, and
/// found to be there; nothing is made twice at the bank.
async fn a_creation_whose_answer_is_lost_is_read_back_and_not_repeated(world: Arc<World>) -> Outcome {
    let proxy = world.proxy().await?;
    world.start_operator_through(&proxy).await?;
    let mut members = 0;
    for (what, path) in creations(&world) {
        for (trouble, sent) in [(Trouble::Lost, if what == "the context" { 2 } else { 1 }), (Trouble::Reset, 2)] {
            let (before, told) = (posts(&proxy, &path), format!("creations of {what} sent, the first one {trouble:?}"));
            let is_it = path.clone();
            proxy.trouble_times(1, trouble, move |asked| asked.is("POST", &is_it));

            let member = world.join(members).await?;
            members += 1;
            world.ready_within(&member.name, PATIENCE).await?;

            ensure_eq(posts(&proxy, &path) - before, sent, &told)?;
            world.ensure_one_client_with_its_pair(&member).await?;
        }
    }
    ensure_each_was_made_once(&world, members)
}

/// F15: half a second for each call, and nothing is asked twice for it.
async fn an_api_server_that_takes_its_time_only_delays(world: Arc<World>) -> Outcome {
    let proxy = world.proxy().await?;
    world.start_operator_through(&proxy).await?;
    proxy.trouble(Trouble::Late(Duration::from_millis(500)), |_| true);

    let member = world.join(0).await?;
    world.ready_within(&member.name, PATIENCE).await?;

    for (what, path) in creations(&world) {
        ensure_eq(posts(&proxy, &path), 1, &format!("creations of {what} sent"))?;
    }
    world.ensure_one_client_with_its_pair(&member).await?;
    ensure_each_was_made_once(&world, 1)
}

fn ensure_each_was_made_once(world: &World, members: usize) -> Outcome {
    for call in [CLIENTS, "installation", "device-server", "session-server"] {
        ensure_eq(world.sandbox.count("POST", call), members, &format!("{call}: asked of the bank"))?;
    }
    Ok(())
}
