//! What further manifests cost: memory each, and time at the start. With `BENCH_AGAINST` of two programs, on one control
//! plane, one after the other.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use bunq_oauth_operator::bunq::KeyPair;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use testbed::harness::Outcome;

use super::{
    crowd::{AT_ONCE, NAMESPACES, all_looked_at, all_ready, places},
    spread_of,
};
use crate::{ground::Ground, operator::Memory, settings::Settings, table::Table};

/// Few, then many.
const SIZES: [usize; 2] = [1000, 3000];
/// Starts of each program with so many manifests, and how many of them are for memory.
const STARTS: usize = 11;
const MEMORIES: usize = 3;
const READY_WITHIN: Duration = Duration::from_mins(10);

/// One program, and what was measured of it.
struct Program {
    path: PathBuf,
    /// By size.
    memories: Vec<u64>,
    middle: Vec<u128>,
}

pub(super) async fn measure(ground: &Ground, settings: &Settings, table: &mut Table) -> Outcome {
    // All have one key pair, made beforehand: that saves most of the processor time of the handshakes, and no call.
    let pair = KeyPair::generate().and_then(|pair| pair.to_pkcs8_pem())?;
    let paths = std::iter::once(&settings.operator).chain(&settings.against);
    let program = |path: &PathBuf| Program { path: path.clone(), memories: Vec::new(), middle: Vec::new() };
    let mut programs: Vec<Program> = paths.map(program).collect();
    let mut there = 0;
    for size in SIZES {
        add(ground, there..size, &pair).await?;
        there = size;
        memories(ground, size, &mut programs, table).await?;
        starts(ground, size, &mut programs, table).await?;
    }
    let more = (SIZES[1] - SIZES[0]) as u64;
    let each = programs.iter().map(|program| (program.memories[1].saturating_sub(program.memories[0])) * 1024 / more);
    let name =
        format!("resident memory, each further client ({} to {} in {NAMESPACES} namespaces)", SIZES[0], SIZES[1]);
    table.add(&name, side_by_side(&each.map(u128::from).collect::<Vec<_>>(), "bytes"), "", "");
    Ok(())
}

/// Makes manifests and waits until all are Ready.
async fn add(ground: &Ground, numbers: std::ops::Range<usize>, pair: &str) -> Outcome {
    let (size, since) = (numbers.end, Instant::now());
    let places = places(ground, numbers).await?;
    let made = stream::iter(&places).map(|(namespace, name)| async move {
        let secret = format!("key-of-{name}");
        ground.key_with_pair(namespace, &secret, pair).await?;
        ground.apply(namespace, name, &secret).await
    });
    made.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    let operator = ground.start_operator().await?;
    tokio::time::timeout(READY_WITHIN, all_ready(ground, size, since)).await??;
    operator.stop().await
}

/// At rest, after a restart and a look at every client.
async fn memories(ground: &Ground, size: usize, programs: &mut [Program], table: &mut Table) -> Outcome {
    let mut found = vec![Vec::new(); programs.len()];
    for _ in 0..MEMORIES {
        for (program, found) in programs.iter().zip(&mut found) {
            ground.bank.clear_calls();
            let operator = ground.start(&program.path).await?;
            all_looked_at(ground, size).await?;
            found.push(operator.memory().await?);
            operator.stop().await?;
        }
    }
    for (program, found) in programs.iter_mut().zip(&mut found) {
        found.sort_by_key(|memory| memory.total());
        program.memories.push(found[MEMORIES / 2].total());
    }
    let name = format!("resident memory, {size} clients in {NAMESPACES} namespaces, at rest after a restart");
    let total: Vec<u128> =
        programs.iter().filter_map(|program| program.memories.last().copied().map(u128::from)).collect();
    table.add(&name, side_by_side(&total, "kB"), "", "");
    for (program, found) in programs.iter().zip(&found) {
        let all: Vec<String> = found.iter().copied().map(Memory::shown).collect();
        table.note(format!("With {size} clients, {}: {}.", program.path.display(), all.join("; ")));
    }
    Ok(())
}

/// Each program in turn, so that what the machine does besides meets both.
async fn starts(ground: &Ground, size: usize, programs: &mut [Program], table: &mut Table) -> Outcome {
    let mut times = vec![Vec::new(); programs.len()];
    let mut work = vec![Vec::new(); programs.len()];
    for _ in 0..STARTS {
        for (index, program) in programs.iter().enumerate() {
            let operator = ground.start(&program.path).await?;
            times[index].push(operator.ready_after);
            work[index].push(operator.cpu()?);
            operator.stop().await?;
        }
    }
    for (index, program) in programs.iter_mut().enumerate() {
        let (least, middle, most) = spread_of(std::mem::take(&mut times[index]));
        let (_, cpu, _) = spread_of(std::mem::take(&mut work[index]));
        program.middle.push(middle);
        table.note(format!(
            "Start to ready with {size} clients, {}: {least}–{most} ms, processor time {cpu} ms.",
            program.path.display()
        ));
    }
    let middle: Vec<u128> = programs.iter().filter_map(|program| program.middle.last().copied()).collect();
    table.add(&format!("start to ready, {size} clients"), side_by_side(&middle, "ms"), "", "");
    Ok(())
}

/// This one's; with another program beside it, that one's and the ratio.
fn side_by_side(values: &[u128], unit: &str) -> String {
    match *values {
        [this, other] => {
            let percent = this * 100 / other.max(1);
            format!("{this} {unit} (the other: {other} {unit}; ratio {}.{:02})", percent / 100, percent % 100)
        }
        [this] => format!("{this} {unit}"),
        _ => String::new(),
    }
}
