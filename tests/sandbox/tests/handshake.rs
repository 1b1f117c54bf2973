use std::{net::Ipv4Addr, time::Duration};

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::probe::{Probe, sign};
use crate::sandbox::{
    Options,
    behaviour::{LoneWildcard, SignatureRule},
};

const CREDENTIALS: &str = "User credentials are incorrect. Incorrect API key or IP address.";

#[tokio::test]
async fn a_handshake_answers_in_bunqs_order_and_signs_everything() {
    let mut probe = Probe::stranger(Options::default()).await;
    let got = probe.install().await;
    assert_eq!(got.items(), 3);
    assert!(got.item(2)["server_public_key"].as_str().unwrap().contains("BEGIN PUBLIC KEY"));
    let got = probe.device(&json!({})).await;
    assert!(got.is_signed());
    let got = probe.open_session().await;
    assert!(got.is_signed());
    assert_eq!(probe.user_id, probe.user.id);
    assert_eq!(got.json()["Response"][2]["UserPerson"]["session_timeout"], 604_800);
    assert_eq!(probe.get("user").await.item(0)["id"], probe.user.id);
}

#[tokio::test]
async fn keys_that_are_not_rsa_public_keys_are_refused() {
    let probe = Probe::stranger(Options::default()).await;
    let body = json!({"client_public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"});
    let got = probe.call(Method::POST, "installation", None, Some(&body)).await;
    assert_eq!((got.status, got.error().as_str()), (400, "Client Public Key Invalid"));
}

#[tokio::test]
async fn a_session_needs_a_signature_over_exactly_the_bytes_sent() {
    let mut probe = Probe::stranger(Options::default()).await;
    probe.install().await;
    probe.device(&json!({})).await;
    let token = probe.installation.clone();
    let body = json!({"secret": probe.user.api_key}).to_string().into_bytes();
    for (signature, status, text) in [
        (None, 466, "For this operation a request signature is required. Check the urls for more information."),
        (Some(sign(b"{}")), 400, "The request signature is invalid."),
    ] {
        let id = Uuid::new_v4().to_string();
        let got = probe
            .send(Method::POST, "session-server", token.as_deref(), body.clone(), signature.as_deref(), &id)
            .await
            .unwrap();
        assert_eq!((got.status, got.error().as_str()), (status, text));
    }
    assert_eq!(probe.open_session().await.status, 200);
}

#[tokio::test]
async fn a_signature_is_checked_where_it_is_optional_and_demanded_by_switch() {
    let probe = Probe::ready().await;
    let path = format!("user/{}/oauth-client", probe.user_id);
    let token = probe.session.as_deref();
    let post = |signature: Option<String>| {
        let (probe, path) = (&probe, &path);
        async move {
            let id = Uuid::new_v4().to_string();
            probe.send(Method::POST, path, token, b"{}".to_vec(), signature.as_deref(), &id).await.unwrap()
        }
    };
    assert_eq!(post(Some(sign(b"{ }"))).await.status, 400);
    probe.sandbox.behave(|it| it.signatures = SignatureRule::EveryBody);
    assert_eq!(post(None).await.status, 466);
    probe.sandbox.behave(|it| it.signatures = SignatureRule::SessionServer);
    assert_eq!(post(None).await.status, 200);
}

#[tokio::test]
async fn tokens_of_one_kind_do_not_open_the_doors_of_the_other() {
    let probe = Probe::ready().await;
    let session = probe.session.as_deref();
    let body = json!({"secret": probe.user.api_key});
    let got = probe.call(Method::POST, "session-server", session, Some(&body)).await;
    assert_eq!((got.status, got.error().as_str()), (403, "Insufficient authentication."));
    let got = probe.call(Method::GET, "user", probe.installation.as_deref(), None).await;
    assert_eq!(got.status, 403);
    let got = probe.call(Method::GET, "user", None, None).await;
    assert_eq!(got.status, 403);
}

#[tokio::test]
async fn a_second_device_on_one_installation_is_refused() {
    let probe = Probe::ready().await;
    let got = probe.device(&json!({})).await;
    assert_eq!(got.status, 400);
    assert!(got.error().contains("device already exists"), "{}", got.error());
}

