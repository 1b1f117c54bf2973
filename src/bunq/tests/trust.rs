//! What is believed: answers to this request, about this object (`S11`).

use super::{API_KEY, TOKEN, World, set, signed, tampered::fail, unsigned};
use crate::bunq::{Call, Class, Distrust, Error};

#[tokio::test]
async fn an_answer_without_an_echo_is_taken() {
    let world = World::new();
    world.script(|request| {
        let mut response = signed(request, 200, b"{}".to_vec());
        response.headers.remove("x-bunq-client-request-id");
        Ok(response)
    });
    assert!(world.bank.close_session(&world.access()).await.is_ok());
}

#[tokio::test]
async fn a_refusal_to_another_request_says_nothing() {
    let world = World::new();
    world.script(|request| {
        let mut response = unsigned(request, 404, super::refusal("Route not found."));
        set(&mut response, "x-bunq-client-request-id", "of-another-attempt");
        Ok(response)
    });
    let error = fail(&world, Call::GetOauthClient).await;
    assert_eq!(error.class(), Class::Unverified);
}

#[tokio::test]
async fn a_verified_answer_about_another_object_is_not_believed() {
    let world = World::new();
    world.answer(200, r#"{"Response":[{"OauthClient":{"id":41,"status":"ACTIVE"}}]}"#);
    let error = fail(&world, Call::GetOauthClient).await;
    assert!(matches!(error, Error::Distrust { reason: Distrust::OtherObject, .. }));
    world.answer(200, r#"{"Response":[{"UserPerson":{"id":8}}]}"#);
    let error = fail(&world, Call::GetUser).await;
    assert_eq!(error.class(), Class::Unverified);
}

#[tokio::test]
async fn a_reply_names_the_attempt_and_the_answer() {
    let world = World::new();
    world.answer(200, "{}");
    let reply = world.bank.close_session(&world.access()).await.unwrap();
    let seen = world.only();
    assert_eq!(seen.header("x-bunq-client-request-id"), Some(&*reply.request_id));
    assert_eq!(reply.response_id.as_deref(), Some("0f4c5d1e-response"));
}

#[tokio::test]
async fn neither_token_nor_key_shows_in_a_request() {
    let world = World::new();
    world.script(|request| {
        let shown = format!("{request:?} {:?}", request.headers);
        assert!(!shown.contains(TOKEN) && !shown.contains(API_KEY));
        Ok(unsigned(request, 500, Vec::new()))
    });
    fail(&world, Call::CreateSession).await;
    let shown = format!("{:?} {:?}", world.installed(), world.access());
    assert!(!shown.contains(TOKEN));
}
