//! The chapters, and the order they are measured in.

mod calls;
mod crowd;
mod further;
mod heal;
mod memory;
mod one;
mod rest;

use std::{io::Write as _, time::Duration};

use testbed::harness::Outcome;

use super::{
    ground::Ground,
    settings::{Chapter, Settings},
    table::Table,
};

/// Measures every chapter that was picked. What takes little time first, on a quiet machine.
pub(crate) async fn all(settings: &Settings, table: &mut Table) -> Outcome {
    let quick: [(Chapter, &str); 3] = [
        (Chapter::One, "one manifest: memory and start"),
        (Chapter::Calls, "calls from apply to Ready"),
        (Chapter::Heal, "a hundred deleted Secrets"),
    ];
    let first = Ground::new(settings, None).await?;
    for (chapter, title) in quick {
        if settings.has(chapter) {
            tell(title)?;
            match chapter {
                Chapter::One => one::measure(&first, table).await?,
                Chapter::Calls => calls::measure(&first, table).await?,
                Chapter::Heal => heal::measure(&first, table).await?,
                Chapter::Namespaces | Chapter::Secrets | Chapter::Further | Chapter::Crowd | Chapter::Rest => {}
            }
        }
    }
    if settings.has(Chapter::Further) {
        tell("further manifests")?;
        let ground = Ground::new(settings, Some(first.bench())).await?;
        further::measure(&ground, settings, table).await?;
        ground.stop().await?;
    }
    if !settings.has(Chapter::Crowd) {
        memories(settings, &first, table).await?;
        return first.stop().await;
    }
    tell("the crowd")?;
    let ground = Ground::new(settings, Some(first.bench())).await?;
    let operator = crowd::measure(&ground, settings.crowd, table).await?;
    if settings.has(Chapter::Rest) {
        tell("the crowd at rest; meanwhile the rest of the memory figures")?;
        let mut at_rest = Table::default();
        let (rest, others) = tokio::join!(
            rest::measure(&ground, &operator, settings.crowd, &mut at_rest),
            memories(settings, &first, table)
        );
        table.append(at_rest);
        rest?;
        others?;
    } else {
        memories(settings, &first, table).await?;
    }
    operator.stop().await?;
    ground.stop().await?;
    first.stop().await
}

/// What needs memory to be counted, not time.
async fn memories(settings: &Settings, first: &Ground, table: &mut Table) -> Outcome {
    if settings.has(Chapter::Namespaces) {
        tell("a hundred namespaces")?;
        let ground = Ground::new(settings, Some(first.bench())).await?;
        memory::namespaces(&ground, table).await?;
        ground.stop().await?;
    }
    if settings.has(Chapter::Secrets) {
        tell("5,000 Secrets of 100 kB that are somebody else's")?;
        let ground = Ground::new(settings, Some(first.bench())).await?;
        memory::foreign_secrets(&ground, table).await?;
        ground.stop().await?;
    }
    Ok(())
}

fn tell(title: &str) -> Outcome {
    Ok(writeln!(std::io::stderr(), "==> {title}")?)
}

/// The smallest, the middle one and the largest, in milliseconds.
fn spread_of(mut times: Vec<Duration>) -> (u128, u128, u128) {
    times.sort();
    let at = |index: usize| times.get(index).map_or(0, Duration::as_millis);
    (at(0), at(times.len() / 2), at(times.len().saturating_sub(1)))
}
