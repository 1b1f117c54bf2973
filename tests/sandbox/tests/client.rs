use std::time::Duration;

use serde_json::{Value, json};

use super::probe::Probe;
use crate::sandbox::{
    Fault, FaultKind,
    behaviour::{
        Cancel, Cancelled, CreateBody, CreateReply, DisplayName, Reactivation, SecondClient, SecretField, SecretShown,
        UnsetName,
    },
};

const CLIENTS: &str = "user/{u}/oauth-client";
const URL: &str = "https://myapp.example/callback";

/// bunq's register page.
fn v1() -> Value {
    json!([{"status": "ACTIVE", "display_name": "My App", "redirect_url": URL}])
}

fn v5() -> Value {
    json!({"status": "ACTIVE", "display_name": "My App", "redirect_url": URL})
}

/// Status of the POST, the name and the URLs that are stored.
async fn create(mode: CreateBody, body: &Value) -> (u16, Option<String>, Vec<String>) {
    let probe = Probe::ready().await;
    probe.sandbox.behave(|it| it.create_body = mode);
    let got = probe.post(CLIENTS, body).await;
    probe.sandbox.with(|bank| {
        let client = bank.clients.first();
        let urls = client.map(|it| bank.urls_of(it.id)).unwrap_or_default();
        (got.status, client.and_then(|it| it.display_name.clone()), urls)
    })
}

#[tokio::test]
async fn every_create_body_of_bunqs_own_sources_meets_every_mode() {
    let stored = || (200, Some("My App".to_owned()), vec![URL.to_owned()]);
    let bare = || (200, None, Vec::new());
    let refused = || (400, None, Vec::new());
    for (mode, v1_comes_to, v5_comes_to, empty_comes_to) in [
        (CreateBody::Stores, stored(), stored(), bare()),
        (CreateBody::IgnoresUnknown, bare(), bare(), bare()),
        (CreateBody::Superfluous, refused(), refused(), bare()),
        (CreateBody::RefusesArray, refused(), stored(), bare()),
        (CreateBody::RefusesAll, refused(), refused(), refused()),
    ] {
        assert_eq!(create(mode, &v1()).await, v1_comes_to, "{mode:?}");
        assert_eq!(create(mode, &v5()).await, v5_comes_to, "{mode:?}");
        for empty in [json!({}), json!([]), json!({"status": "ACTIVE"})] {
            assert_eq!(create(mode, &empty).await, empty_comes_to, "{mode:?} {empty}");
        }
    }
}

#[tokio::test]
async fn a_strict_bank_names_each_superfluous_field() {
    let probe = Probe::ready().await;
    probe.sandbox.behave(|it| it.create_body = CreateBody::Superfluous);
    let got = probe.post(CLIENTS, &v1()).await;
    let texts: Vec<Value> =
        got.json()["Error"].as_array().unwrap().iter().map(|item| item["error_description"].clone()).collect();
    assert_eq!(texts, ["Superfluous field \"display_name\".", "Superfluous field \"redirect_url\"."]);
}

#[tokio::test]
async fn a_second_client_is_refused_returned_or_created() {
    let probe = Probe::ready().await;
    let first = probe.post(CLIENTS, &json!({})).await.id();
    for status in [400, 403, 490] {
        probe.sandbox.behave(|it| it.second_client = SecondClient::Refused(status));
        assert_eq!(probe.post(CLIENTS, &json!({})).await.status, status);
    }
    let committed: Vec<bool> = probe.sandbox.mutations().iter().map(|it| it.committed).collect();
    assert_eq!(committed, [true, false, false, false]);
    probe.sandbox.behave(|it| it.second_client = SecondClient::ReturnsExisting);
    assert_eq!(probe.post(CLIENTS, &json!({})).await.id(), first);
    probe.sandbox.behave(|it| it.second_client = SecondClient::CreatesSecond);
    assert_ne!(probe.post(CLIENTS, &json!({})).await.id(), first);
    assert_eq!(probe.sandbox.with(|bank| bank.active_clients(probe.user.id).len()), 2);
}

#[tokio::test]
async fn the_answer_to_a_create_is_an_id_or_the_client() {
    let probe = Probe::ready().await;
    probe.sandbox.behave(|it| it.create_reply = CreateReply::OauthClientObject);
    let got = probe.post(CLIENTS, &v1()).await;
    assert_eq!(got.json()["Response"][0]["OauthClient"]["display_name"], "My App");
}

