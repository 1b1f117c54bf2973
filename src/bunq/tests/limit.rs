//! `S7`: no sliding window is ever exceeded, and nobody starves.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use crate::bunq::{Asker, Call, Environment, LimitMode, Limiter, Priority};

const SANDBOX: Environment = Environment::Sandbox;
const GET: Call = Call::GetOauthClient;
const SESSION: Call = Call::CreateSession;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Of a namespace that is nobody else's.
fn alone(user: &str) -> Asker<'_> {
    Asker { namespace: user, user }
}

fn limiter() -> Limiter {
    Limiter::new(LimitMode::Bunq)
}

/// The bank's own windows, without our margin.
fn bank_window(call: Call) -> (usize, Duration) {
    match call.method().as_str() {
        _ if call == SESSION => (1, ms(30_000)),
        "GET" => (3, ms(3000)),
        "PUT" => (2, ms(3000)),
        _ => (5, ms(3000)),
    }
}

#[test]
fn each_call_gets_as_many_slots_as_its_window_has() {
    for call in Call::ALL {
        let limiter = limiter();
        let (slots, window) = bank_window(call);
        for asker in 0..slots {
            let wait = limiter.reserve(alone(&asker.to_string()), SANDBOX, call, Priority::Change, ms(0));
            assert_eq!(wait, Duration::ZERO, "{call}");
        }
        let wait = limiter.reserve(alone("late"), SANDBOX, call, Priority::Change, ms(0));
        assert_eq!(wait, window + window / 10, "{call}");
        let elsewhere = Environment::Production;
        let wait = limiter.reserve(alone("late"), elsewhere, call, Priority::Change, ms(0));
        assert_eq!(wait, Duration::ZERO, "each environment has its own windows");
    }
}

#[test]
fn asking_again_keeps_the_place() {
    let limiter = limiter();
    let ask = |who: &str, now| limiter.reserve(alone(who), SANDBOX, SESSION, Priority::Change, now);
    assert_eq!(ask("a", ms(0)), ms(0));
    assert_eq!(ask("b", ms(0)), ms(33_000));
    assert_eq!(ask("c", ms(0)), ms(66_000));
    assert_eq!(ask("b", ms(1000)), ms(32_000));
    assert_eq!(ask("c", ms(1000)), ms(65_000));
    assert_eq!(ask("c", ms(33_000)), ms(33_000), "the slot of b is kept for b");
    assert_eq!(ask("b", ms(33_000)), ms(0));
    assert_eq!(ask("c", ms(65_999)), ms(1));
    assert_eq!(ask("c", ms(66_000)), ms(0));
    assert_eq!(limiter.drain_waited(), ms(99_000), "b for 33 s, c for 66 s");
    assert_eq!(limiter.drain_waited(), ms(0), "told once");
}

#[test]
fn the_more_urgent_goes_first() {
    let limiter = limiter();
    let ask = |who: &str, priority| limiter.reserve(alone(who), SANDBOX, SESSION, priority, ms(0));
    assert_eq!(ask("first", Priority::Change), ms(0));
    assert_eq!(ask("resync", Priority::Resync), ms(33_000));
    assert_eq!(ask("change", Priority::Change), ms(33_000));
    assert_eq!(ask("deletion", Priority::Deletion), ms(33_000));
    assert_eq!(ask("key", Priority::NewKey), ms(33_000));
    assert_eq!(ask("deletion", Priority::Deletion), ms(66_000));
    assert_eq!(ask("change", Priority::Change), ms(99_000));
    assert_eq!(ask("resync", Priority::Resync), ms(132_000));
}

#[test]
fn an_asker_that_never_comes_back_loses_its_place() {
    let limiter = limiter();
    let ask = |who: &str, now| limiter.reserve(alone(who), SANDBOX, SESSION, Priority::Change, now);
    assert_eq!(ask("a", ms(0)), ms(0));
    assert_eq!(ask("gone", ms(0)), ms(33_000));
    assert_eq!(ask("b", ms(0)), ms(66_000));
    assert_eq!(ask("b", ms(38_001)), ms(0));
}

#[test]
fn a_throttle_holds_for_everybody_and_only_for_its_call() {
    let limiter = limiter();
    limiter.throttled(SANDBOX, GET, ms(10_000));
    limiter.throttled(SANDBOX, GET, ms(5000));
    let ask = |call, now| limiter.reserve(alone("a"), SANDBOX, call, Priority::NewKey, now);
    assert_eq!(ask(GET, ms(0)), ms(10_000));
    assert_eq!(ask(Call::ListOauthClients, ms(0)), ms(0));
    assert_eq!(ask(GET, ms(10_000)), ms(0));
}

