use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::bunq::{
    Context, DeviceRecord, HandshakeStep, InstallationRecord, MAX_REINSTALLATIONS_PER_DAY, SessionRecord, UserKind,
    next_step, reinstallation_wait, session_usable_until,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn hours(hours: i64) -> Timestamp {
    at(hours * 3600)
}

#[test]
fn a_handshake_goes_on_where_it_stopped() {
    let secret = || SecretString::from("x");
    let mut context = Context::default();
    assert_eq!(next_step(&context, at(0)), HandshakeStep::GenerateKey);
    context.key_pair_pem = Some(secret());
    assert_eq!(next_step(&context, at(0)), HandshakeStep::Install);
    context.installation = Some(InstallationRecord { token: secret(), server_key_pem: String::new() });
    assert_eq!(next_step(&context, at(0)), HandshakeStep::RegisterDevice);
    context.device = Some(DeviceRecord::Existing);
    assert_eq!(next_step(&context, at(0)), HandshakeStep::OpenSession);
    context.session = Some(SessionRecord { token: secret(), user_id: 7, kind: UserKind::Person, expires_at: at(270) });
    assert_eq!(next_step(&context, at(0)), HandshakeStep::Ready);
    assert_eq!(next_step(&context, at(269)), HandshakeStep::Ready);
    assert_eq!(next_step(&context, at(270)), HandshakeStep::OpenSession);
    assert_eq!(next_step(&context, at(271)), HandshakeStep::OpenSession);
}

#[test]
fn a_session_that_a_wrong_clock_stored_is_not_trusted_for_years() {
    let context = Context {
        session: Some(SessionRecord {
            token: SecretString::from("x"),
            user_id: 7,
            kind: UserKind::Person,
            expires_at: hours(24 * 400),
        }),
        ..Context::default()
    };
    assert!(context.session_at(at(0)).is_none());
}

#[test]
fn a_session_ends_for_us_a_minute_or_a_tenth_early() {
    let table = [(604_800, 604_740), (3600, 3540), (600, 540), (300, 270), (10, 9), (0, 0)];
    for (timeout, usable) in table {
        let until = session_usable_until(at(0), Duration::from_secs(timeout));
        assert_eq!(until, at(usable), "{timeout}");
    }
    let until = session_usable_until(at(0), Duration::MAX);
    assert!(until <= hours(24 * 366));
    assert_eq!(session_usable_until(Timestamp::MAX, Duration::from_hours(1)), Timestamp::MAX);
}

#[test]
fn a_key_is_installed_again_five_times_a_day_and_no_more() {
    let mut context = Context {
        key_pair_pem: Some(SecretString::from("x")),
        device: Some(DeviceRecord::Registered(1)),
        last_session_at: Some(at(-5)),
        ..Context::default()
    };
    for hour in 0..5 {
        assert_eq!(context.begin_reinstallation(hours(hour)), Ok(()));
        assert_eq!(next_step(&context, hours(hour)), HandshakeStep::GenerateKey);
        assert_eq!(context.last_session_at, Some(at(-5)), "the window outlives the key");
        assert!(context.device.is_none());
        context.key_pair_pem = Some(SecretString::from("x"));
    }
    let refused = context.begin_reinstallation(hours(5));
    assert_eq!(refused, Err(Duration::from_hours(19)));
    assert!(context.key_pair_pem.is_some(), "a refusal changes nothing");
    assert_eq!(context.begin_reinstallation(hours(24)), Ok(()));
    assert_eq!(context.reinstallations.len(), MAX_REINSTALLATIONS_PER_DAY);
    let refused = context.begin_reinstallation(hours(24));
    assert_eq!(refused, Err(Duration::from_hours(1)));
}

#[test]
fn a_first_installation_needs_no_permission() {
    assert_eq!(reinstallation_wait(&[], at(0)), Duration::ZERO);
    assert_eq!(next_step(&Context::default(), at(0)), HandshakeStep::GenerateKey);
}

#[test]
fn times_of_a_wrong_clock_never_block_for_longer_than_a_day() {
    let ahead = vec![hours(24 * 365); 9];
    assert_eq!(reinstallation_wait(&ahead, at(0)), Duration::ZERO);
    let a_little = vec![hours(2); 9];
    let wait = reinstallation_wait(&a_little, at(0));
    assert_eq!(wait, Duration::from_hours(24));
    let long_ago = vec![at(0) - SignedDuration::from_hours(24); 9];
    assert_eq!(reinstallation_wait(&long_ago, at(0)), Duration::ZERO);
}

#[test]
fn a_context_does_not_show_its_secrets() {
    let secret = || SecretString::from("canary");
    let context = Context {
        key_pair_pem: Some(secret()),
        installation: Some(InstallationRecord { token: secret(), server_key_pem: String::new() }),
        session: Some(SessionRecord { token: secret(), user_id: 7, kind: UserKind::Person, expires_at: at(0) }),
        ..Context::default()
    };
    assert!(!format!("{context:?}").contains("canary"));
}
