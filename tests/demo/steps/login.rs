//! Step 5: a user logs in with what the Secret holds.

use std::collections::BTreeMap;

use bunq_oauth_operator::bunq::{BaseUrl, Endpoints};
use testbed::harness::oauth_client::log_in;

use crate::error::{Error, Part};
use crate::narrate::Narrator;
use crate::steps::show::authorization_url;
use crate::world::{SAMPLE, World};

pub(crate) async fn prove(world: &World, narrator: &Narrator) -> Result<(), Error> {
    narrator.step(5, "log a user in with the Secret, as an application would", "1 second");
    let Some(emulator) = world.bank.emulator() else {
        narrator.say("Open this and confirm in your sandbox user's bunq app (the next step registers another URL,");
        narrator.say("and nobody listens there once the tour is over):");
        narrator.output(&format!("{}&state=choose-your-own", authorization_url(world).await?));
        return Ok(());
    };
    let base = BaseUrl::parse(&emulator.base_url)
        .map_err(|error| Error::unexpected(Part::Emulator, format!("its base URL {error}")))?;
    let secret = world.secrets().await?.get(SAMPLE).await.map_err(Error::kubernetes("read the output Secret"))?;
    let data: BTreeMap<String, Vec<u8>> =
        secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();

    let login = world.attended(log_in(&data, &world.redirect, Endpoints::overridden(base))).await??;

    narrator.say("The oauth2 crate (with the adapter of docs/login) sent a user to");
    narrator.output(&login.authorization_url);
    narrator.say("got the code at the redirect URL, compared the state, exchanged the code for a token,");
    narrator.say("and opened a bank session with it:");
    let user = login.session.user;
    narrator.proven(format_args!("the session belongs to {} {}: the login is proven", user.kind.as_str(), user.id));
    Ok(())
}
