use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use super::probe::Probe;
use crate::sandbox::{Fault, FaultKind};

const CLIENTS: &str = "user/{u}/oauth-client";

/// The next POST of a client meets this fault.
async fn post_with(kind: FaultKind) -> (Probe, reqwest::Result<super::probe::Got>) {
    let probe = Probe::ready().await;
    probe.sandbox.inject(Fault::new("POST", CLIENTS, kind));
    let got = probe.attempt(Method::POST, CLIENTS, Some(&json!({}))).await;
    (probe, got)
}

fn clients(probe: &Probe) -> usize {
    probe.sandbox.with(|bank| bank.clients_of(probe.user.id).len())
}

#[tokio::test]
async fn a_drop_before_leaves_no_trace_at_the_bank() {
    let (probe, got) = post_with(FaultKind::DropBefore).await;
    assert!(got.is_err());
    assert_eq!(clients(&probe), 0);
    let call = &probe.sandbox.mutations()[0];
    assert!(call.status == 0 && !call.committed);
}

#[tokio::test]
async fn a_drop_after_commit_leaves_a_client_that_nobody_was_told_of() {
    let (probe, got) = post_with(FaultKind::DropAfterCommit).await;
    assert!(got.is_err());
    assert_eq!(clients(&probe), 1);
    let call = &probe.sandbox.mutations()[0];
    assert!(call.status == 0 && call.committed);
}

#[tokio::test]
async fn a_truncated_body_was_committed_too() {
    let (probe, got) = post_with(FaultKind::TruncatedBody).await;
    assert!(got.is_err());
    assert_eq!(clients(&probe), 1);
}

