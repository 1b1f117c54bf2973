//! What is written, and the shapes that are read.

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::World;
use crate::bunq::{CallbackUrl, Class, ClientStatus, CreateBody, OauthClient, PermittedDevice, UpdateBody};

async fn created(body: CreateBody, answer: &str) -> (Value, Option<u64>) {
    let world = World::new();
    world.answer(200, answer);
    let reply = world.bank.create_oauth_client(&world.access(), &body).await;
    (world.only().json(), reply.unwrap().value)
}

#[tokio::test]
async fn the_three_create_bodies_are_written_as_the_bank_shows_them() {
    let id = r#"{"Response":[{"Id":{"id":42}}]}"#;
    let full = json!({
        "status": "ACTIVE",
        "display_name": "My \"App\"",
        "redirect_url": "http://localhost:3000",
    });
    let name = || "My \"App\"".to_owned();
    let url = || "http://localhost:3000".to_owned();
    let array = CreateBody::Array { display_name: name(), redirect_url: url() };
    let object = CreateBody::Object { display_name: name(), redirect_url: url() };
    assert_eq!(created(array, id).await, (json!([full]), Some(42)));
    assert_eq!(created(object, id).await, (full, Some(42)));
    let status = created(CreateBody::StatusOnly, id).await;
    assert_eq!(status, (json!({"status": "ACTIVE"}), Some(42)));
}

#[tokio::test]
async fn a_create_answer_may_be_an_id_an_object_or_nothing() {
    let object = r#"{"Response":[{"OauthClient":{"id":43,"status":"ACTIVE"}}]}"#;
    assert_eq!(created(CreateBody::StatusOnly, object).await.1, Some(43));
    let nothing = r#"{"Response":[]}"#;
    assert_eq!(created(CreateBody::StatusOnly, nothing).await.1, None);
}

#[tokio::test]
async fn an_update_sends_only_what_changes() {
    let cases = [
        (Some(ClientStatus::Cancelled), None, json!({"status": "CANCELLED"})),
        (None, Some("https://a.example"), json!({"redirect_url": "https://a.example"})),
        (
            Some(ClientStatus::Active),
            Some("https://a.example"),
            json!({"status": "ACTIVE", "redirect_url": "https://a.example"}),
        ),
    ];
    for (status, url, wire) in cases {
        let world = World::new();
        world.answer(200, "{}");
        let body = UpdateBody { status, redirect_url: url.map(str::to_owned) };
        let access = world.access();
        let reply = world.bank.update_oauth_client(&access, 42, &body).await;
        reply.unwrap();
        assert_eq!(world.only().json(), wire);
    }
}

async fn read(client: Value) -> OauthClient {
    let world = World::new();
    let body = json!({"Response": [{"OauthClient": client}]}).to_string();
    world.answer(200, body.replace('/', "\\/"));
    let reply = world.bank.get_oauth_client(&world.access(), 42).await;
    reply.unwrap().value
}

#[tokio::test]
async fn a_client_is_read_liberally() {
    let client = read(json!({
        "id": 42, "created": "2026-01-01 00:00:00.000000", "status": "ACTIVE",
        "display_name": "App", "client_id": "cid", "secret": "shh",
        "callback_url": [
            {"id": 5, "created": "x", "url": "https://a.example/b"},
            {"url": "http://localhost:3000"},
        ],
        "future": {"deep": [1, 2, {"x": null}]},
    }))
    .await;
    assert_eq!(client.id, 42);
    assert_eq!(client.status, ClientStatus::Active);
    assert_eq!(client.display_name.as_deref(), Some("App"));
    assert_eq!(client.client_id.as_deref(), Some("cid"));
    assert_eq!(client.secret.unwrap().expose_secret(), "shh");
    let url = |id, url: &str| CallbackUrl { id, url: url.to_owned() };
    let urls = vec![url(Some(5), "https://a.example/b"), url(None, "http://localhost:3000")];
    assert_eq!(client.urls.array, Some(urls));
    assert_eq!(client.urls.scalar, None);
}

#[tokio::test]
async fn null_is_absent_and_an_empty_secret_is_none() {
    let client = read(json!({
        "id": 42, "status": "CANCELLED_PENDING", "display_name": null, "client_id": null,
        "secret": "", "client_secret": null, "callback_url": null, "redirect_url": null,
    }))
    .await;
    assert_eq!(client.status, ClientStatus::CancelledPending);
    assert!(client.display_name.is_none() && client.client_id.is_none());
    assert!(client.secret.is_none());
    assert_eq!(client.urls, crate::bunq::Urls::default());
}

#[tokio::test]
async fn the_secret_and_the_urls_have_two_names_each() {
    let client = read(json!({
        "id": 42, "status": "FROZEN", "secret": "", "client_secret": "shh",
        "callback_url": [], "redirect_url": "https://a.example",
    }))
    .await;
    assert_eq!(client.status, ClientStatus::Other("FROZEN".to_owned()));
    assert_eq!(client.secret.unwrap().expose_secret(), "shh");
    assert_eq!(client.urls.array, Some(vec![]));
    assert_eq!(client.urls.scalar.as_deref(), Some("https://a.example"));
}

#[tokio::test]
async fn a_client_without_id_or_status_or_with_a_url_that_is_none_is_malformed() {
    let broken = [
        json!({"status": "ACTIVE"}),
        json!({"id": 42}),
        json!({"id": 42, "status": null}),
        json!({"id": "42", "status": "ACTIVE"}),
        json!({"id": -42, "status": "ACTIVE"}),
        json!({"id": 42.5, "status": "ACTIVE"}),
        json!({"id": 42, "status": "ACTIVE", "callback_url": [{"id": 5, "url": null}]}),
        json!({"id": 42, "status": "ACTIVE", "callback_url": "https://a.example"}),
        json!({"id": 42, "status": "ACTIVE", "secret": 5}),
        json!([]),
        json!(null),
    ];
    for client in broken {
        let world = World::new();
        world.answer(200, json!({"Response": [{"OauthClient": client}]}).to_string());
        let error = world.bank.get_oauth_client(&world.access(), 42).await.unwrap_err();
        assert_eq!(error.class(), Class::Malformed, "{client}");
        assert!(!error.may_have_been_applied());
    }
}

#[tokio::test]
async fn secrets_of_a_client_do_not_show() {
    let client = read(json!({"id": 42, "status": "ACTIVE", "secret": "canary"})).await;
    assert!(!format!("{client:?}").contains("canary"));
}

#[tokio::test]
async fn a_permitted_device_is_an_address_and_whether_it_is_in_use() {
    let world = World::new();
    let item = |status: &str, device: Value| {
        json!({"CredentialPasswordIp": {
            "id": 1, "status": status, "token_value": "canary", "permitted_device": device,
        }})
    };
    let body = json!({"Response": [
        item("ACTIVE", json!({"description": "x", "ip": "203.0.113.7"})),
        item("PENDING_FIRST_USE", json!({"ip": "*"})),
        item("ACTIVE", json!(null)),
    ]});
    world.answer(200, body.to_string());
    let reply = world.bank.list_credential_password_ip(&world.access()).await;
    let reply = reply.unwrap();
    let device = |ip: &str, active| PermittedDevice { ip: ip.to_owned(), active };
    assert_eq!(reply.value, [device("203.0.113.7", true), device("*", false)]);
    assert!(!format!("{reply:?}").contains("canary"));
}
