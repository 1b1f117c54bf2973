//! Every call's success, tampered with in every way (`S11`, `H09`).

use super::{TOKEN, USER, World, client_keys, server_keys, set, signed, unsigned};
use crate::bunq::{Access, Call, Class, CreateBody, Distrust, Error, Installed, Request, Response, UpdateBody};

/// Makes one call of each kind.
async fn attempt(world: &World, call: Call) -> Result<(), Error> {
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
}

/// Makes one call of each kind and returns its error.
pub(super) async fn fail(world: &World, call: Call) -> Error {
    attempt(world, call).await.unwrap_err()
}

/// A success that every call would take, were it signed.
fn body() -> Vec<u8> {
    about(42, USER)
}

/// The same about another client or user.
fn about(client: u64, user: u64) -> Vec<u8> {
    let key = server_keys().public_spki_pem().unwrap().replace('\n', "\\n");
    format!(
        r#"{{"Response":[{{"Id":{{"id":{client}}},"Token":{{"token":"t"}},"UserPerson":{{"id":{user}}},
        "ServerPublicKey":{{"server_public_key":"{key}"}},
        "OauthClient":{{"id":{client},"status":"ACTIVE","secret":"forged"}},
        "OauthCallbackUrl":{{"id":5,"url":"https://forged.example"}}}}]}}"#
    )
    .into_bytes()
}

type Tamper = fn(&Request) -> Response;

const TAMPERS: [(&str, Tamper, Distrust); 8] = [
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
        "an older answer with all that was its own",
        |r| {
            let mut response = signed(r, 200, b"{\"Response\":[]}".to_vec());
            set(&mut response, "x-bunq-client-request-id", "of-another-attempt");
            response
        },
        Distrust::OtherRequest,
    ),
    (
        "another request's id",
        |r| {
            let mut response = signed(r, 200, body());
            set(&mut response, "x-bunq-client-request-id", "of-another-attempt");
            response
        },
        Distrust::OtherRequest,
    ),
];

/// The call whose answer brings the key, so that nothing can verify it.
fn brings_the_key(call: Call) -> bool {
    call == Call::CreateInstallation
}

/// A success of any call with a wrong, foreign or missing signature, or of another request, is not believed (F21).
#[tokio::test]
async fn no_tampered_success_of_any_call_is_believed() {
    let mut distrusted = 0;
    for call in Call::ALL {
        for (name, tamper, reason) in TAMPERS {
            let world = World::new();
            world.script(move |request| Ok(tamper(request)));
            if brings_the_key(call) && reason != Distrust::OtherRequest {
                continue;
            }
            let error = fail(&world, call).await;
            assert_eq!(error.class(), Class::Unverified, "{call}: {name}");
            assert!(matches!(&error, Error::Distrust { reason: r, .. } if *r == reason));
            assert_eq!(error.call(), call);
            assert_eq!(error.status(), Some(200));
            assert_eq!(error.response_id(), Some("0f4c5d1e-response"));
            assert_eq!(error.may_have_been_applied(), call.is_mutation());
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("forged") && !shown.contains(TOKEN));
            distrusted += 1;
        }
    }
    assert_eq!(distrusted, (Call::ALL.len() - 1) * TAMPERS.len() + 2);
}

/// What a genuine, signed answer about another object comes to, should somebody give it this request's id: the
/// signature covers the body alone.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// It names the object, and it is another one.
    OtherObject,
    /// Nothing of it is read: only the status counts, and what it did is read back.
    Unread,
    /// It is news by its nature; only TLS can tell old news from new.
    News,
}

fn verdict(call: Call) -> Verdict {
    match call {
        Call::GetUser | Call::GetOauthClient => Verdict::OtherObject,
        Call::DeleteSession | Call::UpdateOauthClient | Call::UpdateCallbackUrl | Call::DeleteCallbackUrl => {
            Verdict::Unread
        }
        Call::CreateInstallation
        | Call::CreateDeviceServer
        | Call::CreateSession
        | Call::CreateOauthClient
        | Call::CreateCallbackUrl
        | Call::ListOauthClients
        | Call::ListCallbackUrls
        | Call::ListCredentialIps => Verdict::News,
    }
}

/// An answer that was genuine at another time, in this request's name (F21).
#[tokio::test]
async fn a_replayed_answer_about_another_object_is_seen_wherever_the_answer_names_one() {
    for call in Call::ALL {
        let answer = |body: Vec<u8>| async {
            let world = World::new();
            world.answer(200, body);
            attempt(&world, call).await.err()
        };
        let error = answer(about(41, USER + 1)).await;
        let told = match &error {
            Some(Error::Distrust { reason: Distrust::OtherObject, .. }) => Verdict::OtherObject,
            Some(error) => panic!("{call}: {error}"),
            None if answer(b"no JSON".to_vec()).await.is_none() => Verdict::Unread,
            None => Verdict::News,
        };
        assert_eq!(told, verdict(call), "{call}");
    }
}
