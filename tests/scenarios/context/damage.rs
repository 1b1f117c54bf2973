//! Somebody edits a context by hand: it heals as cheaply as it can, or the status says who has to
//! do what (F04, F39, D7).

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use libtest_mimic::Trial;
use serde_json::json;
use testbed::{
    harness::{Outcome, World, ensure, ensure_eq, world::InProcess},
    sandbox::{Bank, Fault, FaultKind, User},
};

use super::{A_RESYNC, CLIENT, MINUTE, REQUESTED_AT, synced, user_of};
use crate::stage::{Stage, scenarios};

pub(super) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "context":
        a_context_that_was_edited_while_nobody_looked_heals_as_cheaply_as_it_can,
        a_context_that_was_edited_behind_the_operators_back_heals_when_it_is_needed,
        keys_that_cannot_be_read_are_told_and_a_deleted_context_heals_without_a_restart,
    )
}

/// What is done to a context.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// The Secret is deleted.
    Delete,
    /// Its data are removed.
    Empty,
    /// One part is removed.
    Remove(&'static str),
    /// One part becomes text without a meaning.
    Garble(&'static str),
    /// Somebody else writes it, and changes nothing that matters.
    Touch,
}

impl Damage {
    async fn befall(self, api: &Api<Secret>, name: &str) -> Outcome {
        let mut secret = api.get(name).await?;
        let data: &mut BTreeMap<String, ByteString> = secret.data.get_or_insert_default();
        match self {
            Self::Delete => return Ok(api.delete(name, &DeleteParams::default()).await.map(drop)?),
            Self::Touch => {
                let touch = Patch::Merge(json!({"metadata": {"annotations": {"touched": "yes"}}}));
                return Ok(api.patch(name, &PatchParams::default(), &touch).await.map(drop)?);
            }
            Self::Empty => data.clear(),
            Self::Remove(part) => drop(data.remove(part).ok_or_else(|| format!("a context without {part}"))?),
            Self::Garble(part) => drop(data.insert(part.to_owned(), ByteString(b"no such thing".to_vec()))),
        }
        Ok(api.replace(name, &PostParams::default(), &secret).await.map(drop)?)
    }
}

/// Installations, devices, sessions.
type Price = (usize, usize, usize);
/// The damage, and how many of each there are when it has healed.
type Case = (Damage, Price);

/// Found by an operator that starts: only what is lost is made again, with what stands on it.
const FOUND: [Case; 20] = [
    (Damage::Delete, (2, 2, 2)),
    (Damage::Empty, (2, 2, 2)),
    (Damage::Remove("private-key"), (2, 2, 2)),
    (Damage::Remove("installation-token"), (2, 2, 2)),
    (Damage::Garble("installation-token"), (1, 1, 1)),
    (Damage::Remove("server-public-key"), (2, 2, 2)),
    (Damage::Remove("device"), (1, 1, 1)),
    (Damage::Garble("device"), (1, 1, 1)),
    (Damage::Remove("session-token"), (1, 1, 2)),
    (Damage::Garble("session-token"), (1, 1, 2)),
    (Damage::Garble("session-user"), (1, 1, 2)),
    (Damage::Garble("session-user-kind"), (1, 1, 2)),
    (Damage::Remove("session-expires"), (1, 1, 2)),
    (Damage::Garble("session-expires"), (1, 1, 2)),
    (Damage::Garble("last-session"), (1, 1, 1)),
    (Damage::Garble("reinstallations"), (1, 1, 1)),
    (Damage::Garble("refusals"), (1, 1, 1)),
    (Damage::Remove("environment"), (1, 1, 1)),
    (Damage::Garble("something-else"), (1, 1, 1)),
    (Damage::Touch, (1, 1, 1)),
];

/// Behind the back of a running operator, whose session ends then. Deleting or emptying it is how a
/// person asks for a new handshake; of another's write only the session is lost.
const BEHIND: [Case; 4] = [
    (Damage::Delete, (2, 2, 2)),
    (Damage::Empty, (2, 2, 2)),
    (Damage::Garble("device"), (1, 1, 2)),
    (Damage::Touch, (1, 1, 2)),
];

/// One manifest with a user and a context of its own.
struct Cell {
    what: String,
    name: String,
    user: User,
    context: String,
}

fn contexts(world: &World) -> Api<Secret> {
    Api::namespaced(world.admin(), &world.operator_namespace)
}

async fn ready_cells(world: &World, damages: impl Iterator<Item = Damage>) -> Outcome<Vec<Cell>> {
    let mut cells = Vec::new();
    for (number, damage) in damages.enumerate() {
        let name = format!("app-{number:02}");
        let (user, spec) = user_of(world, &name).await?;
        world.apply(&world.manifest(&name, &spec)).await?;
        cells.push(Cell { what: format!("{damage:?}"), name, user, context: String::new() });
    }
    for cell in &mut cells {
        synced(world, &cell.name).await?;
        let claim = format!("bunq-user-sandbox-{}", cell.user.id);
        let claims = world.claims().await?;
        let claim = claims.into_iter().find(|map| map.metadata.name.as_deref() == Some(&claim));
        let context = claim.and_then(|map| map.data?.get("context").cloned());
        cell.context = context.ok_or("a claim without a context")?;
    }
    Ok(cells)
}

/// How many installations, devices and sessions the bank has made for this user.
fn made_for(world: &World, user: &User) -> Price {
    world.sandbox.with(|bank| {
        let is_own = |key: u64| bank.keys.iter().any(|it| it.id == key && it.user == user.id);
        let devices: Vec<u64> =
            bank.devices.iter().filter(|device| is_own(device.key)).map(|device| device.installation).collect();
        let mut installations = devices.clone();
        installations.sort_unstable();
        installations.dedup();
        (installations.len(), devices.len(), bank.sessions.iter().filter(|session| is_own(session.key)).count())
    })
}

/// Everything is as declared, at the price that was named; then a resync is one read.
async fn judge(world: &World, operator: &InProcess, cells: &[(Cell, Price)]) -> Outcome {
    for (cell, price) in cells {
        let told = |error| format!("{}: {error}", cell.what);
        synced(world, &cell.name).await.map_err(told)?;
        let found = made_for(world, &cell.user);
        ensure_eq(found, *price, &format!("{}: installations, devices, sessions", cell.what))?;
        let clients = world.sandbox.with(|bank| bank.clients_of(cell.user.id).len());
        ensure_eq(clients, 1, &format!("{}: clients", cell.what))?;
    }
    let all = world.sandbox.with(|bank| bank.installations.len());
    let known: usize = cells.iter().map(|(_, price)| price.0).sum();
    ensure_eq(all, known, "installations of everybody")?;
    world.sandbox.clear_calls();
    operator.let_pass(A_RESYNC).await?;
    let have_asked = || {
        let asked = world.sandbox.calls();
        cells.iter().all(|(cell, _)| asked.iter().any(|call| call.user == Some(cell.user.id)))
    };
    operator.settle_when("a read of each at a resync", have_asked).await?;
    let log = world.sandbox.calls();
    for (cell, _) in cells {
        let own = log.iter().filter(|call| call.user == Some(cell.user.id));
        let asked: Vec<_> = own.map(|call| (call.method.as_str(), call.template)).collect();
        let read = [("GET", "user/{u}/oauth-client/{c}")];
        ensure(asked == read, || format!("{}: at rest the bank was asked {asked:?}", cell.what))?;
    }
    Ok(())
}

/// F39, D7: every part of it, once.
async fn a_context_that_was_edited_while_nobody_looked_heals_as_cheaply_as_it_can(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process().await?;
    let cells = ready_cells(&world, FOUND.iter().map(|(damage, _)| *damage)).await?;
    operator.settle().await?;
    operator.stop().await?;
    for (cell, (damage, _)) in cells.iter().zip(FOUND) {
        damage.befall(&contexts(&world), &cell.context).await?;
    }

    let operator = world.start_in_process().await?;
    for cell in &cells {
        world.annotate(&cell.name, REQUESTED_AT, "damaged").await?;
        let handled = |object: &serde_json::Value| object["status"]["lastHandledReconcileAt"] == "damaged";
        world.until(&cell.name, "looked at again", handled).await.map_err(|error| format!("{}: {error}", cell.what))?;
    }
    operator.settle().await?;
    operator.let_pass(MINUTE).await?;
    let mut cells: Vec<_> = cells.into_iter().zip(FOUND.map(|(_, price)| price)).collect();
    judge(&world, &operator, &cells).await?;

    // What is left serves for the next session, too.
    world.sandbox.with(Bank::end_sessions);
    operator.let_pass(A_RESYNC).await?;
    operator.settle_when("new sessions", || world.sandbox.with(|bank| bank.living_sessions()) == FOUND.len()).await?;
    for ((_, price), (damage, _)) in cells.iter_mut().zip(FOUND) {
        let again = usize::from(matches!(damage, Damage::Garble("installation-token")));
        *price = (price.0 + again, price.1 + again, price.2 + 1);
    }
    judge(&world, &operator, &cells).await?;
    operator.stop().await
}

async fn a_context_that_was_edited_behind_the_operators_back_heals_when_it_is_needed(world: Arc<World>) -> Outcome {
    let operator = world.start_in_process().await?;
    let cells = ready_cells(&world, BEHIND.iter().map(|(damage, _)| *damage)).await?;
    operator.settle().await?;
    for (cell, (damage, _)) in cells.iter().zip(BEHIND) {
        damage.befall(&contexts(&world), &cell.context).await?;
    }
    let before: Vec<_> = cells.iter().map(|cell| made_for(&world, &cell.user)).collect();
    operator.let_pass(A_RESYNC).await?;
    let after: Vec<_> = cells.iter().map(|cell| made_for(&world, &cell.user)).collect();
    ensure_eq(after, before, "installations, devices, sessions while the sessions live")?;

    for cell in &cells {
        world.sandbox.inject(Fault::new("GET", CLIENT, FaultKind::EndedSession).of(cell.user.id));
    }
    operator.let_pass(A_RESYNC).await?;
    operator.settle_when("the ends of the sessions", || world.sandbox.waiting_faults() == 0).await?;
    operator.let_pass(A_RESYNC).await?;
    let cells: Vec<_> = cells.into_iter().zip(BEHIND.map(|(_, price)| price)).collect();
    judge(&world, &operator, &cells).await?;
    operator.stop().await
}

/// What signs and what verifies is not made anew on a guess.
async fn keys_that_cannot_be_read_are_told_and_a_deleted_context_heals_without_a_restart(world: Arc<World>) -> Outcome {
    const DAMAGES: [Damage; 2] = [Damage::Garble("private-key"), Damage::Garble("server-public-key")];
    let operator = world.start_in_process().await?;
    let cells = ready_cells(&world, DAMAGES.into_iter()).await?;
    operator.settle().await?;
    operator.stop().await?;
    for (cell, damage) in cells.iter().zip(DAMAGES) {
        damage.befall(&contexts(&world), &cell.context).await?;
    }

    let operator = world.start_in_process().await?;
    for cell in &cells {
        world.annotate(&cell.name, REQUESTED_AT, "damaged").await?;
        let object = world.reason(&cell.name, "OperatorStateUnreadable").await?;
        let message = super::condition(&object, "Ready")["message"].as_str().unwrap_or_default();
        ensure(message.contains(&cell.context), || format!("the message does not name the context: {message}"))?;
    }
    for _ in 0..6 {
        operator.let_pass(10 * MINUTE).await?;
    }
    for cell in &cells {
        ensure_eq(made_for(&world, &cell.user), (1, 1, 1), &format!("{}: made on a guess", cell.what))?;
        Damage::Delete.befall(&contexts(&world), &cell.context).await?;
    }
    operator.let_pass(11 * MINUTE).await?;
    let cells: Vec<_> = cells.into_iter().map(|cell| (cell, (2, 2, 2))).collect();
    judge(&world, &operator, &cells).await?;
    operator.stop().await
}
