//! What each call puts on the wire, to the byte.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use rsa::{
    Pkcs1v15Sign, RsaPublicKey,
    pkcs8::DecodePublicKey,
    sha2::{Digest, Sha256},
};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{API_KEY, Seen, TOKEN, USER, World, client_keys, server_keys};
use crate::bunq::{Call, ClientStatus, CreateBody, DeviceId, Method, UpdateBody, User, UserKind};

const ID: &str = r#"{"Response":[{"Id":{"id":42}}]}"#;
const EMPTY: &str = r#"{"Response":[]}"#;

/// `F20`: the signature belongs to the exact bytes of the wire; checked by another library.
fn assert_signed(seen: &Seen) {
    let body = seen.body.as_ref().unwrap();
    let signature = STANDARD.decode(seen.header("x-bunq-client-signature").unwrap()).unwrap();
    let key = client_keys().public_spki_pem().unwrap();
    RsaPublicKey::from_public_key_pem(&key)
        .unwrap()
        .verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(body), &signature)
        .unwrap();
}

async fn every_call_with_a_session(world: &World) {
    let access = &world.access();
    let bank = &world.bank;
    let person = format!(r#"{{"Response":[{{"UserPerson":{{"id":{USER}}}}}]}}"#);
    let client = r#"{"Response":[{"OauthClient":{"id":42,"status":"ACTIVE"}}]}"#;
    world.answer(200, person).answer(200, EMPTY).answer(200, client);
    bank.user(access).await.unwrap();
    bank.list_oauth_clients(access).await.unwrap();
    bank.get_oauth_client(access, 42).await.unwrap();
    world.answer(200, ID).answer(200, ID).answer(200, EMPTY);
    bank.create_oauth_client(access, &CreateBody::StatusOnly).await.unwrap();
    let update = UpdateBody { status: Some(ClientStatus::Cancelled), redirect_url: None };
    bank.update_oauth_client(access, 42, &update).await.unwrap();
    bank.list_callback_urls(access, 42).await.unwrap();
    world.answer(200, ID).answer(200, ID).answer(200, "{}");
    bank.create_callback_url(access, 42, "https://a.example/b").await.unwrap();
    bank.update_callback_url(access, 42, 5, "https://a.example/c").await.unwrap();
    bank.delete_callback_url(access, 42, 5).await.unwrap();
    world.answer(200, EMPTY).answer(200, "{}");
    bank.list_credential_password_ip(access).await.unwrap();
    bank.close_session(access).await.unwrap();
}

/// Every call that has a body is signed over the bytes that are sent (`F20`).
#[tokio::test]
async fn every_call_goes_to_its_path_with_every_header() {
    let world = World::new();
    every_call_with_a_session(&world).await;
    let seen = world.seen();
    let lines: Vec<String> =
        seen.iter().map(|s| format!("{} {}", s.method.as_str(), &s.url["http://127.0.0.1:9".len()..])).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/user/7",
            "GET /v1/user/7/oauth-client?count=200",
            "GET /v1/user/7/oauth-client/42",
            "POST /v1/user/7/oauth-client",
            "PUT /v1/user/7/oauth-client/42",
            "GET /v1/user/7/oauth-client/42/callback-url?count=200",
            "POST /v1/user/7/oauth-client/42/callback-url",
            "PUT /v1/user/7/oauth-client/42/callback-url/5",
            "DELETE /v1/user/7/oauth-client/42/callback-url/5",
            "GET /v1/user/7/credential-password-ip",
            "DELETE /v1/session/0",
        ]
    );
    for request in &seen {
        assert_eq!(request.header("user-agent"), Some("test/1"));
        assert_eq!(request.header("cache-control"), Some("no-cache"));
        assert_eq!(request.header("x-bunq-language"), Some("en_US"));
        assert_eq!(request.header("x-bunq-region"), Some("nl_NL"));
        assert_eq!(request.header("x-bunq-geolocation"), Some("0 0 0 0 000"));
        assert_eq!(request.header("x-bunq-client-authentication"), Some(TOKEN));
        assert!(request.headers["x-bunq-client-authentication"].is_sensitive());
        let seconds = if request.method == Method::Get { 30 } else { 8 };
        assert_eq!(request.deadline, Duration::from_secs(seconds));
        let has_body = matches!(request.method, Method::Post | Method::Put);
        assert_eq!(request.body.is_some(), has_body);
        assert_eq!(request.header("content-type").is_some(), has_body);
        if has_body {
            assert_signed(request);
        } else {
            assert_eq!(request.header("x-bunq-client-signature"), None);
        }
    }
    let ids: BTreeSet<_> = seen.iter().map(|s| s.header("x-bunq-client-request-id")).collect();
    assert_eq!(ids.len(), seen.len(), "every attempt has an id of its own");
}