#[tokio::test]
async fn wrong_revoked_expired_and_foreign_keys_get_one_answer() {
    let mut probe = Probe::stranger(Options::default()).await;
    probe.install().await;
    let good = probe.user.api_key.clone();
    let revoked = probe.sandbox.new_key(probe.user.id);
    probe.sandbox.with(|bank| bank.revoke_key(&revoked));
    for key in ["sandbox_unknown".to_owned(), revoked] {
        probe.user.api_key = key;
        let got = probe.device(&json!({})).await;
        assert_eq!((got.status, got.error().as_str()), (400, CREDENTIALS));
    }
    // Unused, and an hour old.
    probe.user.api_key = good;
    probe.sandbox.advance(Duration::from_hours(1));
    assert_eq!(probe.device(&json!({})).await.error(), CREDENTIALS);
    // No device yet.
    probe.user.api_key = probe.sandbox.new_key(probe.user.id);
    assert_eq!(probe.open_session().await.error(), CREDENTIALS);
    assert_eq!(probe.device(&json!({})).await.status, 200);
    assert_eq!(probe.open_session().await.status, 200);
}

#[tokio::test]
async fn a_production_key_lives_unused_for_four_hours_and_any_key_as_long_as_the_switch_says() {
    let mut probe = Probe::stranger(Options::default()).await;
    probe.install().await;
    probe.user = probe.sandbox.new_production_user();
    assert_eq!(probe.user.api_key.len(), 64);
    probe.sandbox.advance(Duration::from_hours(3));
    assert_eq!(probe.device(&json!({})).await.status, 200);

    probe.sandbox.behave(|it| it.unused_key_life = Some(60));
    probe.user = probe.sandbox.new_user();
    probe.install().await;
    probe.sandbox.advance(Duration::from_secs(61));
    assert_eq!(probe.device(&json!({})).await.error(), CREDENTIALS);
}

#[tokio::test]
async fn a_key_is_bound_to_the_address_of_its_first_use() {
    let mut probe = Probe::stranger(Options::default()).await;
    probe.handshake().await;
    probe.sandbox.set_caller_address(Ipv4Addr::new(203, 0, 113, 9));
    assert_eq!(probe.open_session().await.error(), CREDENTIALS);
    probe.install().await;
    assert_eq!(probe.device(&json!({})).await.error(), CREDENTIALS);
    let key = probe.user.api_key.clone();
    probe.sandbox.with(|bank| bank.permit_address(&key, "203.0.113.9"));
    assert_eq!(probe.device(&json!({})).await.status, 200);
    assert_eq!(probe.open_session().await.status, 200);
}

#[tokio::test]
async fn permitted_ips_bind_a_key_to_a_list_or_to_any_address() {
    let elsewhere = Ipv4Addr::new(203, 0, 113, 9);
    for (ips, lone, here, there) in [
        (json!(["127.0.0.1", "*"]), LoneWildcard::CallerOnly, 200, 200),
        (json!(["*"]), LoneWildcard::AnyAddress, 200, 200),
        (json!(["*"]), LoneWildcard::CallerOnly, 200, 400),
        (json!(["203.0.113.9"]), LoneWildcard::AnyAddress, 400, 200),
    ] {
        let mut probe = Probe::stranger(Options::default()).await;
        probe.sandbox.behave(|it| it.lone_wildcard = lone);
        probe.install().await;
        assert_eq!(probe.device(&json!({"permitted_ips": ips})).await.status, 200);
        assert_eq!(probe.open_session().await.status, here, "{ips}");
        probe.sandbox.set_caller_address(elsewhere);
        assert_eq!(probe.open_session().await.status, there, "{ips}");
    }
}

#[tokio::test]
async fn a_reset_of_the_sandbox_forgets_everybody() {
    let probe = Probe::ready().await;
    probe.sandbox.with(super::super::Bank::reset);
    assert_eq!(probe.get("user").await.status, 403);
    assert_eq!(probe.device(&json!({})).await.status, 403);
}

#[tokio::test]
async fn a_forgotten_installation_is_made_anew_with_the_same_key() {
    let mut probe = Probe::ready().await;
    probe.sandbox.with(super::super::Bank::forget_installations);
    assert_eq!(probe.get("user").await.status, 403);
    assert_eq!(probe.open_session().await.status, 403);
    probe.handshake().await;
    assert_eq!(probe.get("user").await.status, 200);
}

#[tokio::test]
async fn a_key_needs_a_device_of_its_own() {
    let mut probe = Probe::ready().await;
    probe.user.api_key = probe.sandbox.new_key(probe.user.id);
    assert_eq!(probe.open_session().await.error(), CREDENTIALS);
}
