//! The process is killed at moments that nobody chose: whatever was under way is finished by the
//! next one, and nothing is done twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    sync::Arc,
    time::Duration,
};

use libtest_mimic::Trial;
use testbed::{
    harness::{Outcome, World, dice::Dice, ensure, ensure_eq, world::Member},
    sandbox::{Fault, FaultKind},
};

use crate::stage::Stage;

/// It starts the operator 31 times, and a creation in doubt takes a minute of real time.
const LONGEST: Duration = Duration::from_mins(6);
const KILLS: usize = 30;
const MEMBERS: usize = 10;
/// The latest moment of a kill, after the operator said that it is ready: most passes of a
/// registration have begun by then, and few have ended.
const LATEST: u64 = 700;
/// The moments of an earlier run can be played again.
const SEED: &str = "KILLS_SEED";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    vec![stage.scenario_within(
        "kills",
        "killed_thirty_times_at_random_it_registers_each_user_once",
        LONGEST,
        killed_thirty_times_at_random_it_registers_each_user_once,
    )]
}

/// A crash between two calls of a handshake costs at most one registration (F04, S14); one anywhere
/// else costs nothing (F01, F02, F03).
async fn killed_thirty_times_at_random_it_registers_each_user_once(world: Arc<World>) -> Outcome {
    let seed = env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    let kept = world.folder().join("kills.txt");
    fs::write(&kept, format!("{SEED}={seed}\n"))?;
    match play(&world, Dice::new(seed)).await {
        Ok(lost) => Ok(fs::write(kept, format!("{SEED}={seed}\n{lost:#?}\n"))?),
        Err(error) => Err(format!("with {SEED}={seed}: {error}").into()),
    }
}

async fn play(world: &World, mut dice: Dice) -> Outcome<Lost> {
    // A bank that takes its time, so that kills hit calls under way.
    world.sandbox.inject(Fault::new("*", "", FaultKind::DelayReply(Duration::from_millis(40))).forever());
    let (mut members, mut lost) = (Vec::new(), Lost::default());
    for kill in 0..KILLS {
        if members.len() * KILLS <= kill * MEMBERS {
            members.push(world.join(members.len()).await?);
        }
        world.start_operator().await?;
        tokio::time::sleep(Duration::from_millis(dice.below(LATEST))).await;
        world.kill_operator().await?;
        lost.look(world).await?;
    }
    ensure_eq(members.len(), MEMBERS, "users")?;
    world.start_operator().await?;

    for member in &members {
        // A creation that was announced and perhaps never sent is in doubt for a minute.
        world.ready_within(&member.name, Duration::from_mins(3)).await?;
        world.ensure_one_client_with_its_pair(member).await?;
    }
    ensure_eq(world.sandbox.with(|bank| bank.clients.len()), MEMBERS, "clients at the bank")?;
    lost.explains_every_registration(world, &members)?;
    Ok(lost)
}

/// What the bank had registered when a kill came, and no context says so: the kill hit its window.
#[derive(Debug, Default)]
struct Lost {
    installations: BTreeSet<u64>,
    /// Devices, by the number of their key.
    devices: BTreeMap<u64, BTreeSet<u64>>,
}

impl Lost {
    async fn look(&mut self, world: &World) -> Outcome {
        let mut recorded = BTreeSet::new();
        for context in world.contexts().await? {
            recorded.extend(context.data.into_iter().flatten().map(|(_, value)| value.0));
        }
        world.sandbox.with(|bank| {
            let lost = bank.installations.iter().filter(|it| !recorded.contains(it.token.as_bytes()));
            self.installations.extend(lost.map(|it| it.id));
            for device in bank.devices.iter().filter(|it| !recorded.contains(it.id.to_string().as_bytes())) {
                self.devices.entry(device.key).or_default().insert(device.id);
            }
        });
        Ok(())
    }

    fn explains_every_registration(&self, world: &World, members: &[Member]) -> Outcome {
        let (installations, devices) = world.sandbox.with(|bank| {
            let mut devices: BTreeMap<u64, usize> = BTreeMap::new();
            for device in &bank.devices {
                *devices.entry(device.key).or_default() += 1;
            }
            (bank.installations.len(), devices)
        });
        ensure_eq(devices.len(), members.len(), "keys with a device")?;
        for (key, registered) in devices {
            let hit = self.devices.get(&key).map_or(0, BTreeSet::len);
            ensure(registered <= 1 + hit, || format!("{registered} devices of one key, whose window {hit} kills hit"))?;
        }
        let most = members.len() + self.installations.len();
        ensure(installations <= most, || format!("{installations} installations, at most {most} can be explained"))
    }
}
