use std::{net::Ipv4Addr, time::Duration};

use serde_json::json;

use super::probe::Probe;
use crate::sandbox::{Options, behaviour::LimitStatus};

const CLIENTS: &str = "user/{u}/oauth-client";

async fn limited() -> Probe {
    let options = Options { limits: true, ..Options::default() };
    Probe::ready_with(options).await
}

#[tokio::test]
async fn the_fourth_get_in_three_seconds_is_refused_in_bunqs_words() {
    let probe = limited().await;
    for _ in 0..3 {
        assert_eq!(probe.get(CLIENTS).await.status, 200);
    }
    let got = probe.get(CLIENTS).await;
    let text = "Too many requests. You can do a maximum of 3 calls per 3 second to this endpoint.";
    assert_eq!((got.status, got.error().as_str()), (429, text));
    assert!(got.header("retry-after").is_none());
    // Another template has a window of its own; ids do not make another template.
    assert_eq!(probe.get("user").await.status, 200);
    probe.sandbox.advance(Duration::from_secs(3));
    assert_eq!(probe.get(CLIENTS).await.status, 200);
}

#[tokio::test]
async fn windows_are_kept_per_template_not_per_id() {
    let probe = limited().await;
    for id in [1, 2, 3] {
        assert_eq!(probe.get(&format!("{CLIENTS}/{id}")).await.status, 404);
    }
    assert_eq!(probe.get(&format!("{CLIENTS}/4")).await.status, 429);
}

#[tokio::test]
async fn puts_and_posts_have_windows_of_their_own() {
    let probe = limited().await;
    let id = probe.post(CLIENTS, &json!({})).await.id();
    let path = format!("{CLIENTS}/{id}");
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(probe.put(&path, &json!({})).await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
    let urls = format!("{path}/callback-url");
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(probe.post(&urls, &json!({"url": "https://a.example"})).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
}

#[tokio::test]
async fn sessions_open_once_in_thirty_seconds_per_address() {
    let mut probe = limited().await;
    let got = probe.open_session().await;
    assert_eq!(got.status, 429);
    assert!(got.error().contains("a maximum of 1 calls per 30 second"));
    probe.sandbox.set_caller_address(Ipv4Addr::new(203, 0, 113, 9));
    let got = probe.open_session().await;
    assert_eq!(got.status, 400, "another address has another window: {got:?}");
    probe.sandbox.set_caller_address(Ipv4Addr::LOCALHOST);
    probe.sandbox.advance(Duration::from_secs(30));
    assert_eq!(probe.open_session().await.status, 200);
}

#[tokio::test]
async fn the_status_may_be_409_and_limits_can_be_switched_off() {
    let probe = limited().await;
    probe.sandbox.behave(|it| it.limit_status = LimitStatus::Conflict);
    let mut last = 0;
    for _ in 0..4 {
        last = probe.get(CLIENTS).await.status;
    }
    assert_eq!(last, 409);
    probe.sandbox.limit(false);
    assert_eq!(probe.get(CLIENTS).await.status, 200);
}
