use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::probe::{Got, Probe};
use crate::sandbox::behaviour::TokenParameters;

const CALLBACK: &str = "http://localhost:3000/callback";

/// A registered client: id, `client_id`, secret.
fn registered(probe: &Probe) -> (u64, String, String) {
    probe.sandbox.with(|bank| {
        let id = bank.create_by_hand(probe.user.id, None, &[CALLBACK]);
        let client = bank.client(id).unwrap();
        (id, client.client_id.clone(), client.secret.clone())
    })
}

async fn authorize(probe: &Probe, client_id: &str, redirect_uri: &str) -> Got {
    let query = [("response_type", "code"), ("client_id", client_id), ("redirect_uri", redirect_uri), ("state", "s&1")];
    let url = url::Url::parse_with_params(&probe.sandbox.authorize_url(), query).unwrap();
    let reply = probe.http.get(url).send().await.unwrap();
    Got {
        status: reply.status().as_u16(),
        headers: reply.headers().clone(),
        bytes: reply.bytes().await.unwrap().to_vec(),
    }
}

async fn code(probe: &Probe, client_id: &str) -> String {
    let got = authorize(probe, client_id, CALLBACK).await;
    assert_eq!(got.status, 302);
    let location = got.header("location").unwrap();
    assert!(location.starts_with("http://localhost:3000/callback?"));
    let location = url::Url::parse(location).unwrap();
    let query: BTreeMap<String, String> = location.query_pairs().into_owned().collect();
    assert_eq!(query["state"], "s&1");
    query["code"].clone()
}

async fn exchange(probe: &Probe, in_query: bool, client_id: &str, secret: &str, code: &str) -> Value {
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("client_id", client_id),
        ("client_secret", secret),
    ];
    let encoded = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let token_url = probe.sandbox.token_url();
    let request = if in_query {
        probe.http.post(format!("{token_url}?{encoded}"))
    } else {
        probe.http.post(token_url).body(encoded)
    };
    let reply = request.send().await.unwrap();
    serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_login_ends_in_a_session_of_a_user_api_key() {
    let mut probe = Probe::ready().await;
    let (_, client_id, secret) = registered(&probe);
    let code = code(&probe, &client_id).await;
    let token = exchange(&probe, true, &client_id, &secret, &code).await;
    assert_eq!((&token["token_type"], &token["state"]), (&json!("bearer"), &json!("s&1")));
    token["access_token"].as_str().unwrap().clone_into(&mut probe.user.api_key);
    probe.install().await;
    assert_eq!(probe.device(&json!({})).await.status, 200);
    let session = probe.open_session().await.json();
    let user = &session["Response"][2]["UserApiKey"];
    assert!(user["requested_by_user"]["UserPerson"]["display_name"].is_string());
    assert_ne!(user["requested_by_user"], user["granted_by_user"]);
    assert_eq!(probe.get("user/{u}/oauth-client").await.status, 403);
}

#[tokio::test]
async fn the_redirect_uri_must_be_registered_byte_by_byte() {
    let probe = Probe::ready().await;
    let (id, client_id, _) = registered(&probe);
    for wrong in ["http://localhost:3000/callback/", "http://LOCALHOST:3000/callback", ""] {
        let got = authorize(&probe, &client_id, wrong).await;
        assert_eq!((got.status, got.header("location")), (400, None));
        assert!(String::from_utf8(got.bytes).unwrap().contains("Redirect mismatch"));
    }
    probe.sandbox.with(|bank| bank.cancel_by_hand(id));
    assert_eq!(authorize(&probe, &client_id, CALLBACK).await.status, 400);
}

#[tokio::test]
async fn a_code_serves_once_and_only_its_own_client() {
    let probe = Probe::ready().await;
    let (_, client_id, secret) = registered(&probe);
    let code = code(&probe, &client_id).await;
    let wrong = exchange(&probe, true, &client_id, "wrong", &code).await;
    assert_eq!(wrong["error"], "invalid_client");
    assert!(exchange(&probe, true, &client_id, &secret, &code).await["access_token"].is_string());
    let again = exchange(&probe, true, &client_id, &secret, &code).await;
    assert_eq!(
        again,
        json!({"error": "invalid_grant", "error_description": "The authorization code is invalid or expired."})
    );
    let log = serde_json::to_string(&probe.sandbox.calls()).unwrap();
    assert!(log.contains("authorization_code"));
    assert!(!log.contains(&secret) && !log.contains(&code));
}

#[tokio::test]
async fn the_token_endpoint_reads_the_query_and_a_form_only_by_switch() {
    let probe = Probe::ready().await;
    let (_, client_id, secret) = registered(&probe);
    let code = code(&probe, &client_id).await;
    let refused = exchange(&probe, false, &client_id, &secret, &code).await;
    assert_eq!(refused["error"], "unsupported_grant_type");
    probe.sandbox.behave(|it| it.token_parameters = TokenParameters::QueryOrForm);
    assert!(exchange(&probe, false, &client_id, &secret, &code).await["access_token"].is_string());
}
