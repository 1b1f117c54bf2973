//! Genuine answers, mutated in every way that one can think of, behind a valid signature (`F22`):
//! what holds for all of them stands in `bunq::fuzz`.

use std::{collections::BTreeMap, path::Path};

use proptest::{collection::vec, prelude::*, test_runner::Config};
use serde_json::{Map, Value, json};

use super::{World, client_keys, run};
use crate::bunq::{
    Call, CreateBody, Error, UpdateBody,
    fuzz::{self, CLIENT, judge, parse},
};

/// Changes of one answer.
const CHANGES: usize = 3;

/// The fuzzer's corpus by name: genuine answers and known edge cases.
fn corpus() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/envelope");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn the_fuzzers_corpus_holds_what_must_hold_and_speaks_of_every_call() {
    let corpus = corpus();
    let mut calls: Vec<Call> = Vec::new();
    for (name, data) in &corpus {
        let (call, status, body) = parse(data).unwrap_or_else(|| panic!("{name} is too short"));
        assert_eq!(judge(call, status, body), Ok(()), "{name}");
        calls.push(call);
    }
    assert!(Call::ALL.iter().all(|call| calls.contains(call)), "{calls:?}");
}

/// One change of a JSON value at the place that `at` leads to.
#[derive(Debug, Clone)]
enum Change {
    Delete,
    Repeat,
    Nest,
    Unnest,
    Replace(Value),
    Rename(String),
    Positions,
}

fn change() -> impl Strategy<Value = Change> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (38_u64..46).prop_map(Value::from),
        (-3_i64..9).prop_map(Value::from),
        "canary.{0,8}".prop_map(Value::from),
        "ACTIVE|CANCELLED|/v1/user/[78]/oauth-client(/42/callback-url)?[?]x|".prop_map(Value::from),
        Just(json!({})),
        Just(json!([])),
        (1_usize..200).prop_map(nested),
        (1_usize..20_000).prop_map(|length| Value::from("x".repeat(length))),
    ];
    let name =
        "id|status|secret|client_secret|token|url|callback_url|redirect_url|Id|Token|OauthClient|Response|.{0,4}";
    prop_oneof![
        2 => Just(Change::Delete),
        2 => Just(Change::Repeat),
        1 => Just(Change::Nest),
        1 => Just(Change::Unnest),
        4 => value.prop_map(Change::Replace),
        1 => name.prop_map(Change::Rename),
        1 => Just(Change::Positions),
    ]
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| json!([inner]))
}

