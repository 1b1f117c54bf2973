//! Step 7: leave nothing behind, or everything.

use crate::error::Error;
use crate::narrate::Narrator;
use crate::world::World;

pub(crate) async fn clean_up(world: World, narrator: &Narrator) -> Result<(), Error> {
    if world.settings.keep {
        narrator.step(7, "leave everything running", "no time");
        return keep(world, narrator);
    }
    narrator.step(7, "clean up", "2 seconds");
    let folder = world.plane.dir().to_owned();
    let ours = !world.plane.process_ids().is_empty();
    if world.bank.emulator().is_none() {
        narrator.say("The OAuth client stays at bunq (deletionPolicy Retain); the next tour adopts it.");
    }
    world.stop().await?;
    if !ours {
        narrator.say("In your cluster these stay; remove them when you are done:");
        narrator.command("kubectl delete namespace shop");
        narrator.command("kubectl delete -k deploy/overlays/demo");
    }
    narrator.say(format_args!("every process has ended, {} is gone", folder.display()));
    Ok(())
}

/// Lets go of everything and says how to use it and how to end it.
pub(crate) fn keep(world: World, narrator: &Narrator) -> Result<(), Error> {
    let folder = world.plane.dir().display().to_string();
    let kubeconfig = world.plane.admin_kubeconfig().display().to_string();
    let kubectl = world.plane.kubectl().program().display().to_string();
    let ids: Vec<String> = world.leave_running()?.iter().map(ToString::to_string).collect();
    narrator.say("Everything is running. Use it with:");
    narrator.command(format_args!("export KUBECONFIG={kubeconfig}"));
    narrator.command(format_args!("{kubectl} -n shop get bunqoauthclients"));
    narrator.say(format_args!("Logs, manifests and kubeconfigs are in {folder}. Stop it all with:"));
    narrator.command(format_args!("kill -KILL {}; rm -rf {folder}", ids.join(" ")));
    Ok(())
}
