//! The handshake, whose calls no read can show: they are sent again, and nothing piles up
//! (F04, S14, protocol §8).

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::json;
use testbed::{
    harness::{Outcome, World, ensure},
    sandbox::{Call, behaviour::SecondSession},
};

use super::{
    FIRST,
    judge::{Cost, Endpoint, Expected, judge_bank, judge_secret, tally},
    matrix::{Cell, Matrix, Round},
    ways::Way,
};
use crate::stage::{Stage, scenarios};

const INSTALL: Endpoint = ("POST", "installation");
const DEVICE: Endpoint = ("POST", "device-server");
const SESSION: Endpoint = ("POST", "session-server");
const CREATE: Endpoint = ("POST", "user/{u}/oauth-client");

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "ambiguity":
        whatever_happens_to_the_answer_of_an_installation_there_is_one_device,
        whatever_happens_to_the_answer_of_a_device_registration_there_is_one_device,
        whatever_happens_to_the_answer_of_a_session_there_is_at_most_one_more,
    )
}

/// Nothing shows whose installation it is, so one user comes after the other. Its answer brings the key
/// that would verify it, so no signature of it can be wrong.
async fn whatever_happens_to_the_answer_of_an_installation_there_is_one_device(world: Arc<World>) -> Outcome {
    let mut matrix = Matrix::open(world).await?;
    matrix.cells.retain(|cell| !cell.way.is_about_the_signature());
    for cell in &matrix.cells {
        let installed = play_installation(&matrix, cell).await;
        installed.map_err(|error| format!("{}: {error}", cell.way.name))?;
    }
    matrix.rest().await?;
    matrix.played += matrix.cells.len();
    matrix.close("installation").await
}

async fn play_installation(matrix: &Matrix, cell: &Cell) -> Outcome {
    let since = matrix.last_call();
    if let Some(fault) = cell.way.fault(INSTALL) {
        matrix.world.sandbox.inject(fault);
    }
    matrix.apply_cell(cell, &json!({})).await?;
    matrix.come_to_among(std::slice::from_ref(cell), "Synced").await?;
    let missed = matrix.world.sandbox.waiting_faults();
    ensure(missed == 0, || format!("{missed} faults hit nothing"))?;

    let calls: Vec<Call> = matrix.world.sandbox.calls().into_iter().filter(|call| call.seq > since).collect();
    let installations = calls.iter().filter(|call| (call.method.as_str(), call.template) == INSTALL);
    let done = installations.clone().filter(|call| call.committed).count();
    let (sent, most) = (installations.count(), 1 + cell.way.answers_lost());
    ensure((1..=most).contains(&sent), || format!("{sent} installations sent, at most {most} could be"))?;
    let most = 1 + usize::from(cell.way.is_done());
    ensure((1..=most).contains(&done), || format!("{done} installations made, at most {most} could be"))?;
    let once = [DEVICE, SESSION, CREATE].map(|endpoint| (endpoint, (1, 1)));
    let found = tally(&calls, cell);
    ensure(found == once.into(), || format!("changes (sent, carried out): {found:?}"))?;
    matrix.world.sandbox.with(|bank| judge_bank(bank, cell, &Expected::new("Synced", &[FIRST])))?;
    judge_secret(matrix, cell).await
}

/// F04, S14: the bank says that it exists.
async fn whatever_happens_to_the_answer_of_a_device_registration_there_is_one_device(world: Arc<World>) -> Outcome {
    let mut matrix = Matrix::open(world).await?;
    let expected = Expected::new("Synced", &[FIRST]);
    let cost = |way: &Way, hit| -> Cost { vec![(hit, (way.answers_lost(), 0))] };
    matrix.play(&Round { what: "device", hit: DEVICE, after: 0, spec: json!({}), cost, expected }).await?;
    matrix.close("device registration").await
}

/// F04, F18: at a bank that keeps the session that nobody was told of, at one that ends it, and at one that
/// wants a new installation then.
async fn whatever_happens_to_the_answer_of_a_session_there_is_at_most_one_more(world: Arc<World>) -> Outcome {
    let one_more = |way: &Way, hit| -> Cost { vec![(hit, (way.answers_lost(), usize::from(way.is_done())))] };
    let one_more_of_all = |way: &Way, hit| -> Cost {
        let again = usize::from(way.is_done());
        vec![(hit, (way.answers_lost() + again, again)), (DEVICE, (again, again))]
    };
    // A session that comes late ends the one in use, perhaps in the middle of the creation.
    let one_more_when_late = |way: &Way, hit| -> Cost {
        let again = usize::from(way.is_late());
        vec![(hit, (way.answers_lost() + again, usize::from(way.is_done()) + again)), (CREATE, (again, 0))]
    };
    let mut matrix = Matrix::open(world).await?;
    let costs: [fn(&Way, Endpoint) -> Cost; 3] = [one_more, one_more_when_late, one_more_of_all];
    let banks = [
        ("keeps", SecondSession::KeepsOld, 1, 2),
        ("ends", SecondSession::EndsOld, 1, 3),
        ("refuses", SecondSession::Refused, 2, 2),
    ];
    for ((what, bank, devices, sessions), cost) in banks.into_iter().zip(costs) {
        matrix.world.sandbox.behave(|it| it.second_session = bank);
        matrix.replace_cells(what).await?;
        let expected = Expected { devices, sessions, installations: 2, ..Expected::new("Synced", &[FIRST]) };
        matrix.play(&Round { what, hit: SESSION, after: 0, spec: json!({}), cost, expected }).await?;
    }
    matrix.close("session").await
}