#[test]
fn whoever_follows_another_process_waits_for_its_windows_to_end() {
    let limiter = limiter();
    limiter.follow(SANDBOX, ms(100), ms(30_000));
    let ask = |call, environment| limiter.reserve(alone("a"), environment, call, Priority::NewKey, ms(100));
    for call in Call::ALL {
        let (_, window) = bank_window(call);
        let wait = if call == SESSION { ms(29_900) } else { window + window / 10 };
        assert_eq!(ask(call, SANDBOX), wait, "{call}");
        assert_eq!(ask(call, Environment::Production), ms(0), "{call}");
    }
}

#[test]
fn switched_off_it_never_waits() {
    let limiter = Limiter::new(LimitMode::Off);
    limiter.throttled(SANDBOX, SESSION, ms(10_000));
    for _ in 0..100 {
        let wait = limiter.reserve(alone("a"), SANDBOX, SESSION, Priority::Resync, ms(0));
        assert_eq!(wait, Duration::ZERO);
    }
}

#[test]
fn a_resync_gets_its_turn_among_endless_new_keys() {
    let limiter = limiter();
    let mut now = ms(0);
    let mut keys = 0_u32;
    assert_eq!(limiter.reserve(alone("k"), SANDBOX, SESSION, Priority::NewKey, now), ms(0));
    // Two new keys arrive for every slot.
    loop {
        now += ms(16_500);
        keys += 1;
        let key = format!("key-{keys}");
        limiter.reserve(alone(&key), SANDBOX, SESSION, Priority::NewKey, now);
        for known in 1..=keys {
            limiter.reserve(alone(&format!("key-{known}")), SANDBOX, SESSION, Priority::NewKey, now);
        }
        let wait = limiter.reserve(alone("resync"), SANDBOX, SESSION, Priority::Resync, now);
        if wait.is_zero() {
            break;
        }
        assert!(keys < 1000, "it starves");
    }
}

/// In the order of their turns; each comes exactly when told.
fn turns<'a>(limiter: &Limiter, mut waiting: Vec<(Asker<'a>, Priority, Duration)>) -> Vec<(&'a str, Duration)> {
    let mut turns = Vec::new();
    while let Some(first) = (0..waiting.len()).min_by_key(|index| waiting[*index].2) {
        let (asker, priority, now) = waiting[first];
        match limiter.reserve(asker, SANDBOX, SESSION, priority, now) {
            Duration::ZERO => turns.push((waiting.remove(first).0.user, now)),
            wait => waiting[first].2 += wait,
        }
    }
    turns
}

/// Six users of one namespace, and three seconds later one or two of another.
#[test]
fn turns_go_round_the_namespaces_and_then_the_users() {
    let crowd = |user| (Asker { namespace: "crowd", user }, Priority::Change, ms(0));
    let late = |user| (Asker { namespace: "late", user }, Priority::Change, ms(3000));
    let mut waiting = ["c1", "c2", "c3", "c4", "c5", "c6"].map(crowd).to_vec();
    waiting.extend(["l1", "l2"].map(late));
    let (order, times): (Vec<_>, Vec<_>) = turns(&limiter(), waiting).into_iter().unzip();
    assert_eq!(order, ["c1", "l1", "c2", "l2", "c3", "c4", "c5", "c6"]);
    assert_eq!(times, [0, 1, 2, 3, 4, 5, 6, 7].map(|turn| ms(33_000 * turn)), "no slot stays empty");
}

#[test]
fn who_comes_again_and_again_goes_to_the_end_each_time() {
    let limiter = limiter();
    let ask =
        |namespace, user, now| limiter.reserve(Asker { namespace, user }, SANDBOX, SESSION, Priority::Change, ms(now));
    assert_eq!(ask("greedy", "g1", 0), ms(0));
    assert_eq!(ask("greedy", "g2", 0), ms(33_000));
    assert_eq!(ask("greedy", "g1", 0), ms(66_000), "behind the other user of its namespace");
    assert_eq!(ask("modest", "m", 1), ms(32_999), "before all of them, for it had no turn yet");
    assert_eq!(ask("modest", "m", 33_000), ms(0));
    assert_eq!(ask("modest", "m", 33_000), ms(66_000), "and then one by one");
    assert_eq!(ask("greedy", "g2", 33_000), ms(33_000));
}

