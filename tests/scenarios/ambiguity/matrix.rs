//! Cells side by side: one bunq user and one manifest per way, one operator for all of them.

use std::{sync::Arc, time::Duration};

use kube::api::ListParams;
use serde_json::{Value, json};
use testbed::{
    harness::{
        Outcome, World, ensure,
        world::{InProcess, condition, is_ready, ready_reason},
    },
    sandbox::{Bank, Call, User, behaviour::SecondSession},
};

use super::{
    judge::{Cost, Endpoint, Expected, judge},
    ways::{Way, ways},
};
use crate::stage::report;

/// How far the clock goes in one step, and how many steps a round may take: three minutes.
const STEP: Duration = Duration::from_secs(15);
const STEPS: usize = 12;
const GET: Endpoint = ("GET", "user/{u}/oauth-client/{c}");
/// More than a resync interval of one hour with its jitter, less than two.
const A_RESYNC: Duration = Duration::from_mins(80);

/// One way, one user, one manifest.
pub(super) struct Cell {
    pub(super) way: Way,
    /// The name of manifest and output Secret.
    pub(super) name: String,
    pub(super) user: User,
}

/// One change of the manifests, the call of it that is hit, and what must come of it.
pub(super) struct Round<'a> {
    /// For the failure's text.
    pub(super) what: &'a str,
    /// Method and template of the call.
    pub(super) hit: Endpoint,
    /// Calls of this kind to let pass first.
    pub(super) after: usize,
    /// The change.
    pub(super) spec: Value,
    /// What a way may cost: [`sent_again`] where a read shows whether the call was carried out.
    pub(super) cost: fn(&Way, Endpoint) -> Cost,
    /// What must come of it.
    pub(super) expected: Expected<'a>,
}

/// Nothing is carried out twice, and only what was lost is sent again.
pub(super) fn sent_again(way: &Way, hit: Endpoint) -> Cost {
    vec![(hit, (way.lost, 0))]
}

/// The cells and their operator.
pub(super) struct Matrix {
    pub(super) world: Arc<World>,
    pub(super) operator: InProcess,
    pub(super) cells: Vec<Cell>,
    pub(super) played: usize,
}

impl Matrix {
    /// The operator, and a user with a key in a Secret for every way; no manifest yet.
    pub(super) async fn open(world: Arc<World>) -> Outcome<Self> {
        let operator = world.start_in_process_impatient().await?;
        let mut matrix = Self { world, operator, cells: Vec::new(), played: 0 };
        matrix.replace_cells("cell").await?;
        Ok(matrix)
    }

    /// New users and manifests, also one per way.
    pub(super) async fn replace_cells(&mut self, prefix: &str) -> Outcome {
        self.cells.clear();
        for (number, way) in ways().into_iter().enumerate() {
            let user = self.world.sandbox.new_user();
            let name = format!("{prefix}-{number:02}");
            self.world.put_key(&key_of(&name), &user.api_key).await?;
            self.cells.push(Cell { way, name, user });
        }
        Ok(())
    }

    /// Applies every cell's manifest and waits until all of them are as asked for.
    pub(super) async fn apply(&self, spec: &Value, reason: &str) -> Outcome {
        for cell in &self.cells {
            self.apply_cell(cell, spec).await?;
        }
        self.come_to(reason).await
    }

    /// Applies one cell's manifest.
    pub(super) async fn apply_cell(&self, cell: &Cell, spec: &Value) -> Outcome {
        let mut spec = spec.clone();
        spec["credentials"] = json!({"apiKeySecretRef": {"name": key_of(&cell.name)}});
        self.world.apply(&self.world.manifest(&cell.name, &spec)).await.map(drop)
    }

    /// Lets time pass until every manifest is Ready for this reason.
    async fn come_to(&self, reason: &str) -> Outcome {
        self.come_to_among(&self.cells, reason).await
    }

    /// The same, of some cells.
    pub(super) async fn come_to_among(&self, cells: &[Cell], reason: &str) -> Outcome {
        for _ in 0..STEPS {
            self.operator.settle().await?;
            if self.unfinished(cells, reason).await?.is_empty() {
                return Ok(());
            }
            self.operator.let_pass(STEP).await?;
        }
        let unfinished = self.unfinished(cells, reason).await?;
        ensure(unfinished.is_empty(), || format!("not {reason} after {STEPS} × {STEP:?}:\n{}", unfinished.join("\n")))
    }