#[tokio::test]
async fn a_delayed_reply_comes_whole() {
    let began = Instant::now();
    let (_, got) = post_with(FaultKind::DelayReply(Duration::from_millis(60))).await;
    assert!(got.unwrap().is_signed());
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn errors_on_demand_are_committed_only_when_asked() {
    let (probe, got) = post_with(FaultKind::Status(491, "Maintenance.".to_owned())).await;
    let got = got.unwrap();
    assert_eq!((got.status, got.error().as_str()), (491, "Maintenance."));
    assert_eq!(clients(&probe), 0);

    let fault = Fault::new("POST", CLIENTS, FaultKind::Html(502)).committed();
    probe.sandbox.inject(fault);
    let got = probe.post(CLIENTS, &json!({})).await;
    assert_eq!(got.status, 502);
    assert!(got.header("content-type").unwrap().starts_with("text/html"));
    assert_eq!(clients(&probe), 1);
}

#[tokio::test]
async fn a_silent_bank_saw_nothing_and_closes_after_a_while() {
    let began = Instant::now();
    let (probe, got) = post_with(FaultKind::Silence(Duration::from_millis(60))).await;
    assert!(got.is_err() && began.elapsed() >= Duration::from_millis(60));
    assert_eq!(clients(&probe), 0);
}

#[tokio::test]
async fn whatever_is_asked_can_be_done_late() {
    let probe = Probe::ready().await;
    let client = probe.post(CLIENTS, &json!({})).await.id();
    let path = format!("{CLIENTS}/{client}");
    let late = Fault::new("PUT", CLIENTS, FaultKind::DropAfterCommit).late(Duration::from_secs(10));
    probe.sandbox.inject(late);
    assert!(probe.attempt(Method::PUT, &path, Some(&json!({"status": "CANCELLED"}))).await.is_err());
    assert_eq!(probe.sandbox.with(|bank| bank.active_clients(probe.user.id).len()), 1);
    assert!(!probe.sandbox.mutations()[1].committed);

    probe.sandbox.advance(Duration::from_secs(11));
    assert_eq!(probe.sandbox.with(|bank| bank.active_clients(probe.user.id).len()), 0);
    assert!(probe.sandbox.mutations()[1].committed);
}

#[tokio::test]
async fn a_session_can_end_before_any_call() {
    let probe = Probe::ready().await;
    probe.sandbox.inject(Fault::new("GET", CLIENTS, FaultKind::EndedSession).after(1));
    assert_eq!(probe.get(CLIENTS).await.status, 200);
    assert_eq!(probe.get(CLIENTS).await.status, 401);
    assert_eq!(probe.get(CLIENTS).await.status, 401);
    assert_eq!(probe.sandbox.with(|bank| bank.living_sessions()), 0);
}

#[tokio::test]
async fn a_fault_can_concern_one_user_by_the_path_or_by_the_key() {
    let probe = Probe::ready().await;
    let other = probe.sandbox.new_user();
    let down = || FaultKind::Status(503, "down".to_owned());
    probe.sandbox.inject(Fault::new("*", "", down()).of(other.id));
    assert_eq!(probe.get(CLIENTS).await.status, 200);
    assert_eq!(probe.sandbox.waiting_faults(), 1);
    assert_eq!(probe.get(&format!("user/{}/oauth-client", other.id)).await.status, 503);
    assert_eq!(probe.sandbox.waiting_faults(), 0);

    probe.sandbox.inject(Fault::new("POST", "session-server", down()).of(probe.user.id));
    let body = json!({"secret": probe.user.api_key});
    assert_eq!(probe.post("session-server", &body).await.status, 503);
    assert_eq!(probe.sandbox.calls().last().and_then(|call| call.user), Some(probe.user.id));
}

#[tokio::test]
async fn a_redirect_points_elsewhere() {
    let elsewhere = "http://127.0.0.1:9/v1/".to_owned();
    let (_, got) = post_with(FaultKind::Redirect(elsewhere.clone())).await;
    let got = got.unwrap();
    assert_eq!((got.status, got.header("location")), (302, Some(elsewhere.as_str())));
}

#[tokio::test]
async fn signatures_can_be_wrong_missing_or_of_another_body() {
    for (kind, present) in [
        (FaultKind::WrongSignature, true),
        (FaultKind::MissingSignature, false),
        (FaultKind::SignatureOfOtherBody, true),
    ] {
        let (probe, got) = post_with(kind.clone()).await;
        let got = got.unwrap();
        assert_eq!(got.status, 200);
        assert_eq!(got.header("x-bunq-server-signature").is_some(), present, "{kind:?}");
        assert!(!got.is_signed(), "{kind:?}");
        assert!(probe.get(CLIENTS).await.is_signed());
    }
}

#[tokio::test]
async fn bodies_can_be_huge_broken_or_empty_and_signed_all_the_same() {
    let (_, huge) = post_with(FaultKind::HugeBody).await;
    let huge = huge.unwrap();
    assert!(huge.bytes.len() > 4 << 20 && huge.is_signed());
    let (_, broken) = post_with(FaultKind::NotJson).await;
    let broken = broken.unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&broken.bytes).is_err());
    assert!(broken.is_signed());
    let (_, empty) = post_with(FaultKind::EmptyResponseArray).await;
    assert_eq!(empty.unwrap().json(), json!({"Response": []}));
}

#[tokio::test]
async fn a_fault_waits_for_its_method_template_and_turn() {
    let probe = Probe::ready().await;
    let down = || FaultKind::Status(503, "down".to_owned());
    let exact = Fault::new("GET", &format!("{CLIENTS}$"), down());
    probe.sandbox.inject(exact.after(1).times(2));
    assert_eq!(probe.get("user").await.status, 200);
    assert_eq!(probe.get(&format!("{CLIENTS}/1")).await.status, 404);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(probe.get(CLIENTS).await.status);
    }
    assert_eq!(statuses, [200, 503, 503, 200]);

    probe.sandbox.inject(Fault::new("*", "", down()).forever());
    assert_eq!(probe.get("user").await.status, 503);
    assert_eq!(probe.delete("session/1").await.status, 503);
    probe.sandbox.clear_faults();
    assert_eq!(probe.get("user").await.status, 200);
}
