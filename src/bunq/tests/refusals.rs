//! Every refusal of `bunq-api §6` and what it means.

use std::time::Duration;

use secrecy::SecretString;

use super::{API_KEY, TOKEN, World, refusal, set, unsigned};
use crate::bunq::{Call, Class, CreateBody, Error, Fault, Stage, TransportError, UpdateBody};

use crate::bunq::Call::{
    CreateDeviceServer as Device, CreateOauthClient as Create, CreateSession, GetOauthClient as Get,
};

const CREDENTIALS: &str = "User credentials are incorrect. Incorrect API key or IP address.";

async fn make(world: &World, call: Call) -> Error {
    let (bank, access, installed) = (&world.bank, &world.access(), &world.installed());
    match call {
        Call::CreateDeviceServer => bank.register_device(installed, "d", &world.api_key, &[]).await.unwrap_err(),
        Call::CreateSession => bank.open_session(installed, &world.api_key).await.unwrap_err(),
        Call::CreateOauthClient => bank.create_oauth_client(access, &CreateBody::StatusOnly).await.unwrap_err(),
        Call::UpdateOauthClient => bank.update_oauth_client(access, 42, &UpdateBody::default()).await.unwrap_err(),
        _ => bank.get_oauth_client(access, 42).await.unwrap_err(),
    }
}

async fn refused(call: Call, status: u16, body: Vec<u8>) -> Error {
    let world = World::new();
    world.script(move |request| Ok(unsigned(request, status, body)));
    make(&world, call).await
}

const fn throttled(seconds: u64) -> Class {
    Class::Throttled { retry_after: Duration::from_secs(seconds) }
}

const KNOWN: &[(Call, u16, &str, Class)] = &[
    (Device, 400, CREDENTIALS, Class::Credentials),
    (CreateSession, 400, CREDENTIALS, Class::Credentials),
    // Elsewhere the same words are a plain refusal.
    (Create, 400, CREDENTIALS, Class::Refused),
    (Get, 401, "Insufficient authorisation.", Class::Session),
    (Get, 403, "Insufficient authentication.", Class::Session),
    (CreateSession, 403, "Insufficient authentication.", Class::Session),
    (Get, 429, "Too many requests. You can do a maximum of 3 calls per 3 second to this endpoint.", throttled(3)),
    (Get, 429, "Too many requests. You can do a maximum of 9 GET call per 9 second to this endpoint.", throttled(9)),
    (Get, 429, "Too many requests. You can do a maximum of 5 calls per 5 second to this endpoint.", throttled(5)),
    (Get, 429, "X calls per 60 seconds", throttled(60)),
    (Get, 429, "maximum of 1 calls per 1 second", throttled(3)),
    (Get, 429, "Too many requests: 3 calls per 99999999 seconds", throttled(3600)),
    (Get, 429, "Too many requests: 3 calls per 99999999999999999999999 seconds", throttled(3)),
    // Here the bank may repeat what a tenant chose.
    (Create, 429, "Too many requests: 3 calls per 99999999 seconds", throttled(60)),
    (Create, 409, "The name \"Too many requests. 3 calls per 3600 seconds\" is taken.", Class::Refused),
    (Create, 429, "Not allowed: my app, 3 calls per 3600 seconds", Class::Refused),
    (Get, 429, "Too many requests.", throttled(3)),
    (CreateSession, 429, "Too many requests.", throttled(30)),
    (CreateSession, 429, "a maximum of 1 calls per 30 second", throttled(30)),
    (Get, 409, "Too many requests.", throttled(3)),
    (Get, 409, "Conflict", Class::Refused),
    (Create, 409, "You can have one OAuth client at a time.", Class::Refused),
    (Create, 429, "A maximum of 1 OAuth client is allowed.", Class::Refused),
    (Create, 400, "The request signature is invalid.", Class::Refused),
    (
        Create,
        466,
        "For this operation a request signature is required. Check the urls for more information.",
        Class::Refused,
    ),
    (Create, 400, "Superfluous field \"display_name\".", Class::Refused),
    (Create, 490, "Missing parameter", Class::Refused),
    (Get, 404, "Route not found.", Class::NotFound),
    (Get, 404, "Monetary account for id \"1\" not found.", Class::NotFound),
    (Get, 405, "Method not allowed.", Class::MethodNotAllowed),
    (Device, 400, "A device already exists for this installation.", Class::DeviceExists),
    (Create, 400, "device already exists", Class::Refused),
    (CreateSession, 400, "Authentication token already has a user session.", Class::UserSessionExists),
    (CreateSession, 403, "Authentication token already has a user session.", Class::UserSessionExists),
    (Device, 400, "Client Public Key Invalid", Class::Refused),
    (Get, 418, "I'm a teapot", Class::Refused),
    (Get, 408, "Request timeout", Class::Unavailable),
    (Get, 491, "Maintenance", Class::Unavailable),
    (Get, 500, "Internal error", Class::Unavailable),
    (Get, 503, "Service unavailable", Class::Unavailable),
    (Get, 399, "Not modified", Class::Unexpected),
    (Get, 302, "Found", Class::Unexpected),
    (Get, 199, "", Class::Unexpected),
];