#[tokio::test]
async fn a_create_whose_reply_is_lost_may_be_committed_later() {
    let probe = Probe::ready().await;
    probe.sandbox.behave(|it| it.late_commit = Some(Duration::from_secs(30)));
    probe.sandbox.inject(Fault::new("POST", CLIENTS, FaultKind::DropAfterCommit));
    let lost = probe.attempt(reqwest::Method::POST, CLIENTS, Some(&v1())).await;
    assert!(lost.is_err());
    assert_eq!(probe.get(CLIENTS).await.items(), 0);
    assert!(!probe.sandbox.mutations()[0].committed);
    probe.sandbox.advance(Duration::from_secs(31));
    assert_eq!(probe.get(CLIENTS).await.items(), 1);
    assert!(probe.sandbox.mutations()[0].committed);
    assert_eq!(probe.sandbox.with(|bank| bank.urls_of(bank.clients[0].id)), [URL]);
}

#[tokio::test]
async fn a_new_client_may_be_missing_in_lists_for_a_while() {
    let probe = Probe::ready().await;
    probe.sandbox.behave(|it| it.list_lag = Some(Duration::from_secs(20)));
    let id = probe.post(CLIENTS, &json!({})).await.id();
    assert_eq!(probe.get(CLIENTS).await.items(), 0);
    assert_eq!(probe.get(&format!("{CLIENTS}/{id}")).await.status, 200);
    probe.sandbox.advance(Duration::from_secs(21));
    assert_eq!(probe.get(CLIENTS).await.items(), 1);
}

#[tokio::test]
async fn the_secret_has_the_switchs_name_and_is_shown_when_it_says() {
    let probe = Probe::ready().await;
    let id = probe.post(CLIENTS, &json!({})).await.id();
    let path = format!("{CLIENTS}/{id}");
    let read = async || probe.get(&path).await.item(0);
    assert_eq!(read().await["secret"].as_str().unwrap().len(), 64);
    probe.sandbox.behave(|it| it.secret_field = SecretField::ClientSecret);
    let shown = read().await;
    assert!(shown["client_secret"].is_string() && shown.get("secret").is_none());
    probe.sandbox.behave(|it| it.secret_field = SecretField::Secret);

    probe.sandbox.behave(|it| it.secret_shown = SecretShown::OnlyActive);
    assert!(read().await["secret"].is_string());
    probe.sandbox.with(|bank| bank.cancel_by_hand(id));
    assert!(read().await["secret"].is_null());
    probe.sandbox.behave(|it| it.secret_shown = SecretShown::Never);
    assert!(read().await.get("secret").is_none());

    probe.sandbox.behave(|it| it.secret_shown = SecretShown::FirstReadOnly);
    probe.sandbox.with(|bank| bank.client_mut(id).unwrap().reads = 0);
    assert!(probe.get(CLIENTS).await.item(0)["secret"].is_string());
    assert!(read().await.get("secret").is_none());
}

#[tokio::test]
async fn a_display_name_is_stored_ignored_or_normalised() {
    for (mode, created, changed) in [
        (DisplayName::Stored, json!(" My App "), json!("Other")),
        (DisplayName::Ignored, Value::Null, Value::Null),
        (DisplayName::Normalised, json!("MY APP"), json!("OTHER")),
    ] {
        let probe = Probe::ready().await;
        probe.sandbox.behave(|it| it.display_name = mode);
        let id = probe.post(CLIENTS, &json!({"display_name": " My App "})).await.id();
        let path = format!("{CLIENTS}/{id}");
        assert_eq!(probe.get(&path).await.item(0)["display_name"], created);
        probe.put(&path, &json!({"display_name": "Other"})).await.id();
        assert_eq!(probe.get(&path).await.item(0)["display_name"], changed);
    }
}

#[tokio::test]
async fn a_missing_name_is_null_or_absent() {
    let probe = Probe::ready().await;
    probe.post(CLIENTS, &json!({})).await.id();
    assert_eq!(probe.get(CLIENTS).await.item(0).get("display_name"), Some(&Value::Null));
    probe.sandbox.behave(|it| it.unset_name = UnsetName::Absent);
    assert_eq!(probe.get(CLIENTS).await.item(0).get("display_name"), None);
}

#[tokio::test]
async fn cancelling_is_immediate_or_pending() {
    let probe = Probe::ready().await;
    let id = probe.post(CLIENTS, &json!({})).await.id();
    let path = format!("{CLIENTS}/{id}");
    let status = async || probe.get(&path).await.item(0)["status"].clone();
    probe.sandbox.behave(|it| it.cancel = Cancel::Pending { seconds: 60 });
    probe.put(&path, &json!({"status": "CANCELLED"})).await.id();
    assert_eq!(status().await, "CANCELLED_PENDING");
    probe.sandbox.advance(Duration::from_secs(61));
    assert_eq!(status().await, "CANCELLED");
    probe.put(&path, &json!({"status": "ACTIVE"})).await.id();
    probe.sandbox.behave(|it| it.cancel = Cancel::Immediate);
    probe.put(&path, &json!({"status": "CANCELLED"})).await.id();
    assert_eq!(status().await, "CANCELLED");
}

