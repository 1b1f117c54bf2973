//! Whether a cell came out as if nothing had happened.

use std::collections::BTreeMap;

use testbed::{
    harness::{Outcome, ensure, ensure_eq},
    sandbox::{Bank, Call, bank::ClientStatus},
};

use super::{
    matrix::{Cell, Matrix, Round},
    ways::Way,
};

/// Method and template.
pub(super) type Endpoint = (&'static str, &'static str);

/// What a way costs more than the fault-free run: by call, how many are sent and carried out.
pub(super) type Cost = Vec<(Endpoint, (usize, usize))>;

/// What must come of a change.
pub(super) struct Expected<'a> {
    /// The reason of Ready.
    pub(super) reason: &'a str,
    /// All redirect URLs at the bank, foreign ones too, in the order of the alphabet.
    pub(super) urls: &'a [&'a str],
    /// The most of each that a user may have had since the beginning.
    pub(super) devices: usize,
    pub(super) sessions: usize,
    pub(super) installations: usize,
}

impl<'a> Expected<'a> {
    /// One of everything.
    pub(super) fn new(reason: &'a str, urls: &'a [&'a str]) -> Self {
        Self { reason, urls, devices: 1, sessions: 1, installations: 1 }
    }
}

/// Changes by method and template: how many were sent, and how many the bank carried out.
pub(super) type Tally<'a> = BTreeMap<(&'a str, &'a str), (usize, usize)>;

/// Judges every cell of a round; what is wrong is told of all of them.
pub(super) async fn judge(matrix: &Matrix, round: &Round<'_>, since: u64) -> Outcome {
    let calls: Vec<Call> = matrix.world.sandbox.calls().into_iter().filter(|call| call.seq > since).collect();
    let reference = matrix.cells.iter().find(|cell| cell.way.is_reference()).ok_or("there is no fault-free run")?;
    let reference = tally(&calls, reference);
    ensure(reference.contains_key(&round.hit), || format!("without a fault {:?} is not called", round.hit))?;
    let mut wrong = Vec::new();
    for cell in &matrix.cells {
        let judged = judge_calls(&tally(&calls, cell), &reference, &(round.cost)(&cell.way, round.hit), &cell.way)
            .and_then(|()| matrix.world.sandbox.with(|bank| judge_bank(bank, cell, &round.expected)));
        let judged = match judged {
            Ok(()) => judge_secret(matrix, cell).await,
            wrong @ Err(_) => wrong,
        };
        if let Err(error) = judged {
            wrong.push(format!("{}: {error}", cell.way.name));
        }
    }
    let installations = matrix.world.sandbox.with(|bank| bank.installations.len());
    let most = matrix.world.contexts().await?.len() * round.expected.installations;
    ensure(installations <= most, || format!("{installations} installations, at most {most} could be"))?;
    ensure(wrong.is_empty(), || format!("{} cells are wrong:\n{}", wrong.len(), wrong.join("\n")))
}

/// The changes of the client, and the calls of the handshake that show whose they are.
pub(super) fn tally<'a>(calls: &'a [Call], cell: &Cell) -> Tally<'a> {
    let mut tally = Tally::new();
    for call in calls.iter().filter(|call| call.user == Some(cell.user.id) && call.method != "GET") {
        let (sent, committed) = tally.entry((call.method.as_str(), call.template)).or_default();
        *sent += 1;
        *committed += usize::from(call.committed);
    }
    tally
}

/// Exactly what the way costs; where the bank acts late it depends on the moment whether it does.
fn judge_calls(found: &Tally<'_>, reference: &Tally<'_>, cost: &Cost, way: &Way) -> Outcome {
    let mut wanted = reference.clone();
    for (endpoint, (sent, committed)) in cost {
        let (all_sent, all_committed) = wanted.entry(*endpoint).or_default();
        *all_sent += sent;
        *all_committed += committed;
    }
    let is_within = |key: &(&str, &str)| {
        let of = |tally: &Tally<'_>| tally.get(key).copied().unwrap_or_default();
        let (least, found, most) = (of(reference), of(found), of(&wanted));
        (least.0..=most.0).contains(&found.0) && (least.1..=most.1).contains(&found.1)
    };
    let is_late_and_within = way.is_late() && found.keys().chain(wanted.keys()).all(is_within);
    ensure(*found == wanted || is_late_and_within, || {
        format!("changes (sent, carried out): found {found:?}, wanted {wanted:?}")
    })
}

pub(super) fn judge_bank(bank: &Bank, cell: &Cell, expected: &Expected<'_>) -> Outcome {
    let clients = bank.clients_of(cell.user.id);
    let [client] = clients.as_slice() else { return Err(format!("{} clients were created", clients.len()).into()) };
    let status = if expected.reason == "Cancelled" { ClientStatus::Cancelled } else { ClientStatus::Active };
    ensure_eq(client.status, status, "the client's status")?;
    let mut urls: Vec<&str> = client.urls.iter().map(|it| it.url.as_str()).collect();
    urls.sort_unstable();
    ensure_eq(urls, expected.urls, "redirect URLs")?;
    let is_own = |key: u64| bank.keys.iter().any(|it| it.id == key && it.user == cell.user.id);
    let devices = bank.devices.iter().filter(|device| is_own(device.key)).count();
    ensure((1..=expected.devices).contains(&devices), || format!("{devices} devices"))?;
    let sessions = bank.sessions.iter().filter(|session| is_own(session.key)).count();
    ensure((1..=expected.sessions).contains(&sessions), || format!("{sessions} sessions"))
}

/// The Secret holds the bank's own pair.
pub(super) async fn judge_secret(matrix: &Matrix, cell: &Cell) -> Outcome {
    let secret = matrix.world.secret(&cell.name).await?;
    let found = (secret.get("client_id").cloned(), secret.get("client_secret").cloned());
    let is_its = matrix.world.sandbox.with(|bank| {
        let clients = bank.clients_of(cell.user.id);
        clients.iter().all(|it| found == (Some(it.client_id.clone()), Some(it.secret.clone())))
    });
    ensure(is_its, || "the Secret holds another pair than the bank".to_owned())
}
