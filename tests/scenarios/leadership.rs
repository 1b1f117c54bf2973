//! Two replicas, one of which works: whatever becomes of the leader, every user has one client, and nobody
//! changes anything at the bank who may not (F08–F11; S15; L6).

use std::{sync::Arc, time::Duration};

use bunq_oauth_operator::controller::LEASE_NAME;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use libtest_mimic::Trial;
use rustix::process::Signal;
use serde_json::json;
use testbed::{
    harness::{
        Outcome, World,
        api_proxy::{Asked, Trouble},
        ensure, ensure_eq,
        replica::{RELEASED, Replica},
        until,
        world::Member,
    },
    sandbox::{Fault, FaultKind},
};

use crate::stage::{Stage, report, scenarios};

/// A pause of a minute, and a creation in doubt that waits for another one.
const LONGEST: Duration = Duration::from_mins(6);
const PATIENCE: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(5);
const PAUSE: Duration = Duration::from_mins(1);
/// Whoever was paused has had its say by then.
const AFTERMATH: Duration = Duration::from_secs(5);
/// The bank's answer is under way when the leader is paused.
const SLOW: FaultKind = FaultKind::DelayReply(Duration::from_millis(500));

/// The calls of a registration that change something: the leader is paused in the middle of each.
const MOMENTS: [(&str, &str, &str); 5] = [
    ("installation", "POST", "installation"),
    ("device", "POST", "device-server"),
    ("session", "POST", "session-server"),
    ("creation", "POST", "user/{u}/oauth-client$"),
    ("redirect_url", "POST", "user/{u}/oauth-client/{c}/callback-url"),
];

/// What /livez asks (C43).
const LIVENESS: [&str; 9] = ["health", "watch", "workers", "sweeper", "census", "lease", "election", "clock", "ticks"];

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let mut trials: Vec<Trial> = MOMENTS
        .into_iter()
        .map(|(moment, method, template)| {
            let name = format!("a_leader_paused_for_a_minute_amid_the_{moment}_changes_nothing_afterwards");
            stage.scenario_that_waits("leadership", &name, LONGEST, move |world| paused_amid(world, method, template))
        })
        .collect();
    trials.extend(scenarios!(stage, "leadership":
        one_of_two_replicas_works_and_both_are_ready,
        a_leader_that_is_told_to_end_gives_the_lease_back,
        a_leader_that_is_killed_is_followed_once_its_lease_has_ended,
        a_lease_that_is_deleted_is_taken_again_by_one_of_them,
        a_lease_that_is_edited_by_hand_stops_the_leader_and_locks_nobody_out,
        a_replica_that_cannot_see_the_manifests_leaves_the_lease_to_one_that_can,
    ));
    trials
}

async fn two(world: &World) -> Outcome<(Replica, Replica)> {
    let first = world.start_replica("a").await?;
    first.elected().await?;
    Ok((first, world.start_replica("b").await?))
}

fn leases(world: &World) -> Api<Lease> {
    Api::namespaced(world.admin(), &world.operator_namespace)
}

async fn holder(world: &World) -> Outcome<String> {
    let spec = leases(world).get(LEASE_NAME).await?.spec.unwrap_or_default();
    Ok(spec.holder_identity.unwrap_or_default())
}

async fn one_of_two_replicas_works_and_both_are_ready(world: Arc<World>) -> Outcome {
    let (leader, standby) = two(&world).await?;
    let member = world.join(0).await?;
    world.ready(&member.name).await?;

    world.ensure_one_client_with_its_pair(&member).await?;
    ensure(leader.leads() && !standby.leads(), || "it is not one that leads".to_owned())?;
    ensure(holder(&world).await?.starts_with("a_"), || "the Lease names another one".to_owned())?;
    ensure(!leader.said().changes().is_empty() && standby.said().changes().is_empty(), || {
        "the standby told the bank".to_owned()
    })?;
    for (replica, master) in [(&leader, "1"), (&standby, "0")] {
        let (status, _) = replica.process().get("readyz").await?;
        ensure_eq(status, 200, "a replica's readiness")?;
        let (status, checks) = replica.process().get("livez?verbose").await?;
        ensure_eq(status, 200, "a replica's liveness")?;
        for check in LIVENESS {
            ensure(checks.contains(&format!("[+]{check} ok")), || format!("no {check} in {checks}"))?;
        }
        let (_, metrics) = replica.process().get("metrics").await?;
        let said = metrics.lines().find(|line| line.starts_with("leader_election_master_status{"));
        ensure_eq(said.and_then(|line| line.rsplit(' ').next()), Some(master), "leader_election_master_status")?;
    }
    Ok(())
}

/// F10, L6.
async fn a_leader_that_is_told_to_end_gives_the_lease_back(world: Arc<World>) -> Outcome {
    let (leader, standby) = two(&world).await?;
    let member = world.join(0).await?;
    world.ready(&member.name).await?;

    leader.stop().await?;
    standby.elected().await?;

    let spec = leases(&world).get(LEASE_NAME).await?.spec.unwrap_or_default();
    ensure_eq(spec.lease_transitions, Some(1), "how often it changed hands")?;
    let another = world.join(1).await?;
    world.ready(&another.name).await?;
    ensure_eq(world.sandbox.with(|bank| bank.clients.len()), 2, "clients at the bank")?;

    standby.stop().await?;
    ensure_eq(holder(&world).await?.as_str(), "", "who holds the lease of nobody")
}

