use std::{net::Ipv4Addr, time::Duration};

use reqwest::Method;
use serde_json::json;

use super::probe::Probe;
use crate::sandbox::{
    Options,
    behaviour::{ExpiredSession, RequestIdReuse, SecondSession, SessionAddress, SessionUser},
};

#[tokio::test]
async fn a_session_may_be_tied_to_the_keys_addresses() {
    let probe = Probe::ready().await;
    probe.sandbox.set_caller_address(Ipv4Addr::new(203, 0, 113, 9));
    assert_eq!(probe.get("user").await.status, 200);
    probe.sandbox.behave(|it| it.session_address = SessionAddress::Permitted);
    assert_eq!(probe.get("user").await.status, 403);
}

#[tokio::test]
async fn an_ended_session_is_refused_with_the_switchs_words() {
    let probe = Probe::ready().await;
    probe.sandbox.advance(Duration::from_secs(604_801));
    let got = probe.get("user").await;
    assert_eq!((got.status, got.error().as_str()), (401, "Insufficient authorisation."));
    probe.sandbox.behave(|it| it.expired_session = ExpiredSession::Forbidden);
    let got = probe.get("user").await;
    assert_eq!((got.status, got.error().as_str()), (403, "Insufficient authentication."));
}

#[tokio::test]
async fn deleting_a_session_ends_it_whatever_id_is_given() {
    let probe = Probe::ready().await;
    let got = probe.delete("session/0").await;
    assert_eq!((got.status, got.bytes.as_slice()), (200, b"{}".as_slice()));
    assert_eq!(probe.get("user").await.status, 401);
}

#[tokio::test]
async fn a_session_lives_as_long_as_the_switch_says_even_when_it_does_not_say() {
    let mut probe = Probe::stranger(Options::default()).await;
    probe.sandbox.behave(|it| it.session_timeout = None);
    probe.install().await;
    probe.device(&json!({})).await;
    let got = probe.open_session().await;
    assert!(got.item(2).get("session_timeout").is_none());
    probe.sandbox.advance(Duration::from_secs(299));
    assert_eq!(probe.get("user").await.status, 200);
    probe.sandbox.advance(Duration::from_secs(2));
    assert_eq!(probe.get("user").await.status, 401);
}

#[tokio::test]
async fn a_second_session_lives_beside_the_first_ends_it_or_is_refused() {
    let mut probe = Probe::ready().await;
    let first = probe.session.clone();
    let first_answers = async |probe: &Probe| {
        let got = probe.call(Method::GET, "user", first.as_deref(), None).await;
        got.status
    };
    assert_eq!(probe.open_session().await.status, 200);
    assert_eq!(first_answers(&probe).await, 200);
    probe.sandbox.behave(|it| it.second_session = SecondSession::Refused);
    let got = probe.open_session().await;
    assert_eq!(got.error(), "Authentication token already has a user session.");
    probe.sandbox.behave(|it| it.second_session = SecondSession::EndsOld);
    assert_eq!(probe.open_session().await.status, 200);
    assert_eq!(first_answers(&probe).await, 401);
}

#[tokio::test]
async fn the_user_object_is_of_the_type_the_switch_says() {
    for (kind, name) in [
        (SessionUser::UserPerson, "UserPerson"),
        (SessionUser::UserCompany, "UserCompany"),
        (SessionUser::UserPaymentServiceProvider, "UserPaymentServiceProvider"),
    ] {
        let mut probe = Probe::ready().await;
        probe.sandbox.behave(|it| it.session_user = kind);
        let got = probe.open_session().await;
        assert_eq!(got.json()["Response"][2][name]["session_timeout"], 604_800);
    }
    let mut probe = Probe::ready().await;
    probe.sandbox.behave(|it| it.session_user = SessionUser::UserApiKey);
    let user = &probe.open_session().await.json()["Response"][2]["UserApiKey"];
    let anchored = &user["requested_by_user"]["UserPerson"];
    assert_eq!(anchored["session_timeout"], 604_800);
    assert!(anchored.get("id").is_none() && user["granted_by_user"].is_object());
}

#[tokio::test]
async fn a_request_id_serves_once_per_installation() {
    let probe = Probe::ready().await;
    let again = async || {
        let token = probe.session.as_deref();
        let sent = probe.send(Method::GET, "user", token, Vec::new(), None, "the-same").await;
        sent.unwrap().status
    };
    assert_eq!(again().await, 200);
    assert_eq!(again().await, 400);
    probe.sandbox.behave(|it| it.request_id_reuse = RequestIdReuse::Ignored);
    assert_eq!(again().await, 200);
}

#[tokio::test]
async fn revoking_a_key_ends_its_sessions() {
    let probe = Probe::ready().await;
    let key = probe.user.api_key.clone();
    probe.sandbox.with(|bank| bank.revoke_key(&key));
    assert_eq!(probe.get("user").await.status, 401);
}
