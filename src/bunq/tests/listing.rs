//! A list is complete or an error (`D4`), and its pages stay at the bank (`S10`).

use serde_json::{Value, json};

use super::World;
use crate::bunq::Class;

fn page(ids: &[u64], older: impl Into<Value>) -> String {
    let items: Vec<Value> = ids.iter().map(|id| json!({"OauthClient": {"id": id, "status": "ACTIVE"}})).collect();
    let pagination = json!({"future_url": "/v1/x", "newer_url": null, "older_url": older.into()});
    json!({"Response": items, "Pagination": pagination}).to_string()
}

fn older(id: u64) -> Value {
    json!(format!("/v1/user/7/oauth-client?older_id={id}&count=200"))
}

#[tokio::test]
async fn older_pages_are_walked_to_the_end_and_each_client_counts_once() {
    let world = World::new();
    world.answer(200, page(&[9, 8], older(8))).answer(200, page(&[8, 7], older(7))).answer(200, page(&[], Value::Null));
    let reply = world.bank.list_oauth_clients(&world.access()).await.unwrap();
    let ids: Vec<u64> = reply.value.iter().map(|client| client.id).collect();
    assert_eq!(ids, [9, 8, 7]);
    let urls: Vec<String> = world.seen().into_iter().map(|seen| seen.url).collect();
    assert_eq!(
        urls,
        [
            "http://127.0.0.1:9/v1/user/7/oauth-client?count=200",
            "http://127.0.0.1:9/v1/user/7/oauth-client?older_id=8&count=200",
            "http://127.0.0.1:9/v1/user/7/oauth-client?older_id=7&count=200",
        ]
    );
}

#[tokio::test]
async fn a_list_without_an_end_is_an_error_after_fifty_pages() {
    let world = World::new();
    for id in 0..50 {
        world.answer(200, page(&[id], older(id)));
    }
    let error = world.bank.list_oauth_clients(&world.access()).await.unwrap_err();
    assert_eq!(error.class(), Class::Malformed);
    assert_eq!(world.seen().len(), 50);
}

#[tokio::test]
async fn a_failing_page_fails_the_list() {
    let world = World::new();
    world.answer(200, page(&[9], older(9))).answer(500, "");
    let error = world.bank.list_oauth_clients(&world.access()).await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable);
}

#[tokio::test]
async fn a_page_elsewhere_is_refused() {
    for url in [
        "https://evil.example/v1/user/7/oauth-client?older_id=1",
        "//evil.example/v1/user/7/oauth-client?older_id=1",
        "/v1/user/8/oauth-client?older_id=1",
        "/v1/user/7/oauth-client/../../8/oauth-client?x",
        "/v1/user/7/oauth-client",
        "/v1/user/7/oauth-client?x#y",
        "/v1/user/7/oauth-client?x y",
        "/v1/user/7/oauth-client?x\r\nX-Evil: 1",
        "@evil.example/",
        "user/7/oauth-client?older_id=1",
        "",
    ] {
        let world = World::new();
        world.answer(200, page(&[9], json!(url)));
        let error = world.bank.list_oauth_clients(&world.access()).await.unwrap_err();
        assert_eq!(error.class(), Class::Malformed, "{url}");
        assert_eq!(world.seen().len(), 1, "{url}");
    }
}

#[tokio::test]
async fn a_list_is_empty_only_when_it_says_so() {
    let empty = [r#"{"Response":[]}"#.to_owned(), page(&[], Value::Null)];
    for body in empty {
        let world = World::new();
        world.answer(200, body);
        let reply = world.bank.list_oauth_clients(&world.access()).await.unwrap();
        assert!(reply.value.is_empty());
    }
    for body in [
        "{}",
        r#"{"Response":null}"#,
        r#"{"Response":{}}"#,
        r#"{"Response":[{}]}"#,
        r#"{"Response":[null]}"#,
        r#"{"Response":[{"Id":{"id":1}}]}"#,
        r#"{"Pagination":{"older_url":null}}"#,
        r#"{"Error":[]}"#,
        "[]",
        // An array is no object, whatever stands in it.
        "[[],null]",
        r#"{"Response":[],"Pagination":[null]}"#,
        r#"{"Response":[{"OauthClient":[42,"ACTIVE",null,null,null,null,null,null]}]}"#,
        "",
    ] {
        let world = World::new();
        world.answer(200, body);
        let error = world.bank.list_oauth_clients(&world.access()).await.unwrap_err();
        assert_eq!(error.class(), Class::Malformed, "{body}");
    }
}

#[tokio::test]
async fn callback_urls_are_listed_whole_with_or_without_ids() {
    let world = World::new();
    let older = "/v1/user/7/oauth-client/42/callback-url?older_id=5";
    let first = json!({
        "Response": [{"OauthCallbackUrl": {"id": 5, "url": "https://a.example"}}],
        "Pagination": {"older_url": older},
    });
    let second = json!({"Response": [{"OauthCallbackUrl": {"url": "https://b.example"}}]});
    world.answer(200, first.to_string()).answer(200, second.to_string());
    let reply = world.bank.list_callback_urls(&world.access(), 42).await.unwrap();
    let found: Vec<_> = reply.value.iter().map(|u| (u.id, u.url.as_str())).collect();
    assert_eq!(found, [(Some(5), "https://a.example"), (None, "https://b.example")]);
    assert_eq!(world.seen().len(), 2);
}

#[tokio::test]
async fn callback_urls_without_an_end_are_an_error() {
    let world = World::new();
    let older = "/v1/user/7/oauth-client/42/callback-url?older_id=5";
    for _ in 0..50 {
        let body = json!({"Response": [], "Pagination": {"older_url": older}});
        world.answer(200, body.to_string());
    }
    let error = world.bank.list_callback_urls(&world.access(), 42).await.unwrap_err();
    assert_eq!(error.class(), Class::Malformed);
}
