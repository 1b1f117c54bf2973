//! What an operator does when there is nothing to do.

use std::{collections::BTreeMap, time::Duration};

use testbed::harness::Outcome;

use crate::{ground::Ground, operator::Operator, table::Table};

/// One resync of five minutes, and a little: resyncs come up to a tenth early, and never late.
const A_RESYNC: Duration = Duration::from_secs(315);

pub(super) async fn measure(ground: &Ground, operator: &Operator, size: usize, table: &mut Table) -> Outcome {
    ground.bank.clear_calls();
    let trail = ground.trail()?;
    let before = operator.cpu()?;
    tokio::time::sleep(A_RESYNC).await;
    table.add(
        &format!("resident memory, {size} clients, at rest for {} minutes", A_RESYNC.as_secs() / 60),
        operator.memory().await?.shown(),
        "≤ 18 MB",
        "54.3 MB",
    );
    let used = operator.cpu()?.saturating_sub(before);
    let requests = trail.requests()?;
    let mut looks: BTreeMap<String, usize> = BTreeMap::new();
    let mut others = 0;
    for call in ground.bank.calls() {
        if call.method == "GET" && call.template == "user/{u}/oauth-client/{c}" {
            *looks.entry(call.path).or_default() += 1;
        } else {
            others += 1;
        }
    }
    let (least, most) = (looks.values().min().copied().unwrap_or(0), looks.values().max().copied().unwrap_or(0));
    let least = if looks.len() < size { 0 } else { least };
    table.add(
        &format!("at rest, one resync of {size} clients: writes"),
        format!("{} beyond the lease", requests.writes()),
        "0",
        "0",
    );
    table.add(
        "at rest: calls to the bank per client and resync",
        format!("{least}–{most} reads of the client, {others} others in all"),
        "1 read",
        "one interval's read",
    );
    table.note(format!(
        "At rest, in {} s: {} and {:.1} s of processor time.",
        A_RESYNC.as_secs(),
        requests.shown(),
        used.as_secs_f64()
    ));
    Ok(())
}
