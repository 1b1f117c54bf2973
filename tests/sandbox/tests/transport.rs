use std::io::Read;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::probe::{Probe, sign};
use crate::sandbox::{
    Behaviour, Options, Sandbox, Tls,
    behaviour::{Compression, Connections, ErrorSignature, HeaderCase, Letters, Slashes, UnknownFields},
};

#[tokio::test]
async fn replies_echo_the_request_id_and_carry_an_id_of_their_own() {
    let probe = Probe::ready().await;
    let sent = probe.send(Method::GET, "user", probe.session.as_deref(), Vec::new(), None, "my-id");
    let got = sent.await.unwrap();
    assert_eq!(got.header("x-bunq-client-request-id"), Some("my-id"));
    let id = got.header("x-bunq-client-response-id").unwrap();
    assert!(uuid::Uuid::parse_str(id).is_ok());
    let call = probe.sandbox.calls().pop().unwrap();
    assert_eq!((call.request_id.as_deref(), call.response_id.as_str()), (Some("my-id"), id));
}

#[tokio::test]
async fn slashes_are_escaped_unless_switched_off() {
    let probe = Probe::ready().await;
    let url = json!({"redirect_url": "https://a.example/x"});
    probe.post("user/{u}/oauth-client", &url).await.id();
    let text = async || String::from_utf8(probe.get("user/{u}/oauth-client").await.bytes).unwrap();
    assert!(text().await.contains(r"https:\/\/a.example\/x"));
    probe.sandbox.behave(|it| it.slashes = Slashes::Plain);
    assert!(text().await.contains("https://a.example/x"));
}

#[tokio::test]
async fn letters_beyond_ascii_are_escaped_by_switch() {
    let probe = Probe::ready().await;
    let name = "Caf\u{e9} \u{1f511}";
    probe.post("user/{u}/oauth-client", &json!({"display_name": name})).await.id();
    let read = async || probe.get("user/{u}/oauth-client").await;
    assert!(String::from_utf8(read().await.bytes).unwrap().contains(name));
    probe.sandbox.behave(|it| it.letters = Letters::Escaped);
    let got = read().await;
    assert!(got.is_signed() && got.bytes.is_ascii());
    assert_eq!(got.item(0)["display_name"], name);
    assert!(String::from_utf8(got.bytes).unwrap().contains(r"Caf\u00e9 \ud83d\udd11"));
}

