//! Every status that a pass can end with.

use super::*;
use crate::plan::{Entry, Urls};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn client() -> Client {
    Client {
        id: 7,
        client_id: Some("abc".to_owned()),
        status: ClientStatus::Active,
        display_name: Some("Shop".to_owned()),
        has_secret: true,
        urls: Urls::Entries(vec![
            Entry { id: Some(2), url: "https://b.example".to_owned() },
            Entry { id: Some(1), url: "https://a.example".to_owned() },
        ]),
    }
}

fn report(reason: Reason, second: i64) -> Report {
    let is_ready = reason.weight() == Weight::Ready;
    let part = if is_ready { Part::Good } else { Part::Unseen };
    Report {
        generation: 1,
        now: at(second),
        reason,
        message: reason.meaning().to_owned(),
        credentials: part,
        remote: part,
        secret: part,
        findings: Findings {
            client: is_ready.then(client),
            display_name: "Shop".to_owned(),
            managed_urls: vec!["https://a.example".to_owned()],
            verified_at: is_ready.then(|| at(second)),
            secret_hash: Some("hash".to_owned()),
            ..Findings::default()
        },
        inputs: Some("inputs".to_owned()),
        next_attempt: None,
        handled: None,
    }
}

fn find<'a>(status: &'a BunqOAuthClientStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == type_)
}

fn ready() -> BunqOAuthClientStatus {
    next(&BunqOAuthClientStatus::default(), &report(Reason::Synced, 1_000))
}

#[test]
fn a_second_look_that_finds_the_same_changes_nothing_for_a_day() {
    let day = 24 * 3600;
    assert_eq!(next(&ready(), &report(Reason::Synced, 1_000 + day - 1)), ready());
    let later = next(&ready(), &report(Reason::Synced, 1_000 + day));
    assert_eq!(later.last_verified_time, Some(Time(at(1_000 + day))));
    assert_eq!(later.conditions, ready().conditions);
}

#[test]
fn the_order_in_which_the_bank_lists_urls_changes_nothing() {
    let mut turned = report(Reason::Synced, 2_000);
    if let Some(Client { urls: Urls::Entries(entries), .. }) = &mut turned.findings.client {
        entries.reverse();
    }
    assert_eq!(next(&ready(), &turned), ready());
    assert_eq!(ready().redirect_urls.iter().filter(|url| url.managed).count(), 1);
}

#[test]
fn an_outage_keeps_a_published_client_ready_and_says_so_elsewhere() {
    let during = next(&ready(), &report(Reason::BankUnavailable, 2_000));
    assert_eq!(find(&during, "Ready"), find(&ready(), "Ready"));
    assert_eq!(find(&during, "RemoteInSync").unwrap().status, ConditionStatus::Unknown);
    assert_eq!(find(&during, "Reconciling"), None);
    assert_eq!(headline(&during), Some("BankUnavailable"));
    let after = next(&during, &report(Reason::Synced, 3_000));
    assert_eq!((headline(&after), find(&after, "Ready")), (Some("Synced"), find(&ready(), "Ready")));
}

#[test]
fn a_new_generation_in_an_outage_is_not_ready() {
    let mut new = report(Reason::BankUnavailable, 2_000);
    new.generation = 2;
    let status = next(&ready(), &new);
    assert_eq!(find(&status, "Ready").unwrap().status, ConditionStatus::Unknown);
    assert!(is_true(&status, "Reconciling"));
}

#[test]
fn what_needs_a_person_is_stalled_and_what_does_not_is_reconciling() {
    for reason in Reason::ALL {
        let status = next(&BunqOAuthClientStatus::default(), &report(*reason, 1_000));
        assert_eq!(is_true(&status, "Stalled"), reason.weight() == Weight::Stalled, "{reason:?}");
        assert_eq!(is_true(&status, "Reconciling"), reason.weight() == Weight::Reconciling, "{reason:?}");
        assert_eq!(is_true(&status, "Ready"), reason.weight() == Weight::Ready, "{reason:?}");
        assert_eq!(find(&status, "Ready").unwrap().reason, reason.as_str());
    }
}

#[test]
fn a_transition_time_moves_only_with_its_status() {
    let stalled = next(&ready(), &report(Reason::SecretNotOwned, 2_000));
    assert_eq!(find(&stalled, "Ready").unwrap().last_transition_time, Time(at(2_000)));
    let still = next(&stalled, &report(Reason::CancelledAtBank, 3_000));
    assert_eq!(find(&still, "Ready").unwrap().last_transition_time, Time(at(2_000)));
}

#[test]
fn another_display_name_at_the_bank_is_told_and_blocks_nothing() {
    let mut report = report(Reason::Synced, 1_000);
    report.findings.display_name = "Other".to_owned();
    let status = next(&BunqOAuthClientStatus::default(), &report);
    assert!(is_true(&status, "Ready"));
    assert_eq!(find(&status, "DisplayNameSynced").unwrap().status, ConditionStatus::False);
}

#[test]
fn what_is_too_long_for_the_definition_is_not_shown() {
    let mut long = report(Reason::Synced, 1_000);
    let findings = &mut long.findings;
    findings.client = Some(Client { client_id: Some("c".repeat(513)), ..client() });
    findings.bound_ip = Some("1".repeat(257));
    findings.authorization_url = Some("a".repeat(8193));
    let status = next(&BunqOAuthClientStatus::default(), &long);
    assert_eq!((status.client_id, status.bound_ip, status.authorization_url), (None, None, None));
    long.findings.client = Some(Client { client_id: Some("\u{fc}".repeat(512)), ..client() });
    assert!(next(&BunqOAuthClientStatus::default(), &long).client_id.is_some(), "characters count, not bytes");
}

#[test]
fn a_confirmation_from_the_future_is_written_anew() {
    let before = next(&BunqOAuthClientStatus::default(), &report(Reason::Synced, 90_000));
    let now = next(&before, &report(Reason::Synced, 1_000));
    assert_eq!(now.last_verified_time, Some(Time(at(1_000))));
}
