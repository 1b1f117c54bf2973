//! Step 6, first half: another redirect URL, and what the bank was told.

use crate::audit::{self, agree, audit_lines, bank_calls, mutations};
use crate::error::{Error, Part};
use crate::narrate::Narrator;
use crate::steps::deploy::{MANIFEST, write_manifest};
use crate::steps::show::{authorization_url, wait_for_ready};
use crate::world::{SAMPLE, SHOP, World};

pub(crate) async fn redirect_url(world: &World, narrator: &Narrator) -> Result<(), Error> {
    narrator.step(6, "change the redirect URL, and lose the Secret", "4 seconds");
    let new_url = world.redirect.url("/oauth/callback");
    let patch = format!(r#"{{"spec":{{"redirectUrl":"{new_url}"}}}}"#);
    let args = ["-n", SHOP, "patch", "bunqoauthclient", SAMPLE, "--type=merge", "-p", &patch];
    world.kubectl(narrator, &args).await?;
    wait_for_ready(world, narrator).await?;
    the_secret_followed(world, &new_url).await?;
    narrator.proven("the Secret holds the new redirect_uri");

    what_the_bank_was_told(world, narrator)?;

    if world.bank.emulator().is_none() {
        narrator.say("The authorization URL is now:");
        narrator.output(&authorization_url(world).await?);
    }

    let manifest = write_manifest(world, &new_url)?;
    narrator.command(format_args!("kubectl diff -f {MANIFEST}"));
    let difference = world.difference(&manifest).await?;
    if !difference.is_empty() {
        return Err(Error::unexpected(
            Part::Operator,
            format!("kubectl diff of the manifest is not empty:\n{difference}"),
        ));
    }
    narrator.proven("kubectl diff of the manifest is empty");
    Ok(())
}

async fn the_secret_followed(world: &World, url: &str) -> Result<(), Error> {
    let secret = world.secrets().await?.get(SAMPLE).await.map_err(Error::kubernetes("read the output Secret"))?;
    let data = secret.data.unwrap_or_default();
    if data.get("redirect_uri").is_some_and(|stored| stored.0 == url.as_bytes()) {
        return Ok(());
    }
    Err(Error::unexpected(Part::Operator, format!("Ready, but the Secret's redirect_uri is not {url}")))
}

/// The operator's own account of the whole tour, and the bank's.
fn what_the_bank_was_told(world: &World, narrator: &Narrator) -> Result<(), Error> {
    let audit = audit_lines(world.operator_log()?)?;
    narrator.say("What the bank was told since the start, by the operator's audit lines:");
    for line in &audit {
        narrator.output(&line.to_string());
    }
    let Some(emulator) = world.bank.emulator() else {
        return Ok(());
    };
    let calls = bank_calls(&emulator.call_log)?;
    let mutations = mutations(&calls);
    if !agree(&audit, &mutations) {
        let heard: Vec<String> = mutations.iter().map(ToString::to_string).collect();
        let what = format!("its audit lines are not what the bank heard:\n{}", heard.join("\n"));
        return Err(Error::unexpected(Part::Operator, what));
    }
    narrator.proven(format_args!("the bank's call log holds the same {} changes in the same order", mutations.len()));
    one_client(&calls)?;
    narrator.proven("and exactly one POST user/{u}/oauth-client");
    Ok(())
}

/// The one promise that is never broken: no second client.
pub(crate) fn one_client(calls: &[audit::BankCall]) -> Result<(), Error> {
    match calls.iter().filter(|call| call.creates_client()).count() {
        1 => Ok(()),
        count => Err(Error::unexpected(Part::Operator, format!("{count} POST user/{{u}}/oauth-client, expected 1"))),
    }
}