/// Walks down as the numbers say and changes the node where they end.
fn mutate(value: &mut Value, path: &[usize], change: &Change) {
    let (Some(step), rest) = (path.first(), path.get(1..).unwrap_or_default()) else { return apply(value, change) };
    match value {
        Value::Array(items) if !items.is_empty() => {
            let at = step % items.len();
            match change {
                Change::Delete if rest.is_empty() => drop(items.remove(at)),
                Change::Repeat if rest.is_empty() => items.insert(at, items[at].clone()),
                change => mutate(&mut items[at], rest, change),
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            let name = fields.keys().nth(step % fields.len()).cloned().unwrap_or_default();
            match change {
                Change::Delete if rest.is_empty() => drop(fields.remove(&name)),
                Change::Rename(other) if rest.is_empty() => {
                    let moved = fields.remove(&name).unwrap_or_default();
                    fields.insert(other.clone(), moved);
                }
                change => mutate(&mut fields[&name], rest, change),
            }
        }
        value => apply(value, change),
    }
}

fn apply(value: &mut Value, change: &Change) {
    match change {
        Change::Replace(other) => *value = other.clone(),
        Change::Nest => *value = json!([value.take()]),
        // An object as a list of its values: read by position it would look the same.
        Change::Positions => {
            if let Value::Object(fields) = value {
                *value = fields.values().cloned().collect();
            }
        }
        Change::Unnest => {
            let inner = match value.take() {
                Value::Array(items) => items.into_iter().next(),
                Value::Object(fields) => fields.into_iter().next().map(|(_, inner)| inner),
                other => Some(other),
            };
            *value = inner.unwrap_or_default();
        }
        Change::Repeat => {
            let twice = Map::from_iter([("a".to_owned(), value.clone()), ("b".to_owned(), value.clone())]);
            *value = Value::Object(twice);
        }
        Change::Delete | Change::Rename(_) => *value = Value::Null,
    }
}

/// What a JSON library would never write.
#[derive(Debug, Clone)]
enum Damage {
    None,
    Byte(usize, u8),
    Cut(usize),
    Twice(usize),
    Number(&'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        6 => Just(Damage::None),
        2 => (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        1 => any::<usize>().prop_map(Damage::Cut),
        2 => any::<usize>().prop_map(Damage::Twice),
        1 => prop_oneof![
            Just("1e400"), Just("18446744073709551616"), Just("-0"), Just("42.0"), Just("NaN"), Just("042"),
        ].prop_map(Damage::Number),
    ]
}

fn harm(mut body: Vec<u8>, damage: &Damage) -> Vec<u8> {
    let length = body.len().max(1);
    match damage {
        Damage::None => {}
        Damage::Byte(at, byte) => {
            if let Some(place) = body.get_mut(at % length) {
                *place = *byte;
            }
        }
        Damage::Cut(at) => body.truncate(at % length),
        // A key of an object, once more with something else.
        Damage::Twice(at) => {
            let text = String::from_utf8_lossy(&body).into_owned();
            let keys: Vec<usize> = text.match_indices(",\"").map(|(place, _)| place).collect();
            if let Some(place) = keys.get(at % keys.len().max(1)) {
                let key: String = text[place + 1..].chars().take_while(|c| *c != ':').collect();
                body = format!("{},{key}:null{}", &text[..*place], &text[*place..]).into_bytes();
            }
        }
        Damage::Number(number) => {
            let text = String::from_utf8_lossy(&body).replacen("42", number, 1);
            body = text.into_bytes();
        }
    }
    body
}

fn answers() -> impl Strategy<Value = (Call, u16, Vec<u8>)> {
    let seeds: Vec<Vec<u8>> = corpus().into_values().collect();
    let changes = vec((vec(0_usize..12, 0..7), change()), 0..=CHANGES);
    (prop::sample::select(seeds), changes, damage()).prop_map(|(seed, changes, damage)| {
        let (call, status, body) = parse(&seed).unwrap();
        let body = match serde_json::from_slice::<Value>(body) {
            Ok(mut json) => {
                for (path, change) in &changes {
                    mutate(&mut json, path, change);
                }
                json.to_string().into_bytes()
            }
            Err(_) => body.to_vec(),
        };
        (call, status, harm(body, &damage))
    })
}

proptest! {
    #![proptest_config(Config { cases: 20_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_answer_is_read_as_something_that_it_does_not_say((call, status, body) in answers()) {
        prop_assert_eq!(judge(call, status, &body), Ok(()), "{}: {}", call, String::from_utf8_lossy(&body));
    }

    #[test]
    fn no_answer_to_another_call_is_read_as_something_that_it_does_not_say(
        (_, status, body) in answers(), call in prop::sample::select(Call::ALL.to_vec())
    ) {
        prop_assert_eq!(judge(call, status, &body), Ok(()), "{}: {}", call, String::from_utf8_lossy(&body));
    }
}

proptest! {
    #![proptest_config(Config { cases: 300, failure_persistence: None, ..Config::default() })]

    /// The whole way, through a signature.
    #[test]
    fn no_signed_answer_gets_a_secret_into_the_text_of_an_error((call, status, body) in answers()) {
        let world = World::new();
        world.answer(status, body.clone());
        match run(make(&world, call)) {
            Ok(()) => prop_assert!((200..=299).contains(&status)),
            Err(error) => {
                let text = format!("{error} {error:?}");
                prop_assert!(!fuzz::SECRETS.iter().any(|secret| text.contains(secret)), "{}", text);
                let is_success = (200..=299).contains(&status);
                prop_assert!(!is_success || !text.contains(fuzz::CANARY), "{}", text);
                prop_assert_eq!(error.call(), call);
            }
        }
    }
}

/// One call, whatever it is answered; a second page is never asked for.
async fn make(world: &World, call: Call) -> Result<(), Error> {
    let (bank, access, installed) = (&world.bank, &world.access(), &world.installed());
    match call {
        Call::CreateInstallation => bank.install(client_keys()).await.map(drop),
        Call::CreateDeviceServer => bank.register_device(installed, "test", &world.api_key, &[]).await.map(drop),
        Call::CreateSession => bank.open_session(installed, &world.api_key).await.map(drop),
        Call::DeleteSession => bank.close_session(access).await.map(drop),
        Call::GetUser => bank.user(access).await.map(drop),
        Call::ListOauthClients => {
            world.answer(200, r#"{"Response":[]}"#);
            bank.list_oauth_clients(access).await.map(drop)
        }
        Call::GetOauthClient => bank.get_oauth_client(access, CLIENT).await.map(drop),
        Call::CreateOauthClient => bank.create_oauth_client(access, &CreateBody::StatusOnly).await.map(drop),
        Call::UpdateOauthClient => bank.update_oauth_client(access, CLIENT, &UpdateBody::default()).await.map(drop),
        Call::ListCallbackUrls => {
            world.answer(200, r#"{"Response":[]}"#);
            bank.list_callback_urls(access, CLIENT).await.map(drop)
        }
        Call::CreateCallbackUrl => bank.create_callback_url(access, CLIENT, "https://a.example").await.map(drop),
        Call::UpdateCallbackUrl => bank.update_callback_url(access, CLIENT, 5, "https://a.example").await.map(drop),
        Call::DeleteCallbackUrl => bank.delete_callback_url(access, CLIENT, 5).await.map(drop),
        Call::ListCredentialIps => bank.list_credential_password_ip(access).await.map(drop),
    }
}
