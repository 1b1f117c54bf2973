//! The order of the steps, and what happens when one fails.

use std::sync::Arc;

use super::error::{Error, Part};
use super::narrate::Narrator;
use super::settings::Settings;
use super::steps::{change, deploy, finish, heal, login, operate, show, start};
use super::world::World;

/// Runs the whole tour. Dropping it midway cleans up as well.
pub(crate) async fn run(narrator: &Arc<Narrator>) -> Result<(), Error> {
    let mut world = start::everything(Settings::read()?, narrator).await?;
    match steps(&mut world, narrator).await {
        Ok(()) => finish::clean_up(world, narrator).await,
        Err(error) => {
            give_up(world, &error, narrator).await?;
            Err(error)
        }
    }
}

async fn steps(world: &mut World, narrator: &Narrator) -> Result<(), Error> {
    deploy::apply(world, narrator).await?;
    operate::start(world, narrator).await?;
    show::ready(world, narrator).await?;
    login::prove(world, narrator).await?;
    change::redirect_url(world, narrator).await?;
    heal::secret(world, narrator).await
}

/// Shows what the part at fault logged last, while its log is still there.
async fn give_up(world: World, error: &Error, narrator: &Narrator) -> Result<(), Error> {
    if let Some(part) = error.part() {
        narrator.evidence(part, &last_lines(&world, part));
    }
    if world.settings.keep {
        return finish::keep(world, narrator);
    }
    world.stop().await
}

fn last_lines(world: &World, part: Part) -> String {
    let lines = world.last_lines(part);
    if lines.is_empty() { "(it logged nothing)".to_owned() } else { lines }
}