#[tokio::test]
async fn every_known_text_has_its_class() {
    for (call, status, text, class) in KNOWN {
        let error = refused(*call, *status, refusal(text)).await;
        assert_eq!(error.class(), *class, "{call} {status} {text}");
        assert_eq!(error.call(), *call);
        assert_eq!(error.status(), Some(*status));
        assert_eq!(error.answer().unwrap().text, *text);
        assert_eq!(error.response_id(), Some("0f4c5d1e-response"));
        let unknown = matches!(class, Class::Unavailable | Class::Unexpected);
        assert_eq!(error.may_have_been_applied(), unknown && call.is_mutation());
    }
}

#[tokio::test]
async fn a_page_of_a_gateway_is_an_outage_whatever_its_status() {
    let html = b"<html><h1>Not here</h1></html>".to_vec();
    let strange =
        [html, Vec::new(), b"{}".to_vec(), b"[]".to_vec(), b"[[]]".to_vec(), b"null".to_vec(), b"\xff".to_vec()];
    for status in [400, 401, 403, 404, 405, 409, 429, 490, 500, 502, 503] {
        for body in &strange {
            let error = refused(Call::CreateOauthClient, status, body.clone()).await;
            assert_eq!(error.class(), Class::Unavailable, "{status} {body:?}");
            assert!(error.may_have_been_applied());
            assert_eq!(error.answer().unwrap().text, "");
        }
    }
}

#[tokio::test]
async fn mutations_of_unknown_outcome_say_so() {
    let world = World::new();
    let lost = |stage| TransportError { stage, fault: Fault::Interrupted, detail: "reset".to_owned() };
    for (call, stage, applied) in [
        (Call::CreateOauthClient, Stage::MaybeSent, true),
        (Call::CreateOauthClient, Stage::NotSent, false),
        (Call::UpdateOauthClient, Stage::MaybeSent, true),
        (Call::GetOauthClient, Stage::MaybeSent, false),
    ] {
        world.script(move |_| Err(lost(stage)));
        let error = make(&world, call).await;
        let sent = stage == Stage::MaybeSent;
        assert_eq!(error.class(), Class::Network { sent });
        assert_eq!(error.may_have_been_applied(), applied, "{call}");
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "reset");
        assert!(!error.to_string().contains("reset"), "the source is told once");
    }
}

#[tokio::test]
async fn several_items_are_joined() {
    let body = serde_json::json!({"Error": [
        {"error_description": "First."},
        {"error_description": null},
        {"error_description": "Superfluous field \"redirect_url\".", "error_additional_parameter": [{}]},
    ]});
    let error = refused(Call::CreateOauthClient, 400, body.to_string().into_bytes()).await;
    assert_eq!(error.answer().unwrap().text, "First.; Superfluous field \"redirect_url\".");
}

#[tokio::test]
async fn a_sane_retry_after_is_honoured() {
    for (header, seconds) in [("7", 7), ("0", 3), ("3600", 3600), ("86400", 3), ("soon", 3), ("-1", 3)] {
        let world = World::new();
        world.script(move |request| {
            let mut response = unsigned(request, 429, refusal("Too many requests."));
            set(&mut response, "retry-after", header);
            Ok(response)
        });
        let error = make(&world, Call::GetOauthClient).await;
        assert_eq!(error.class(), throttled(seconds), "{header}");
    }
}

#[tokio::test]
async fn a_retry_after_throttles_whatever_the_text_says_and_so_does_a_gateways_page() {
    for body in [refusal("Conflict"), b"<html></html>".to_vec()] {
        let world = World::new();
        world.script(move |request| {
            let mut response = unsigned(request, 409, body);
            set(&mut response, "retry-after", "7");
            Ok(response)
        });
        assert_eq!(make(&world, Create).await.class(), throttled(7));
    }
    let page = b"<html><h1>429 Too Many Requests</h1></html>".to_vec();
    assert_eq!(refused(Create, 429, page).await.class(), throttled(3));
}

#[tokio::test]
async fn a_refusal_shows_no_secret_and_no_control_character() {
    let world = World::new();
    let text = format!("Key {API_KEY}\r\nwith\u{1b}[31m {TOKEN} \u{202e}is wrong");
    world.script(move |request| Ok(unsigned(request, 400, refusal(&text))));
    let error = make(&world, Call::CreateSession).await;
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(API_KEY) && !shown.contains(TOKEN));
    let text = &error.answer().unwrap().text;
    assert_eq!(text, "Key [redacted]  with [31m [redacted]  is wrong");
    assert_eq!(
        error.to_string(),
        format!("bunq refused: POST session-server got HTTP 400: \"{text}\" (response id 0f4c5d1e-response)")
    );
}

#[tokio::test]
async fn a_token_that_is_no_header_value_is_our_own_defect() {
    let mut world = World::new();
    world.token = SecretString::from("line\nbreak");
    let error = make(&world, Call::GetOauthClient).await;
    assert_eq!(error.class(), Class::Local);
    assert!(!error.may_have_been_applied());
    assert!(world.seen().is_empty());
}