    /// The cells that are not yet as asked for, and what their status says.
    async fn unfinished(&self, cells: &[Cell], reason: &str) -> Outcome<Vec<String>> {
        let objects = self.world.objects().list(&ListParams::default()).await?.items;
        let objects = objects.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
        let status_of = |cell: &Cell| objects.iter().find(|object| object["metadata"]["name"] == cell.name.as_str());
        let is_done = |object: &Value| {
            let verified = condition(object, "RemoteInSync")["status"] == "True";
            is_ready(object) && ready_reason(object) == reason && verified
        };
        let unfinished = cells.iter().filter(|cell| !status_of(cell).is_some_and(is_done));
        let told = unfinished.map(|cell| {
            let ready = status_of(cell).map(|object| condition(object, "Ready").to_string());
            format!("{}: {}", cell.way.name, ready.unwrap_or_default())
        });
        Ok(told.collect())
    }

    /// Hits one call of the change in every cell's own way; then all of them must be as if nothing
    /// had happened, and at rest.
    pub(super) async fn play(&mut self, round: &Round<'_>) -> Outcome {
        let in_round = |error: Box<dyn std::error::Error + Send + Sync>| format!("{}: {error}", round.what);
        let since = self.last_call();
        for cell in &self.cells {
            if let Some(fault) = cell.way.fault(round.hit) {
                self.world.sandbox.inject(fault.after(round.after).of(cell.user.id));
            }
        }
        self.apply(&round.spec, round.expected.reason).await.map_err(in_round)?;
        let missed = self.world.sandbox.waiting_faults();
        ensure(missed == 0, || format!("{}: {missed} faults hit nothing", round.what))?;
        judge(self, round, since).await.map_err(in_round)?;
        self.rest().await.map_err(in_round)?;
        self.played += self.cells.len();
        Ok(())
    }

    /// One more resync of each is one read.
    pub(super) async fn rest(&self) -> Outcome {
        let since = self.last_call();
        self.operator.let_pass(A_RESYNC).await?;
        let has_asked =
            |cell: &Cell, calls: &[Call]| calls.iter().any(|call| call.seq > since && call.user == Some(cell.user.id));
        let have_asked = || {
            let calls = self.world.sandbox.calls();
            self.cells.iter().all(|cell| has_asked(cell, &calls))
        };
        self.operator.settle_when("a read of each at a resync", have_asked).await?;
        let calls = self.world.sandbox.calls();
        let ends_sessions = self.world.sandbox.with(|bank| bank.behaviour.second_session) == SecondSession::EndsOld;
        for cell in &self.cells {
            let own = calls.iter().filter(|call| call.seq > since && call.user == Some(cell.user.id));
            let asked: Vec<_> = own.map(|call| (call.method.as_str(), call.template)).collect();
            // Where a session ends the older ones, one that came late has ended the one in use.
            let renewed = ends_sessions && cell.way.is_late() && asked == [GET, ("POST", "session-server"), GET];
            ensure(asked == [GET] || renewed, || format!("{}: at rest the bank was asked {asked:?}", cell.way.name))?;
        }
        Ok(())
    }

    /// The last call so far.
    pub(super) fn last_call(&self) -> u64 {
        self.world.sandbox.calls().last().map_or(0, |call| call.seq)
    }

    /// Does something to every cell's client, as the account owner would.
    pub(super) fn by_hand(&self, edit: impl Fn(&mut Bank, u64)) {
        self.world.sandbox.with(|bank| {
            for cell in &self.cells {
                let clients: Vec<u64> = bank.clients_of(cell.user.id).iter().map(|client| client.id).collect();
                for client in clients {
                    edit(bank, client);
                }
            }
        });
    }

    /// Ends the operator, and tells how many cells were played.
    pub(super) async fn close(self, what: &str) -> Outcome {
        report(&format!("{what}: {} cells", self.played));
        self.operator.stop().await
    }
}

fn key_of(name: &str) -> String {
    format!("key-{name}")
}