/// F09, L6.
async fn a_leader_that_is_killed_is_followed_once_its_lease_has_ended(world: Arc<World>) -> Outcome {
    let (leader, standby) = two(&world).await?;
    let member = world.join(0).await?;
    world.ready(&member.name).await?;
    let another = world.join(1).await?;
    until("two creations", PATIENCE, || asked(&world, "POST", "user/{u}/oauth-client$") == 2).await?;

    leader.kill9().await?;
    let since = std::time::Instant::now();
    standby.elected().await?;

    report(&format!("a killed leader was followed after {:.1} s", since.elapsed().as_secs_f64()));
    world.ready_within(&another.name, Duration::from_mins(2)).await?;
    for member in [member, another] {
        world.ensure_one_client_with_its_pair(&member).await?;
    }
    Ok(())
}

/// F11.
async fn a_lease_that_is_deleted_is_taken_again_by_one_of_them(world: Arc<World>) -> Outcome {
    let (first, second) = two(&world).await?;
    for round in 0..5 {
        while leases(&world).get_opt(LEASE_NAME).await?.is_none() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        leases(&world).delete(LEASE_NAME, &DeleteParams::default()).await?;
        let member = world.join(round).await?;
        world.ready_within(&member.name, PATIENCE).await?;
        world.ensure_one_client_with_its_pair(&member).await?;
    }
    until("one leader", PATIENCE, || first.leads() != second.leads()).await.map(drop)
}

/// F11.
async fn a_lease_that_is_edited_by_hand_stops_the_leader_and_locks_nobody_out(world: Arc<World>) -> Outcome {
    let (first, second) = two(&world).await?;
    let edit = json!({"spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 5}});
    leases(&world).patch(LEASE_NAME, &PatchParams::default(), &Patch::Merge(edit)).await?;

    until("the end of the term", PATIENCE, || !first.leads()).await?;
    let since = std::time::Instant::now();
    let member = world.join(0).await?;
    world.ready_within(&member.name, PATIENCE).await?;

    ensure(since.elapsed() > Duration::from_secs(2), || "nobody waited for the end of somebody's lease".to_owned())?;
    ensure(first.leads() != second.leads(), || "it is not one that leads".to_owned())?;
    world.ensure_one_client_with_its_pair(&member).await
}

/// L6: what it would lead, it does not know.
async fn a_replica_that_cannot_see_the_manifests_leaves_the_lease_to_one_that_can(world: Arc<World>) -> Outcome {
    let proxy = world.proxy().await?;
    let is_watch = |asked: &Asked| asked.is_watch && asked.path.ends_with("/bunqoauthclients");
    proxy.trouble(Trouble::Refusal { status: 503, retry_after: 1 }, is_watch);
    let blind = world.spawn_replica_through(&proxy, "blind").await?;
    until("attempts to watch", PATIENCE, || proxy.count(is_watch) > 2).await?;
    ensure(leases(&world).get_opt(LEASE_NAME).await?.is_none(), || "it took the lease".to_owned())?;
    ensure_eq(blind.process().get("livez").await?.0, 200, "its liveness")?;

    let sighted = world.start_replica("sighted").await?;
    sighted.elected().await?;
    let member = world.join(0).await?;
    world.ready(&member.name).await?;
    sighted.stop().await?;
    ensure_eq(proxy.count(|asked| asked.path.contains("/leases")), 0, "looks at the lease by the one that is blind")?;

    proxy.mend();
    blind.elected().await?;
    world.ensure_one_client_with_its_pair(&member).await
}

/// A virtual machine that was paused, a process that was stopped: it wakes up and believes that no time has
/// passed (F08, S15).
async fn paused_amid(world: Arc<World>, method: &'static str, template: &'static str) -> Outcome {
    let (leader, standby) = two(&world).await?;
    world.sandbox.inject(Fault::new(method, template, SLOW));
    let urls = json!({"additionalRedirectUrls": ["https://second.example/callback"]});
    let member: Member = world.join_with(0, &urls).await?;
    until(template, PATIENCE, || asked(&world, method, template) > 0).await?;

    leader.process().signal(Signal::STOP)?;
    let paused = std::time::Instant::now();
    standby.elected().await?;
    // A creation in doubt is looked for again after a minute.
    world.ready_within(&member.name, Duration::from_mins(3)).await?;
    tokio::time::sleep(PAUSE.saturating_sub(paused.elapsed())).await;
    let known = world.sandbox.calls().len();
    leader.process().signal(Signal::CONT)?;
    tokio::time::sleep(AFTERMATH).await;

    let late = world.sandbox.calls().split_off(known);
    let changes: Vec<String> = late.iter().filter(|call| call.method != "GET").map(ToString::to_string).collect();
    ensure(changes.is_empty(), || format!("after it woke up the bank was told {changes:#?}"))?;
    ensure(!leader.leads() && standby.leads(), || "whoever was paused still leads".to_owned())?;
    world.ready(&member.name).await?;
    world.ensure_one_client_with_its_pair(&member).await?;
    let devices = world.sandbox.with(|bank| bank.devices.len());
    ensure(devices <= 2, || format!("{devices} devices"))?;
    standby.stop().await?;
    leader.elected().await?;
    ensure(leader.said().at(RELEASED).is_none(), || "it gave back what it did not hold".to_owned())
}

fn asked(world: &World, method: &str, template: &str) -> usize {
    let fits = |found: &str| match template.strip_suffix('$') {
        Some(whole) => found == whole,
        None => found.starts_with(template),
    };
    world.sandbox.calls().iter().filter(|call| call.method == method && fits(call.template)).count()
}