#[tokio::test]
async fn an_installation_is_neither_authenticated_nor_signed() {
    let world = World::new();
    let key = server_keys().public_spki_pem().unwrap();
    let body = json!({"Response": [
        {"Id": {"id": 1}},
        {"Token": {"id": 2, "token": "installation-token"}},
        {"ServerPublicKey": {"server_public_key": key}},
    ]});
    world.answer(200, body.to_string());
    let reply = world.bank.install(client_keys()).await.unwrap();
    assert_eq!(reply.value.token.expose_secret(), "installation-token");
    assert_eq!(reply.value.server_key, world.server_key);
    let seen = world.only();
    assert_eq!(seen.url, "http://127.0.0.1:9/v1/installation");
    assert_eq!(seen.header("x-bunq-client-authentication"), None);
    assert_eq!(seen.header("x-bunq-client-signature"), None);
    let pem = client_keys().public_spki_pem().unwrap();
    assert_eq!(seen.json(), json!({"client_public_key": pem}));
}

#[tokio::test]
async fn an_installation_answer_may_be_in_any_order_and_on_one_line() {
    let world = World::new();
    let key = server_keys().public_spki_pem().unwrap();
    let body = json!({"Response": [
        {"ServerPublicKey": {"server_public_key": key.trim_end()}},
        {"Strange": {"id": "not a number"}},
        {"Token": {"token": "t"}},
    ]});
    world.answer(200, body.to_string());
    assert!(world.bank.install(client_keys()).await.is_ok());
}

#[tokio::test]
async fn a_device_leaves_addresses_to_the_bank_unless_told() {
    let world = World::new();
    world.answer(200, ID).answer(200, ID);
    let installed = world.installed();
    let register = |ips: Vec<Ipv4Addr>| {
        let world = &world;
        async move { world.bank.register_device(&installed, "operator", &world.api_key, &ips).await }
    };
    assert_eq!(register(vec![]).await.unwrap().value, DeviceId(42));
    register(vec![Ipv4Addr::new(203, 0, 113, 7)]).await.unwrap();
    let seen = world.seen();
    assert_eq!(seen[0].json(), json!({"description": "operator", "secret": API_KEY}));
    assert_eq!(seen[1].json()["permitted_ips"], json!(["203.0.113.7"]));
    seen.iter().for_each(assert_signed);
    assert_eq!(seen[0].header("x-bunq-client-authentication"), Some(TOKEN));
}

#[tokio::test]
async fn a_session_tells_its_user_and_how_long_it_lives() {
    let person = json!({"id": 7, "session_timeout": 604_800});
    let granted = |user: &str| json!({"id": 9, "requested_by_user": {user: {"session_timeout": 300}}});
    let table = [
        ("UserPerson", person.clone(), UserKind::Person, 604_800),
        ("UserCompany", json!({"id": 7, "session_timeout": 60}), UserKind::Company, 60),
        ("UserPaymentServiceProvider", person, UserKind::PaymentServiceProvider, 604_800),
        ("UserApiKey", granted("UserPerson"), UserKind::ApiKey, 300),
        ("UserApiKey", granted("UserCompany"), UserKind::ApiKey, 300),
        ("UserApiKey", granted("UserPaymentServiceProvider"), UserKind::ApiKey, 300),
        ("UserPerson", json!({"id": 7}), UserKind::Person, 300),
        ("UserPerson", json!({"id": 7, "session_timeout": null}), UserKind::Person, 300),
        ("UserPerson", json!({"id": 7, "session_timeout": 0}), UserKind::Person, 300),
        ("UserPerson", json!({"id": 7, "session_timeout": -5}), UserKind::Person, 300),
        ("UserPerson", json!({"id": 7, "session_timeout": "x"}), UserKind::Person, 300),
    ];
    for (name, user, kind, seconds) in table {
        let world = World::new();
        let id = user["id"].as_u64().unwrap();
        let body = json!({"Response": [
            {"Id": {"id": 1}}, {"Token": {"id": 2, "token": "fresh"}}, {name: user},
        ]});
        world.answer(200, body.to_string());
        let installed = world.installed();
        let session = world.bank.open_session(&installed, &world.api_key).await;
        let session = session.unwrap().value;
        assert_eq!(session.user, User { id, kind });
        assert_eq!(session.timeout, Duration::from_secs(seconds));
        assert_eq!(session.token.expose_secret(), "fresh");
        let seen = world.only();
        assert_eq!(seen.json(), json!({"secret": API_KEY}));
        assert_signed(&seen);
        assert_eq!(UserKind::parse(kind.as_str()), Some(kind));
    }
}

#[tokio::test]
async fn a_user_agent_of_any_text_makes_a_request() {
    let world = World::new();
    let bank = crate::bunq::Bank::new(world.bank.endpoints().clone(), world.fake.clone(), "bünq\r\nX-Evil: 1");
    world.answer(200, "{}");
    bank.close_session(&world.access()).await.unwrap();
    assert_eq!(world.only().header("user-agent"), Some("bnqX-Evil: 1"));
}

#[test]
fn every_call_has_a_name_of_its_own() {
    let names: BTreeSet<_> = Call::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), Call::ALL.len());
    assert!(names.contains("PUT user/{user}/oauth-client/{id}"));
}