/// What comes back on one connection for two requests that are sent one after the other's reply.
async fn two_on_one_connection(connections: Connections) -> (String, usize) {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    sandbox.behave(|it| it.connections = connections);
    let address = sandbox.base_url().replace("http://", "").replace("/v1/", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut head = Vec::new();
    for _ in 0..2 {
        // A closed connection refuses it now or at the next read.
        let _ = stream.write_all(b"GET /v1/nowhere HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.unwrap_or(0);
        head.extend_from_slice(&piece[..length]);
        while connections != Connections::Kept && sandbox.connections() > 0 {
            tokio::task::yield_now().await;
        }
    }
    (String::from_utf8(head).unwrap(), sandbox.calls().len())
}

#[tokio::test]
async fn connections_are_kept_closed_or_closed_behind_ones_back() {
    for (connections, answers, is_said) in
        [(Connections::Kept, 2, false), (Connections::Closed, 1, true), (Connections::ClosedIdle, 1, false)]
    {
        let (text, calls) = two_on_one_connection(connections).await;
        assert_eq!((text.matches("HTTP/1.1 404").count(), calls), (answers, answers), "{connections:?}");
        assert_eq!(text.to_ascii_lowercase().contains("connection: close"), is_said, "{connections:?}");
    }
}

#[tokio::test]
async fn errors_are_signed_by_switch() {
    let probe = Probe::ready().await;
    let got = probe.get("nowhere").await;
    assert_eq!((got.status, got.error().as_str()), (404, "Route not found."));
    assert!(got.header("x-bunq-server-signature").is_none());
    probe.sandbox.behave(|it| it.error_signature = ErrorSignature::Signed);
    assert!(probe.get("nowhere").await.is_signed());
}

/// The reply's head, as bytes on the wire.
async fn raw_head(sandbox: &Sandbox) -> String {
    let address = sandbox.base_url().replace("http://", "").replace("/v1/", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "GET /v1/nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = String::new();
    stream.read_to_string(&mut head).await.unwrap();
    head
}

#[tokio::test]
async fn header_names_are_title_case_or_lower_case() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    assert!(raw_head(&sandbox).await.contains("X-Bunq-Client-Response-Id: "));
    sandbox.behave(|it| it.header_case = HeaderCase::Lower);
    assert!(raw_head(&sandbox).await.contains("x-bunq-client-response-id: "));
}

#[tokio::test]
async fn unknown_fields_and_headers_appear_by_switch() {
    let probe = Probe::ready().await;
    probe.sandbox.behave(|it| it.unknown_fields = UnknownFields::Present);
    let got = probe.get("user").await;
    assert!(got.item(0)["avatar"].is_object() && got.is_signed());
    assert!(got.header("x-bunq-warning").is_some());
}

#[tokio::test]
async fn gzip_is_sent_to_those_who_accept_it_and_signed_before() {
    let probe = Probe::ready().await;
    probe.sandbox.behave(|it| it.compression = Compression::Gzip);
    assert!(probe.get("user").await.header("content-encoding").is_none());
    let reply = probe
        .http
        .get(format!("{}user", probe.sandbox.base_url()))
        .header("x-bunq-client-authentication", probe.session.clone().unwrap())
        .header("accept-encoding", "gzip")
        .send()
        .await
        .unwrap();
    let mut got = super::probe::Got {
        status: reply.status().as_u16(),
        headers: reply.headers().clone(),
        bytes: reply.bytes().await.unwrap().to_vec(),
    };
    assert_eq!(got.header("content-encoding"), Some("gzip"));
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(got.bytes.as_slice()).read_to_end(&mut plain).unwrap();
    got.bytes = plain;
    assert!(got.is_signed());
}

#[tokio::test]
async fn the_call_log_holds_every_call_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls.jsonl");
    let options = Options { call_log: Some(file.clone()), ..Options::default() };
    let probe = Probe::ready_with(options).await;
    let made = probe.post("user/{u}/oauth-client", &json!({"status": "ACTIVE"})).await.id();
    probe.get(&format!("user/{{u}}/oauth-client/{made}")).await;

    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = text.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(lines.len(), probe.sandbox.calls().len());
    let mutation = &lines[3];
    assert_eq!(mutation["template"], "user/{u}/oauth-client");
    assert_eq!((&mutation["user"], &mutation["status"]), (&json!(probe.user_id), &json!(200)));
    assert_eq!((&mutation["mutation"], &mutation["committed"]), (&json!(true), &json!(true)));
    assert_eq!(mutation["body"], json!({"status": "ACTIVE"}));
    assert_eq!(probe.sandbox.mutations().len(), 1);
    assert_eq!(probe.sandbox.count("POST", "session-server"), 1);

    let secret = probe.sandbox.with(|bank| bank.clients[0].secret.clone());
    for planted in [&probe.user.api_key, &secret, probe.session.as_ref().unwrap()] {
        assert!(!text.contains(planted.as_str()));
    }
    probe.sandbox.clear_calls();
    assert!(probe.sandbox.calls().is_empty());
}

#[tokio::test]
async fn a_listener_hears_of_every_call() {
    let probe = Probe::ready().await;
    let (heard, mut lines) = tokio::sync::mpsc::unbounded_channel();
    probe.sandbox.on_call(move |call| heard.send(call.to_string()).unwrap());
    probe.get("user").await;
    assert!(lines.recv().await.unwrap().ends_with("GET /v1/user 200"));
}

#[tokio::test]
async fn https_is_trusted_through_its_own_authority_and_only_when_valid() {
    for (tls, trusted) in [(Tls::Valid, true), (Tls::WrongHost, false), (Tls::Expired, false)] {
        let options = Options { tls: Some(tls), ..Options::default() };
        let probe = Probe::stranger(options).await;
        let pem = probe.sandbox.ca_pem().unwrap();
        let authority = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
        let url = format!("{}nowhere", probe.sandbox.base_url());
        assert!(url.starts_with("https://"));
        assert_eq!(http.get(&url).send().await.is_ok(), trusted, "{tls:?}");
        assert!(probe.http.get(&url).send().await.is_err(), "nobody trusts it by default");
    }
}

#[tokio::test]
async fn a_stopped_emulator_refuses_connections_and_keeps_its_state() {
    let probe = Probe::ready().await;
    probe.sandbox.stop();
    let mut answered = true;
    for _ in 0..50 {
        answered = probe.attempt(Method::GET, "user", None).await.is_ok();
        if !answered {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(!answered);
    assert_eq!(probe.sandbox.with(|bank| bank.users.len()), 1);
}

#[test]
fn a_behaviour_file_names_only_what_differs_and_typos_are_refused() {
    let file = r#"{"callbackRoutes": "off", "secondClient": {"refused": 490}, "listLag": 2.5,
                   "cancel": {"pending": {"seconds": 3}}}"#;
    let read: Behaviour = serde_json::from_str(file).unwrap();
    assert_eq!(read.list_lag, Some(std::time::Duration::from_millis(2500)));
    let again: Behaviour = serde_json::from_value(serde_json::to_value(&read).unwrap()).unwrap();
    assert_eq!(read, again);
    assert!(serde_json::from_str::<Behaviour>(r#"{"callbackRoute": "off"}"#).is_err());
}

#[tokio::test]
async fn addresses_of_a_key_are_listed_added_and_made_inactive() {
    let probe = Probe::ready().await;
    let credentials = probe.get("user/{u}/credential-password-ip").await;
    let credential = credentials.item(0);
    assert_eq!(credential["status"], "ACTIVE");
    assert_eq!(credential["permitted_device"]["ip"], "127.0.0.1");
    assert!(credential["token_value"].is_null());
    let ips = format!("user/{{u}}/credential-password-ip/{}/ip", credential["id"]);
    let body = json!({"ip": "203.0.113.9", "status": "ACTIVE"});
    let made = probe.post(&ips, &body).await.id();
    assert_eq!(probe.get(&ips).await.items(), 2);
    let one = format!("{ips}/{made}");
    probe.put(&one, &json!({"status": "INACTIVE"})).await.id();
    assert_eq!(probe.get(&one).await.item(0)["status"], "INACTIVE");
    assert_eq!(probe.post(&ips, &json!({"ip": "*"})).await.status, 400);
    // A key that was never used shows its value until it is.
    let unused = probe.sandbox.new_key(probe.user.id);
    let shown = probe.get("user/{u}/credential-password-ip").await.item(0);
    assert_eq!((&shown["status"], &shown["token_value"]), (&json!("PENDING_FIRST_USE"), &json!(unused)));
}

#[tokio::test]
async fn a_sandbox_user_is_made_without_any_authentication() {
    let probe = Probe::stranger(Options::default()).await;
    let got = probe.call(Method::POST, "sandbox-user-person", None, None).await;
    let key = got.item(0)["api_key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("sandbox_") && key.len() == 64);
    assert_eq!(sign(b"").len(), 344);
}

#[tokio::test]
async fn what_the_sdk_asks_for_at_the_start_is_there() {
    let probe = Probe::ready().await;
    assert_eq!(probe.get("user/{u}/monetary-account-bank").await.item(0)["status"], "ACTIVE");
    assert!(probe.get("installation").await.id() > 0);
    let key = probe.get("installation/1/server-public-key").await.item(0);
    assert!(key["server_public_key"].is_string());
    let device = probe.get("device-server").await.item(0);
    assert_eq!((&device["status"], &device["ip"]), (&json!("ACTIVE"), &json!("127.0.0.1")));
    assert_eq!(probe.get(&format!("device-server/{}", device["id"])).await.status, 200);
    assert_eq!(probe.put("user", &json!({})).await.status, 405);
}