/// However many wait, and however long they have.
#[test]
fn a_new_key_does_not_wait_for_a_crowd_that_waits_for_its_resync() {
    let limiter = limiter();
    let mut now = ms(0);
    for number in 0..300 {
        limiter.reserve(alone(&number.to_string()), SANDBOX, SESSION, Priority::Resync, now);
    }
    // Two hours, in which everybody comes when told.
    for number in 1..200 {
        now = ms(33_000 * number);
        limiter.reserve(alone(&number.to_string()), SANDBOX, SESSION, Priority::Resync, now);
    }
    let wait = limiter.reserve(alone("new"), SANDBOX, SESSION, Priority::NewKey, now);
    assert_eq!(wait, ms(33_000));
}

/// A lock is held meanwhile: ten times as many may take ten times as long, and not a hundred times.
#[test]
fn ten_thousand_askers_cost_hardly_more_than_ten_times_what_a_thousand_do() {
    let takes = |askers: u32, namespaces: u32| {
        let names: Vec<_> = (0..askers).map(|asker| (asker.to_string(), (asker % namespaces).to_string())).collect();
        let once = || {
            let limiter = limiter();
            let began = std::time::Instant::now();
            for now in [0, 1000] {
                for (user, namespace) in &names {
                    limiter.reserve(Asker { namespace, user }, SANDBOX, SESSION, Priority::Change, ms(now));
                }
            }
            began.elapsed()
        };
        (0..3).map(|_| once()).min().unwrap_or_default()
    };
    for namespaces in [1, 1000] {
        let (few, many) = (takes(1000, namespaces), takes(10_000, namespaces));
        assert!(many < few * 40, "a thousand took {few:?}, ten thousand {many:?}");
    }
}

#[derive(Debug, Clone)]
struct Ask {
    who: u8,
    priority: u8,
    call: usize,
    pause: u64,
    keeps_word: bool,
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let ask = (0..12_u8, 0..4_u8, 0..4_usize, 0..900_u64, any::<bool>());
    let ask = ask.prop_map(|(who, priority, call, pause, keeps_word)| Ask { who, priority, call, pause, keeps_word });
    prop::collection::vec(ask, 1..300)
}

fn priority(number: u8) -> Priority {
    match number {
        0 => Priority::NewKey,
        1 => Priority::Deletion,
        2 => Priority::Change,
        _ => Priority::Resync,
    }
}

proptest! {
    #[test]
    fn no_sliding_window_is_ever_exceeded(asks in asks()) {
        let limiter = limiter();
        let calls = [GET, Call::CreateCallbackUrl, Call::UpdateOauthClient, SESSION];
        let mut now = ms(0);
        let mut granted: BTreeMap<Call, Vec<Duration>> = BTreeMap::new();
        for ask in asks {
            now += ms(ask.pause);
            let call = calls[ask.call];
            let who = ask.who.to_string();
            let mut wait = limiter.reserve(alone(&who), SANDBOX, call, priority(ask.priority), now);
            if ask.keeps_word && !wait.is_zero() {
                now += wait;
                wait = limiter.reserve(alone(&who), SANDBOX, call, priority(ask.priority), now);
            }
            if wait.is_zero() {
                granted.entry(call).or_default().push(now);
            }
        }
        for (call, times) in granted {
            let (slots, window) = bank_window(call);
            for (index, time) in times.iter().enumerate() {
                let within = times[index..].iter().take_while(|t| **t < *time + window).count();
                prop_assert!(within <= slots, "{call}: {within} in {window:?}");
            }
        }
    }

    #[test]
    fn everybody_who_keeps_coming_gets_a_turn(priorities in prop::collection::vec(0..4_u8, 1..40)) {
        let limiter = limiter();
        let count = u32::try_from(priorities.len()).unwrap();
        let mut waiting: BTreeMap<usize, Duration> =
            (0..priorities.len()).map(|who| (who, Duration::ZERO)).collect();
        let mut last = Duration::ZERO;
        // Always the one whose time has come first; each comes exactly when told.
        while let Some((who, now)) = waiting.iter().map(|(w, t)| (*w, *t)).min_by_key(|(_, t)| *t) {
            let level = priority(priorities[who]);
            let wait = limiter.reserve(alone(&who.to_string()), SANDBOX, SESSION, level, now);
            if wait.is_zero() {
                waiting.remove(&who);
                last = now;
            } else {
                waiting.insert(who, now + wait);
            }
        }
        prop_assert!(last <= ms(33_000) * count, "no slot is wasted: {last:?}");
    }
}
