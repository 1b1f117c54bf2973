//! Who answers for the bank must prove who it is: until then nothing is sent, and the status says why (H07, H08,
//! S10).

mod stranger;

use std::{fs, sync::Arc};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::{
    harness::{Outcome, World, ensure, ensure_eq, world::condition},
    sandbox::{Fault, FaultKind, Options, Sandbox, Tls},
};

use crate::stage::{Stage, report, scenarios};
use stranger::{Manners, Stranger};

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "tls":
        a_bank_that_proves_nothing_gets_no_key_and_the_status_says_why,
        a_redirect_leads_nowhere,
    )
}

/// What stands where the bank should be.
#[derive(Debug, Clone, Copy)]
enum Peer {
    /// The bank with another certificate.
    Certificate(Tls),
    /// Somebody who speaks something else.
    Manners(Manners),
}

/// What people read about each.
const PEERS: &[(Peer, &str)] = &[
    (Peer::Certificate(Tls::SelfSigned), "invalid peer certificate: UnknownIssuer"),
    (Peer::Certificate(Tls::WrongHost), "certificate not valid for name \"127.0.0.1\""),
    (Peer::Certificate(Tls::Expired), "certificate expired"),
    (Peer::Certificate(Tls::NotYetValid), "certificate not valid yet"),
    (Peer::Manners(Manners::PlainHttp), "received corrupt message of type InvalidContentType"),
    (Peer::Manners(Manners::Tls11), "peer is incompatible: ServerDoesNotSupportTls12Or13"),
];

/// Self-signed, for another host, expired, not valid yet, no TLS at all, TLS 1.1 (H07). The bank's authority is known
/// each time: it is the certificate that is wrong, not the trust.
async fn a_bank_that_proves_nothing_gets_no_key_and_the_status_says_why(world: Arc<World>) -> Outcome {
    for (number, (peer, words)) in PEERS.iter().enumerate() {
        if number > 0 {
            world.delete("my-app").await?;
            world.gone("my-app").await?;
        }
        let user = world.user().await?;
        let object = match peer {
            Peer::Certificate(tls) => {
                let bank = Sandbox::start(Options { tls: Some(*tls), ..Options::default() }).await?;
                let object = refused(&world, &bank.base_url(), bank.ca_pem()).await?;
                ensure_eq(bank.calls().len(), 0, &format!("calls that {peer:?} saw"))?;
                object
            }
            Peer::Manners(manners) => {
                let stranger = Stranger::listen(*manners).await?;
                let object = refused(&world, &stranger.base_url(), None).await?;
                stranger.ensure_only_hellos(&user.api_key)?;
                object
            }
        };
        let message = condition(&object, "Ready")["message"].as_str().unwrap_or_default().to_owned();
        for part in [*words, "POST installation", "No key was sent", "by itself"] {
            ensure(message.contains(part), || format!("{peer:?}: {part:?} is not in {message:?}"))?;
        }
        report(&format!("{peer:?}: {message}"));
    }
    // The last of them becomes Ready as soon as a bank with a certificate of its own stands there.
    let bank = Sandbox::start(Options { tls: Some(Tls::Valid), ..Options::default() }).await?;
    world.bench.remember_bank(bank.clone());
    world.put_key("bunq-api-key", &bank.new_user().api_key).await?;
    start(&world, &bank.base_url(), bank.ca_pem()).await?;
    world.ready("my-app").await.map(drop)
}

/// The object of an operator whose bank is this one.
async fn refused(world: &World, base_url: &str, ca_pem: Option<String>) -> Outcome<Value> {
    start(world, base_url, ca_pem).await?;
    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "BankNotTrusted").await?;
    ensure_eq(&condition(&object, "Ready")["status"], &json!("Unknown"), "Ready")?;
    ensure_eq(&condition(&object, "Reconciling")["status"], &json!("True"), "Reconciling")?;
    ensure(world.secret_if_any("my-app").await?.is_none(), || "something is published".to_owned())?;
    world.stop_operator().await?;
    Ok(object)
}

async fn start(world: &World, base_url: &str, ca_pem: Option<String>) -> Outcome {
    let Some(ca_pem) = ca_pem else {
        return world.start_operator_at(base_url, &[]).await;
    };
    let file = world.folder().join("bank-ca.pem");
    fs::write(&file, ca_pem)?;
    let file = file.to_str().ok_or("a strange folder")?;
    world.start_operator_at(base_url, &["--bunq-ca-file", file]).await
}

/// Whoever stands behind a redirect sees neither key nor token: not even a connection (H08, S10).
async fn a_redirect_leads_nowhere(world: Arc<World>) -> Outcome {
    world.user().await?;
    let elsewhere = Stranger::listen(Manners::PlainHttp).await?;
    let target = format!("http://{}/v1/", elsewhere.address());
    world.sandbox.inject(Fault::new("*", "", FaultKind::Redirect(target)).forever());
    world.start_operator().await?;

    let object = world.apply_reason(&world.manifest("my-app", &json!({})), "BankUnavailable").await?;

    let message = condition(&object, "Ready")["message"].as_str().unwrap_or_default().to_owned();
    ensure(message.contains("302"), || format!("it does not say what the bank answered: {message}"))?;
    ensure(!world.sandbox.calls().is_empty(), || "the bank was never asked".to_owned())?;
    ensure_eq(elsewhere.connections(), 0, "connections to where the redirect leads")
}
