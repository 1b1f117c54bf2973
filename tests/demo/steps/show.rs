//! Step 4: what a person sees once the client is there.

use crate::error::{Error, Part};
use crate::narrate::Narrator;
use crate::world::{SAMPLE, SHOP, World};

pub(crate) async fn ready(world: &World, narrator: &Narrator) -> Result<(), Error> {
    narrator.step(4, "wait until the bank and the Secret are as declared", usually(world));
    wait_for_ready(world, narrator).await?;
    world.kubectl(narrator, &["-n", SHOP, "get", "bunqoauthclients", "-o", "wide"]).await?;

    narrator.say(format_args!("The Secret {SHOP}/{SAMPLE} that applications mount (values are not shown):"));
    let secret = world.secrets().await?.get(SAMPLE).await.map_err(Error::kubernetes("read the output Secret"))?;
    for (key, value) in secret.data.unwrap_or_default() {
        narrator.output(&format!("{key:<18} ******** ({} bytes)", value.0.len()));
    }
    narrator.say("Where an application sends its users (it appends its own state):");
    narrator.output(&authorization_url(world).await?);
    Ok(())
}

/// kubectl takes a condition for an answer only when it speaks of the newest generation.
pub(crate) async fn wait_for_ready(world: &World, narrator: &Narrator) -> Result<(), Error> {
    let timeout = format!("--timeout={}s", world.bank.patience_seconds());
    let resource = format!("bunqoauthclient/{SAMPLE}");
    let ready = ["-n", SHOP, "wait", "--for=condition=Ready", &resource, &timeout];
    let ready = narrator.patiently("Ready", usually(world), world.kubectl(narrator, &ready));
    let done = tokio::select! {
        done = ready => done.map(drop),
        error = stalled(world, &resource, &timeout) => Err(error),
    };
    if done.is_err() {
        // What the operator says of it comes before its log.
        let conditions = r#"jsonpath={range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{"\n"}{end}"#;
        let args = ["-n", SHOP, "get", &resource, "-o", conditions];
        narrator.output(&world.plane.kubectl().run(&args).await.unwrap_or_default());
    }
    done
}

/// Ends only when the operator says that it needs a person: nobody waits for Ready then.
async fn stalled(world: &World, resource: &str, timeout: &str) -> Error {
    let kubectl = world.plane.kubectl();
    let message = r#"jsonpath={.status.conditions[?(@.type=="Stalled")].message}"#;
    if kubectl.run(&["-n", SHOP, "wait", "--for=condition=Stalled", resource, timeout]).await.is_err() {
        std::future::pending::<()>().await;
    }
    let message = kubectl.run(&["-n", SHOP, "get", resource, "-o", message]).await.unwrap_or_default();
    Error::unexpected(Part::Operator, format!("it needs a person: {message}"))
}

fn usually(world: &World) -> &'static str {
    match world.bank.emulator() {
        Some(_) => "2 seconds",
        None => "a minute: bunq allows one session in 30 seconds",
    }
}

pub(crate) async fn authorization_url(world: &World) -> Result<String, Error> {
    let url = world.status().await?.authorization_url;
    url.ok_or_else(|| Error::unexpected(Part::Operator, "it is Ready without an authorizationUrl"))
}
