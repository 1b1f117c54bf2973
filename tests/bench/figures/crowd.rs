//! A thousand manifests at once, their memory, and a restart beside them.

use std::{
    collections::HashSet,
    ops::Range,
    time::{Duration, Instant},
};

use bunq_oauth_operator::api::BunqOAuthClient;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{Api, ResourceExt as _, api::DynamicObject, runtime::watcher};
use testbed::harness::{Outcome, ensure, ensure_eq, world::is_ready};

use super::spread_of;
use crate::{ground::Ground, operator::Operator, table::Table};

pub(super) const NAMESPACES: usize = 10;
/// Requests under way at the same time.
pub(super) const AT_ONCE: usize = 16;
const READY_WITHIN: Duration = Duration::from_mins(6);
const RESTARTS: usize = 5;
const QUIET: Duration = Duration::from_secs(2);
const PASSES_WITHIN: Duration = Duration::from_mins(2);

/// Leaves a freshly restarted operator beside the crowd.
pub(super) async fn measure(ground: &Ground, size: usize, table: &mut Table) -> Outcome<Operator> {
    let places = places(ground, 0..size).await?;
    let keys = stream::iter(&places)
        .map(|(namespace, name)| async move { ground.key(namespace, &format!("key-of-{name}")).await });
    keys.buffer_unordered(AT_ONCE).try_collect::<()>().await?;

    let operator = ground.start_operator().await?;
    let trail = ground.trail()?;
    let since = Instant::now();
    let applied = async {
        let applied = stream::iter(&places)
            .map(|(namespace, name)| async move { ground.apply(namespace, name, &format!("key-of-{name}")).await });
        applied.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        Outcome::Ok(since.elapsed())
    };
    let (applied, ready) = tokio::join!(applied, tokio::time::timeout(READY_WITHIN, all_ready(ground, size, since)));
    let (applied, ready): (Duration, Duration) = (applied?, ready.map_err(|_| "the crowd is not Ready")??);
    table.add(
        &format!("{size} clients applied at once, limits off: all Ready"),
        format!("{:.1} s (applying took {:.1} s)", ready.as_secs_f64(), applied.as_secs_f64()),
        "",
        "27.6 s (applying took 25 s)",
    );
    table.add(
        "processor time for that (a key pair for each is part of it)",
        format!("{:.1} s", operator.cpu()?.as_secs_f64()),
        "",
        "4.8 s (no keys)",
    );
    let calls = trail.requests()?.all.len();
    table.add(
        "calls to the API server for that, each (with two Events and a look at the Secret's change)",
        // The last digit is all that a person wants.
        format!("{}.{}", calls / size, calls * 10 / size % 10),
        "",
        "",
    );
    let figure = |when: &str| format!("resident memory, {size} clients in {NAMESPACES} namespaces, {when}");
    table.add(&figure("after that"), operator.memory().await?.shown(), "≤ 18 MB", "54.3 MB");
    operator.stop().await?;

    let mut times = Vec::with_capacity(RESTARTS);
    for _ in 1..RESTARTS {
        let operator = ground.start_operator().await?;
        times.push(operator.ready_after);
        operator.stop().await?;
    }
    let (trail, operator) = restarted(ground, size).await?;
    times.push(operator.ready_after);
    let (least, middle, most) = spread_of(times);
    table.add(
        &format!("start to ready, {size} clients"),
        format!("{middle} ms (of {RESTARTS} starts: {least}–{most} ms)"),
        "≤ 300 ms",
        "",
    );
    let requests = trail.requests()?;
    let sessions = ground.bank.count("POST", "session-server") + ground.bank.count("POST", "installation");
    table.add(
        &format!("restart with {size} clients"),
        format!("{} writes, {sessions} sessions or installations, {} reads", requests.writes(), requests.all.len()),
        "0 writes, 0 sessions",
        "0 writes, 0 reads (2 writes, 1,000 reads)",
    );
    table.note(format!("At a restart with {size} clients: {}.", requests.shown()));
    table.add(&figure("after a restart"), operator.memory().await?.shown(), "≤ 18 MB", "54.3 MB");
    Ok(operator)
}

/// Namespaces and names; the namespaces are there.
pub(super) async fn places(ground: &Ground, numbers: Range<usize>) -> Outcome<Vec<(String, String)>> {
    for number in 0..NAMESPACES {
        ground.tenant(&format!("crowd-{number}")).await?;
    }
    Ok(numbers.map(|number| (format!("crowd-{}", number % NAMESPACES), format!("app-{number}"))).collect())
}

/// Starts the operator and waits until every object had its pass.
async fn restarted(ground: &Ground, size: usize) -> Outcome<(crate::audit::Trail, Operator)> {
    ground.bank.clear_calls();
    let trail = ground.trail()?;
    let operator = ground.start_operator().await?;
    all_looked_at(ground, size).await?;
    Ok((trail, operator))
}

/// Waits until every object had its pass after a restart.
pub(super) async fn all_looked_at(ground: &Ground, size: usize) -> Outcome {
    let since = Instant::now();
    let looks = || ground.bank.count("GET", "user/{u}/oauth-client/{c}");
    while looks() < size {
        let told = || format!("{} of {size} clients were looked at after a restart", looks());
        ensure(since.elapsed() < PASSES_WITHIN, told)?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(QUIET).await;
    ensure_eq(looks(), size, "reads at the bank after a restart")
}

pub(super) async fn all_ready(ground: &Ground, size: usize, since: Instant) -> Outcome<Duration> {
    let resource = kube::api::ApiResource::erase::<BunqOAuthClient>(&());
    let api: Api<DynamicObject> = Api::all_with(ground.admin.clone(), &resource);
    let mut news = watcher::watcher(api, watcher::Config::default()).boxed();
    let mut ready = HashSet::new();
    while let Some(event) = news.next().await {
        let (watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event? else { continue };
        let uid = object.uid().unwrap_or_default();
        if is_ready(&serde_json::to_value(object)?) && ready.insert(uid) && ready.len() == size {
            return Ok(since.elapsed());
        }
    }
    Err("the watch ended".into())
}
