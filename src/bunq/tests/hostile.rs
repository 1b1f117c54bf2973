//! Signed nonsense (`F22`): an error, never a panic, and nothing of it in the text.

use proptest::prelude::*;

use super::{World, run};
use crate::bunq::{Class, CreateBody};

fn get(body: Vec<u8>) -> Class {
    let world = World::new();
    world.answer(200, body);
    let access = world.access();
    let call = world.bank.get_oauth_client(&access, 42);
    match run(call) {
        Ok(_) => panic!("believed"),
        Err(error) => {
            assert!(!format!("{error} {error:?}").contains("canary"));
            error.class()
        }
    }
}

/// `F22`, `F36`: nothing of it is taken for an answer, however deep it goes.
#[test]
fn nonsense_is_malformed() {
    let client = r#"{"OauthClient":{"id":42,"status":"ACTIVE"}}"#;
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"null".to_vec(),
        b"\"canary\"".to_vec(),
        b"<html>canary</html>".to_vec(),
        b"\xef\xbb\xbf{\"Response\":[]}".to_vec(),
        b"{\"Response\":[\xff]}".to_vec(),
        b"{\"Response\":[".to_vec(),
        format!(r#"{{"Response":[{client}]}} canary"#).into_bytes(),
        format!(r#"{{"Response":[{client},{client}]}}"#).into_bytes(),
        format!(r#"{{"Response":[],"Response":[{client}]}}"#).into_bytes(),
        br#"{"Response":[{"OauthClient":{"id":42,"id":42,"status":"ACTIVE"}}]}"#.to_vec(),
        br#"{"Response":[{"OauthClient":{"id":42,"status":"ACTIVE","secret":"canary","secret":"b"}}]}"#.to_vec(),
        br#"{"Response":[{"OauthClient":null}]}"#.to_vec(),
        br#"{"Response":[{"OauthClient":{"id":1e400,"status":"ACTIVE"}}]}"#.to_vec(),
        br#"{"Response":[{"OauthClient":{"id":99999999999999999999999,"status":"A"}}]}"#.to_vec(),
        br#"{"Response":[{"OauthClient":{"id":42,"status":"\ud800"}}]}"#.to_vec(),
        br#"{"Response":[{"OauthClient":{"id":42,"status":{"canary":1}}}]}"#.to_vec(),
        [b"[".repeat(1_000_000), b"]".repeat(1_000_000)].concat(),
        br#"{"Response":[{"OauthClient":{"id":42,"callback_url":"#.to_vec(),
        [br#"{"Response":"#.to_vec(), b"[{\"a\":".repeat(200_000)].concat(),
    ];
    for body in bodies {
        let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(get(body), Class::Malformed, "{start}");
    }
}

#[test]
fn ten_megabytes_of_unknown_fields_are_skipped() {
    let filler = "x".repeat(10 * 1024 * 1024);
    let body = format!(r#"{{"filler":"{filler}","Response":[{{"OauthClient":{{"id":41,"status":"ACTIVE"}}}}]}}"#);
    // Read, and found to be about another object.
    assert_eq!(get(body.into_bytes()), Class::Unverified);
}

#[tokio::test]
async fn an_unreadable_success_of_a_create_may_have_been_applied() {
    for body in ["", "{}", "{\"Response\":[{\"Id\":{\"id\":\"x\"}}]}"] {
        let world = World::new();
        world.answer(200, body);
        let create = CreateBody::StatusOnly;
        let error = world.bank.create_oauth_client(&world.access(), &create).await;
        let error = error.unwrap_err();
        assert_eq!(error.class(), Class::Malformed);
        assert!(error.may_have_been_applied());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_without_panic(body: Vec<u8>, status in 100_u16..=999) {
        let world = World::new();
        world.answer(status, body.clone()).answer(status, body);
        let access = world.access();
        let _ = run(world.bank.list_oauth_clients(&access));
        let installed = world.installed();
        let _ = run(world.bank.open_session(&installed, &world.api_key));
    }

    #[test]
    fn any_json_of_the_right_shape_is_decoded_without_panic(
        value in json(), name in "OauthClient|Token|UserPerson|Id|ServerPublicKey|Strange"
    ) {
        let world = World::new();
        let body = serde_json::json!({"Response": [{name: value}]}).to_string();
        world.answer(200, body.clone()).answer(200, body);
        let access = world.access();
        let _ = run(world.bank.get_oauth_client(&access, 42));
        let _ = run(world.bank.install(super::client_keys()));
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
    ];
    let keys = "id|status|secret|token|callback_url|url|redirect_url|session_timeout|.{0,4}";
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec((keys, inner), 0..6)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}