#[tokio::test]
async fn a_cancelled_client_is_listed_or_hidden_and_comes_back_or_not() {
    let probe = Probe::ready().await;
    let id = probe.post(CLIENTS, &json!({})).await.id();
    let path = format!("{CLIENTS}/{id}");
    probe.put(&path, &json!({"status": "CANCELLED"})).await.id();
    assert_eq!(probe.get(CLIENTS).await.items(), 1);
    probe.sandbox.behave(|it| it.cancelled = Cancelled::Hidden);
    assert_eq!(probe.get(CLIENTS).await.items(), 0);
    assert_eq!(probe.get(&path).await.status, 200);
    probe.sandbox.behave(|it| it.reactivation = Reactivation::Refused(490));
    let active = json!({"status": "ACTIVE"});
    assert_eq!(probe.put(&path, &active).await.status, 490);
    probe.sandbox.behave(|it| it.reactivation = Reactivation::Allowed);
    assert_eq!(probe.put(&path, &active).await.status, 200);
    assert_eq!(probe.get(CLIENTS).await.items(), 1);
}

#[tokio::test]
async fn lists_come_in_pages_that_end() {
    let probe = Probe::ready().await;
    let ids: Vec<u64> = probe.sandbox.with(|bank| {
        let mut make = || bank.create_by_hand(probe.user.id, None, &[]);
        (0..12).map(|_| make()).collect()
    });
    let first = probe.get(CLIENTS).await.json();
    assert_eq!(first["Response"].as_array().unwrap().len(), 10);
    assert_eq!(first["Response"][0]["OauthClient"]["id"], ids[11]);
    let older = first["Pagination"]["older_url"].as_str().unwrap();
    let second = probe.get(older.strip_prefix("/v1/").unwrap()).await.json();
    assert_eq!(second["Response"].as_array().unwrap().len(), 2);
    assert_eq!(second["Pagination"]["older_url"], Value::Null);
    assert!(second["Pagination"]["newer_url"].is_string());

    probe.sandbox.behave(|it| it.max_page = 1);
    let page = probe.get(&format!("{CLIENTS}?count=200")).await;
    assert_eq!(page.items(), 1);
    assert!(page.json()["Pagination"]["older_url"].is_string());
}

#[tokio::test]
async fn an_empty_list_has_all_three_pagination_keys() {
    let probe = Probe::ready().await;
    let got = probe.get(CLIENTS).await.json();
    let pagination = got["Pagination"].as_object().unwrap();
    assert!(pagination["future_url"].is_string());
    assert!(pagination["newer_url"].is_null() && pagination["older_url"].is_null());
}

#[tokio::test]
async fn somebody_elses_clients_are_out_of_reach() {
    let probe = Probe::ready().await;
    let other = probe.sandbox.new_user().id;
    let client = probe.sandbox.with(|bank| bank.create_by_hand(other, Some("theirs"), &[URL]));
    assert_eq!(probe.get(&format!("user/{other}/oauth-client")).await.status, 403);
    assert_eq!(probe.get(&format!("{CLIENTS}/{client}")).await.status, 404);
    assert_eq!(probe.delete(&format!("{CLIENTS}/{client}")).await.status, 404);
}

#[tokio::test]
async fn the_account_owner_can_edit_everything_in_the_app() {
    let probe = Probe::ready().await;
    let id = probe.sandbox.with(|bank| {
        let id = bank.create_by_hand(probe.user.id, Some("By hand"), &[URL]);
        bank.add_url_by_hand(id, "http://localhost:3000");
        bank.remove_url_by_hand(id, URL);
        id
    });
    let path = format!("{CLIENTS}/{id}");
    let shown = probe.get(&path).await.item(0);
    assert_eq!(shown["callback_url"][0]["url"], "http://localhost:3000");
    probe.sandbox.with(|bank| bank.cancel_by_hand(id));
    assert_eq!(probe.get(&path).await.item(0)["status"], "CANCELLED");
    probe.sandbox.with(|bank| bank.activate_by_hand(id));
    assert_eq!(probe.get(&path).await.item(0)["status"], "ACTIVE");
    probe.sandbox.with(|bank| bank.delete_client(id));
    assert_eq!(probe.get(&path).await.status, 404);
    probe.sandbox.with(super::super::Bank::end_sessions);
    assert_eq!(probe.sandbox.with(|bank| bank.living_sessions()), 0);
    assert_eq!(probe.get(&path).await.status, 401);
}
