use serde_json::{Value, json};

use super::probe::Probe;
use crate::sandbox::behaviour::{CallbackRoutes, PutRedirectUrl, StoredUrl, UrlShape};

const A: &str = "https://a.example/callback";
const B: &str = "https://b.example/callback";

/// A client with URL [`A`]; its path.
fn with_a(probe: &Probe) -> (u64, String) {
    let id = probe.sandbox.with(|bank| bank.create_by_hand(probe.user.id, None, &[A]));
    (id, format!("user/{{u}}/oauth-client/{id}"))
}

#[tokio::test]
async fn callback_urls_are_a_sub_resource() {
    let probe = Probe::ready().await;
    let (id, path) = with_a(&probe);
    let urls = format!("{path}/callback-url");
    let made = probe.post(&urls, &json!({"url": B})).await.id();
    assert_eq!(probe.get(&format!("{urls}/{made}")).await.item(0)["url"], B);
    assert_eq!(probe.get(&urls).await.items(), 2);
    probe.put(&format!("{urls}/{made}"), &json!({"url": "http://localhost:3000"})).await.id();
    assert_eq!(probe.sandbox.with(|bank| bank.urls_of(id)), [A, "http://localhost:3000"]);
    let got = probe.delete(&format!("{urls}/{made}")).await;
    assert_eq!((got.status, got.bytes.as_slice()), (200, b"{}".as_slice()));
    assert!(got.is_signed());
    assert_eq!(probe.delete(&format!("{urls}/{made}")).await.status, 404);
    assert_eq!(probe.post(&urls, &json!({})).await.status, 400);
    assert_eq!(probe.post(&urls, &json!({"url": "ftp://a.example"})).await.status, 400);
    assert_eq!(probe.sandbox.with(|bank| bank.urls_of(id)), [A]);
}

#[tokio::test]
async fn the_sub_resource_may_not_exist() {
    let probe = Probe::ready().await;
    let (_, path) = with_a(&probe);
    let urls = format!("{path}/callback-url");
    probe.sandbox.behave(|it| it.callback_routes = CallbackRoutes::Off);
    let got = probe.get(&urls).await;
    assert_eq!((got.status, got.error().as_str()), (404, "Route not found."));
    probe.sandbox.behave(|it| it.callback_routes = CallbackRoutes::MethodNotAllowed);
    assert_eq!(probe.post(&urls, &json!({"url": B})).await.status, 405);
    assert_eq!(probe.get(&path).await.status, 200);
}

#[tokio::test]
async fn put_redirect_url_replaces_appends_is_ignored_or_refused() {
    for (mode, status, urls) in [
        (PutRedirectUrl::Replace, 200, vec![B]),
        (PutRedirectUrl::Append, 200, vec![A, B]),
        (PutRedirectUrl::Ignore, 200, vec![A]),
        (PutRedirectUrl::Refuse, 400, vec![A]),
    ] {
        let probe = Probe::ready().await;
        probe.sandbox.behave(|it| it.put_redirect_url = mode);
        let (id, path) = with_a(&probe);
        let got = probe.put(&path, &json!({"redirect_url": B})).await;
        assert_eq!(got.status, status, "{mode:?}");
        assert_eq!(probe.sandbox.with(|bank| bank.urls_of(id)), urls, "{mode:?}");
    }
}

#[tokio::test]
async fn a_client_shows_its_urls_in_five_shapes() {
    let probe = Probe::ready().await;
    let (_, path) = with_a(&probe);
    let shown = async |shape| {
        probe.sandbox.behave(|it| it.url_shape = shape);
        let client = probe.get(&path).await.item(0);
        let first = client.get("callback_url").map(|it| it[0].clone());
        (first, client.get("redirect_url").cloned())
    };
    let (array, scalar) = shown(UrlShape::Array).await;
    assert!(array.unwrap()["id"].is_u64() && scalar.is_none());
    assert_eq!(shown(UrlShape::Scalar).await, (None, Some(json!(A))));
    let (array, scalar) = shown(UrlShape::Both).await;
    assert!(array.unwrap()["url"] == A && scalar == Some(json!(A)));
    let bare = Some(json!({"url": A}));
    assert_eq!(shown(UrlShape::ArrayWithoutIds).await, (bare, None));
    assert_eq!(shown(UrlShape::Neither).await, (None, None));
}

#[tokio::test]
async fn urls_may_be_stored_otherwise_than_sent() {
    for (mode, stored) in [
        (StoredUrl::AsSent, "https://A.example/Callback"),
        (StoredUrl::TrailingSlash, "https://A.example/Callback/"),
        (StoredUrl::LowerCase, "https://a.example/callback"),
    ] {
        let probe = Probe::ready().await;
        probe.sandbox.behave(|it| it.stored_url = mode);
        let body = json!({"redirect_url": "https://A.example/Callback"});
        probe.post("user/{u}/oauth-client", &body).await.id();
        assert_eq!(probe.sandbox.with(|bank| bank.urls_of(bank.clients[0].id)), [stored]);
    }
}

#[tokio::test]
async fn there_may_be_a_limit_on_urls_and_urls_that_are_refused() {
    let probe = Probe::ready().await;
    let (id, path) = with_a(&probe);
    let urls = format!("{path}/callback-url");
    probe.sandbox.behave(|it| it.max_callback_urls = Some(1));
    assert_eq!(probe.post(&urls, &json!({"url": B})).await.status, 400);
    // A change of the one that is there is not one more.
    let first = probe.sandbox.with(|bank| bank.client(id).unwrap().urls[0].id);
    probe.put(&format!("{urls}/{first}"), &json!({"url": B})).await.id();
    probe.sandbox.behave(|it| {
        it.max_callback_urls = None;
        it.refused_urls = vec!["localhost".to_owned()];
    });
    assert_eq!(probe.post(&urls, &json!({"url": "http://localhost:1"})).await.status, 400);
    assert_eq!(probe.post(&urls, &json!({"url": A})).await.status, 200);
}

#[tokio::test]
async fn the_bytes_of_a_url_come_back_unchanged() {
    let probe = Probe::ready().await;
    let (_, path) = with_a(&probe);
    let odd = "http://localhost:3000?x=%2F&y=a+b";
    let urls = format!("{path}/callback-url");
    let made = probe.post(&urls, &json!({"url": odd})).await.id();
    let shown: Value = probe.get(&format!("{urls}/{made}")).await.item(0);
    assert_eq!(shown["url"], odd);
}
