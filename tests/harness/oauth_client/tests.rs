use oauth2::HttpRequest;
use oauth2::http::header::CONTENT_TYPE;

use super::*;
use crate::sandbox::behaviour::TokenParameters;
use crate::sandbox::{Options, Sandbox};
use bunq_oauth_operator::bunq::BaseUrl;

/// A bank with a client registered for the listener, and what the operator would publish.
async fn published(registered: &str) -> (Sandbox, RedirectListener, BTreeMap<String, Vec<u8>>) {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let redirect = RedirectListener::bind().await.unwrap();
    let user = sandbox.new_user();
    let (id, secret) = sandbox.with(|bank| {
        let number = bank.create_by_hand(user.id, None, &[&redirect.url(registered)]);
        let client = bank.client(number).unwrap();
        (client.client_id.clone(), client.secret.clone())
    });
    let data = [
        ("client_id", id),
        ("client_secret", secret),
        ("redirect_uri", redirect.url("/callback")),
        ("authorization_uri", sandbox.authorize_url()),
        ("token_uri", sandbox.token_url()),
    ];
    let data = data.into_iter().map(|(key, value)| (key.to_owned(), value.into_bytes())).collect();
    (sandbox, redirect, data)
}

fn endpoints(sandbox: &Sandbox) -> Endpoints {
    Endpoints::overridden(BaseUrl::parse(&sandbox.base_url()).unwrap())
}

#[tokio::test]
async fn a_stock_library_with_the_adapter_logs_in() {
    let (sandbox, redirect, data) = published("/callback").await;
    let login = log_in(&data, &redirect, endpoints(&sandbox)).await.unwrap();
    assert_eq!(login.session.user.kind, UserKind::ApiKey);
    assert_eq!(sandbox.count("POST", "token"), 1);
}

#[tokio::test]
async fn the_snippet_for_python_logs_in() {
    let (sandbox, _redirect, data) = published("/callback").await;
    let python = tokio::task::spawn_blocking(python::with_library).await.unwrap();
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/oauth_client/check.py");
    let snippets = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/login");
    let output = tokio::process::Command::new(python)
        .args(["-B", check])
        .env("PYTHONPATH", snippets)
        .envs(data.into_iter().map(|(key, value)| (key, String::from_utf8(value).unwrap())))
        .envs([("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1")])
        .output()
        .await
        .unwrap();
    let (said, words) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((said.trim(), output.status.code()), ("bearer", Some(0)), "{words}");
    let token_calls: Vec<_> = sandbox.calls().into_iter().filter(|call| call.template == "token").collect();
    assert_eq!(token_calls.len(), 1);
    assert_eq!(token_calls[0].body["grant_type"], "authorization_code");
}

#[tokio::test]
async fn another_redirect_url_than_the_registered_one_ends_with_the_banks_words() {
    let (sandbox, redirect, data) = published("/callback/").await;
    let error = log_in(&data, &redirect, endpoints(&sandbox)).await.unwrap_err();
    let Error::Refused { status: 400, text } = &error else { panic!("{error:?}") };
    assert!(text.contains("Redirect mismatch"), "{text}");
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_never_told() {
    let (sandbox, redirect, mut data) = published("/callback").await;
    data.insert("client_secret".to_owned(), b"planted".to_vec());
    let error = log_in(&data, &redirect, endpoints(&sandbox)).await.unwrap_err();
    assert!(matches!(error, Error::Exchange(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("planted"));
}

#[tokio::test]
async fn the_form_moves_to_the_query_whole() {
    let (sandbox, ..) = published("/callback").await;
    // The emulator must not be one that forgives a form.
    sandbox.behave(|it| assert_eq!(it.token_parameters, TokenParameters::Query));
    let form = b"code=a%26b&redirect_uri=http%3A%2F%2Flocalhost".to_vec();
    let request = HttpRequest::new(form);
    let (mut parts, form) = request.into_parts();
    parts.uri = "https://bank.example/v1/token".parse().unwrap();
    parts.headers.insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
    let moved = adapter::form_to_query(HttpRequest::from_parts(parts, form)).unwrap();
    let expected = "https://bank.example/v1/token?code=a%26b&redirect_uri=http%3A%2F%2Flocalhost";
    assert_eq!((moved.uri().to_string(), moved.body().len()), (expected.to_owned(), 0));
    assert!(!moved.headers().contains_key(CONTENT_TYPE));
}
