//! Step 6, second half: somebody deletes the Secret.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use sha2::{Digest as _, Sha256};

use crate::audit::bank_calls;
use crate::error::{Error, Part};
use crate::narrate::Narrator;
use crate::steps::change::one_client;
use crate::world::{SAMPLE, SHOP, World};

const BACK_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);

pub(crate) async fn secret(world: &World, narrator: &Narrator) -> Result<(), Error> {
    let secrets = world.secrets().await?;
    let before = secrets.get(SAMPLE).await.map_err(Error::kubernetes("read the output Secret"))?;
    let calls_before = calls(world)?;

    let back = async {
        // Watched from before the deletion: kubectl alone takes longer than the operator.
        let back = until_another(&secrets, &before);
        let deletion = world.kubectl(narrator, &["-n", SHOP, "delete", "secret", SAMPLE]);
        let (back, deletion) = tokio::join!(back, deletion);
        deletion?;
        back
    };
    let late = Error::TooLate { part: Part::Operator, what: "the Secret's return", seconds: BACK_WITHIN.as_secs() };
    let (after, gone_for) = tokio::time::timeout(BACK_WITHIN, back).await.unwrap_or(Err(late))?;

    if pair_hash(&before) != pair_hash(&after) {
        return Err(Error::unexpected(Part::Operator, "the Secret came back with another pair"));
    }
    let pair = pair_hash(&after);
    let milliseconds = gone_for.as_millis();
    narrator.proven(format_args!("back after {milliseconds} ms with the same pair (SHA-256 {pair:.12}…)"));
    if let Some(emulator) = world.bank.emulator() {
        let calls_after = bank_calls(&emulator.call_log)?;
        if Some(calls_after.len()) != calls_before {
            return Err(Error::unexpected(Part::Operator, "it called the bank to bring the Secret back"));
        }
        one_client(&calls_after)?;
        narrator.proven("without a call to the bank");
    }
    Ok(())
}

fn calls(world: &World) -> Result<Option<usize>, Error> {
    world.bank.emulator().map(|emulator| Ok(bank_calls(&emulator.call_log)?.len())).transpose()
}

/// The Secret that comes after this one, and how long there was none.
async fn until_another(secrets: &Api<Secret>, old: &Secret) -> Result<(Secret, Duration), Error> {
    let mut last_seen = Instant::now();
    loop {
        let now = secrets.get_opt(SAMPLE).await.map_err(Error::kubernetes("read the output Secret"))?;
        match now {
            Some(secret) if secret.metadata.uid != old.metadata.uid => return Ok((secret, last_seen.elapsed())),
            Some(_) => last_seen = Instant::now(),
            None => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A hash of `client_id` and `client_secret`, to compare without showing.
fn pair_hash(secret: &Secret) -> String {
    let mut hash = Sha256::new();
    for key in ["client_id", "client_secret"] {
        let value = secret.data.as_ref().and_then(|data| data.get(key)).map(|value| value.0.as_slice());
        let value = value.unwrap_or_default();
        hash.update(value.len().to_be_bytes());
        hash.update(value);
    }
    format!("{:x}", hash.finalize())
}
