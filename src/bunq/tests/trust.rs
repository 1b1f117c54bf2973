//! What is believed: answers to this request, about this object, signed by this bank (`S11`).

use super::{API_KEY, TOKEN, USER, World, client_keys, server_keys, set, signed, unsigned};
use crate::bunq::{Access, Call, Class, CreateBody, Distrust, Error, Installed, Request, Response, UpdateBody};

/// Makes one call of each kind and returns its error.
async fn fail(world: &World, call: Call) -> Error {
    let bank = &world.bank;
    let access: &Access<'_> = &world.access();
    let installed: &Installed<'_> = &world.installed();
    let key = &world.api_key;
    let url = "https://a.example";
    match call {
        Call::CreateInstallation => bank.install(client_keys()).await.map(drop),
        Call::CreateDeviceServer => bank.register_device(installed, "d", key, &[]).await.map(drop),
        Call::CreateSession => bank.open_session(installed, key).await.map(drop),
        Call::DeleteSession => bank.close_session(access).await.map(drop),
        Call::GetUser => bank.user(access).await.map(drop),
        Call::ListOauthClients => bank.list_oauth_clients(access).await.map(drop),
        Call::GetOauthClient => bank.get_oauth_client(access, 42).await.map(drop),
        Call::CreateOauthClient => {
            let body = CreateBody::StatusOnly;
            bank.create_oauth_client(access, &body).await.map(drop)
        }
        Call::UpdateOauthClient => {
            let body = UpdateBody::default();
            bank.update_oauth_client(access, 42, &body).await.map(drop)
        }
        Call::ListCallbackUrls => bank.list_callback_urls(access, 42).await.map(drop),
        Call::CreateCallbackUrl => bank.create_callback_url(access, 42, url).await.map(drop),
        Call::UpdateCallbackUrl => bank.update_callback_url(access, 42, 5, url).await.map(drop),
        Call::DeleteCallbackUrl => bank.delete_callback_url(access, 42, 5).await.map(drop),
        Call::ListCredentialIps => bank.list_credential_password_ip(access).await.map(drop),
    }
    .unwrap_err()
}

/// A success that every call would take, were it signed.
fn body() -> Vec<u8> {
    let key = server_keys().public_spki_pem().unwrap().replace('\n', "\\n");
    format!(
        r#"{{"Response":[{{"Id":{{"id":42}},"Token":{{"token":"t"}},"UserPerson":{{"id":{USER}}},
        "ServerPublicKey":{{"server_public_key":"{key}"}},
        "OauthClient":{{"id":42,"status":"ACTIVE","secret":"forged"}},
        "OauthCallbackUrl":{{"id":5,"url":"https://forged.example"}}}}]}}"#
    )
    .into_bytes()
}

type Tamper = fn(&Request) -> Response;

const TAMPERS: [(&str, Tamper, Distrust); 7] = [
    ("no signature", |r| unsigned(r, 200, body()), Distrust::SignatureMissing),
    (
        "of another body",
        |r| {
            let mut response = signed(r, 200, body());
            response.body = b"{\"Response\":[]}".to_vec().into();
            response
        },
        Distrust::SignatureWrong,
    ),
    (
        "of another key",
        |r| {
            let mut response = unsigned(r, 200, body());
            let forged = client_keys().sign(&body()).unwrap();
            set(&mut response, "x-bunq-server-signature", &forged);
            response
        },
        Distrust::SignatureWrong,
    ),
    (
        "not base64",
        |r| {
            let mut response = unsigned(r, 200, body());
            set(&mut response, "x-bunq-server-signature", "!");
            response
        },
        Distrust::SignatureWrong,
    ),
    (
        "one byte more",
        |r| {
            let mut response = signed(r, 200, body());
            response.body.push(b' ');
            response
        },
        Distrust::SignatureWrong,
    ),
    (
        "two signatures",
        |r| {
            let mut response = signed(r, 200, body());
            let again = response.headers["x-bunq-server-signature"].clone();
            response.headers.append("x-bunq-server-signature", again);
            response
        },
        Distrust::SignatureMissing,
    ),
    (
        "an older answer replayed",
        |r| {
            let mut response = signed(r, 200, body());
            set(&mut response, "x-bunq-client-request-id", "of-another-attempt");
            response
        },
        Distrust::OtherRequest,
    ),
];

#[tokio::test]
async fn no_tampered_success_of_any_call_is_believed() {
    for call in Call::ALL {
        for (name, tamper, reason) in TAMPERS {
            if call == Call::CreateInstallation && reason != Distrust::OtherRequest {
                continue; // It brings the key and cannot be verified.
            }
            let world = World::new();
            world.script(move |request| Ok(tamper(request)));
            let error = fail(&world, call).await;
            assert_eq!(error.class(), Class::Unverified, "{call}: {name}");
            assert!(matches!(&error, Error::Distrust { reason: r, .. } if *r == reason));
            assert_eq!(error.call(), call);
            assert_eq!(error.status(), Some(200));
            assert_eq!(error.response_id(), Some("0f4c5d1e-response"));
            assert_eq!(error.may_have_been_applied(), call.is_mutation());
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("forged") && !shown.contains(TOKEN));
        }
    }
}

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
