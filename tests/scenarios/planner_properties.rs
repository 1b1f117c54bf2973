//! What holds for the planner whatever it is told, even what no bank would ever say (T1).

use bunq_oauth_operator::plan::{
    Action, Answer, Cause, Client, ClientStatus, CreateBody, Desired, DesiredStatus, Entry, Journal, Learned, Listing, Missed,
    Mutation, Observed, Origin, Output, Seen, Step, Target, Urls, journal::{CreateSent, RefusedBody, Write}, learn, next,
};
use jiff::Timestamp;
use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::select,
    test_runner::{Config, TestCaseError, TestRunner},
};

const CASES: u32 = 20_000;
const WALK: usize = 12;

/// It names a step for every input, and the same one for the same input.
pub(crate) fn the_planner_is_total_and_deterministic() -> Result<(), String> {
    check((desired(), observed(), now()), |(want, seen, now)| {
        let step = next(&want, &seen, now);
        same(&step, &next(&want.clone(), &seen.clone(), now))
    })
}

/// The bank may list clients in any order.
pub(crate) fn the_order_of_a_listing_is_irrelevant() -> Result<(), String> {
    check((desired(), observed(), now(), any::<usize>()), |(want, seen, now, turn)| {
        let mut turned = seen.clone();
        if let Some(listing) = &mut turned.listing {
            let middle = turn % listing.clients.len().max(1);
            listing.clients.rotate_left(middle);
            if turn % 2 == 0 {
                listing.clients.reverse();
            }
        }
        same(&next(&want, &seen, now), &next(&want, &turned, now))
    })
}

/// No creation is announced unless a listing showed no ACTIVE client and the journal names none (`S1`).
pub(crate) fn a_creation_is_announced_only_on_an_empty_listing() -> Result<(), String> {
    check((desired(), observed(), now()), |(want, seen, now)| {
        let Step::Act(Action::Record { journal, then: Some(Mutation::Create(_)), .. }) = next(&want, &seen, now) else {
            return Ok(());
        };
        let is_active = |client: &Client| client.status == ClientStatus::Active;
        let is_empty = seen.listing.as_ref().is_some_and(|listing| !listing.clients.iter().any(is_active));
        holds(is_empty, "created on an unknown or live listing")?;
        holds(seen.journal.oauth_client_id.is_none(), "created although a client is known")?;
        holds(seen.journal.create_sent.is_none(), "created while another creation has no answer")?;
        holds(!want.deleting && want.status == DesiredStatus::Active, "created although nothing asks for it")?;
        holds(journal.create_sent.is_some_and(|sent| sent.at == now), "created without a journal entry")
    })
}

/// Only what was just recorded is sent.
pub(crate) fn nothing_is_sent_that_was_not_recorded() -> Result<(), String> {
    check((desired(), observed(), now()), |(want, seen, now)| match next(&want, &seen, now) {
        Step::Act(Action::Send(mutation)) => holds(seen.armed == Some(mutation), "sent unannounced"),
        Step::Act(_) | Step::Wait(..) | Step::Done(_) => Ok(()),
    })
}

/// Whatever an action is said to have come to, it can be learned, and what is learned of a
/// mutation is that nothing is known any more.
pub(crate) fn whatever_happens_can_be_learned() -> Result<(), String> {
    check((desired(), observed(), now(), vec(outcome(), WALK)), |(want, mut seen, now, outcomes)| {
        for outcome in outcomes {
            let Step::Act(action) = next(&want, &seen, now) else { return Ok(()) };
            learn(&mut seen, &want, &action, outcome);
            if matches!(action, Action::Send(_)) {
                let is_forgotten = seen.client == Seen::Unknown && seen.listing.is_none() && seen.armed.is_none();
                holds(is_forgotten, "something stale survived a mutation")?;
            }
        }
        Ok(())
    })
}

fn check<S: Strategy>(input: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) -> Result<(), String> {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha))
        .run(&input, property)
        .map_err(|broken| broken.to_string())
}

fn holds(holds: bool, rule: &str) -> Result<(), TestCaseError> {
    if holds { Ok(()) } else { Err(TestCaseError::fail(rule.to_owned())) }
}

fn same(one: &Step, other: &Step) -> Result<(), TestCaseError> {
    holds(one == other, &format!("{one:?} and {other:?}"))
}

fn now() -> impl Strategy<Value = Timestamp> {
    prop_oneof![0_i64..100, 0_i64..10_000, Just(i64::MAX / 1_000_000_000)]
        .prop_map(|seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
}

fn url() -> impl Strategy<Value = String> {
    select(vec!["https://a.example/x", "https://a.example/x/", "https://b.example/", "https://f.example/", ""])
        .prop_map(str::to_owned)
}

fn id() -> impl Strategy<Value = u64> {
    1_u64..4
}

fn client_id() -> impl Strategy<Value = String> {
    id().prop_map(|id| format!("client-{id}"))
}

fn cause() -> impl Strategy<Value = Cause> {
    (1_i64..3, option::of(Just("now".to_owned())), select(vec!["k", "l"]))
        .prop_map(|(generation, requested_at, key)| Cause { generation, requested_at, key: key.to_owned() })
}

fn body() -> impl Strategy<Value = CreateBody> {
    select(CreateBody::ALL.to_vec())
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        Just(Target::Activate),
        Just(Target::Cancel),
        url().prop_map(Target::RedirectUrl),
        url().prop_map(Target::RedirectUrlWithStatus),
        url().prop_map(Target::Add),
        url().prop_map(Target::Replace),
        url().prop_map(Target::Remove),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    let answer = prop_oneof![Just(Answer::None), Just(Answer::Accepted), Just(Answer::Refused("no".to_owned()))];
    (target(), cause(), answer, any::<bool>(), vec(now(), 0..5))
        .prop_map(|(target, cause, answer, seen, repairs)| Write { target, cause, answer, seen, repairs })
}

fn create_sent() -> impl Strategy<Value = CreateSent> {
    (now(), body(), option::of(now())).prop_map(|(at, body, empty_at)| CreateSent { at, body, empty_at })
}

fn refused() -> impl Strategy<Value = RefusedBody> {
    let text = select(vec!["Superfluous field \"display_name\".", "no"]).prop_map(str::to_owned);
    (body(), cause(), text).prop_map(|(body, cause, text)| RefusedBody { body, cause, text })
}

fn journal() -> impl Strategy<Value = Journal> {
    let client = (option::of(id()), option::of(client_id()), option::of(select(vec![Origin::Created, Origin::Adopted])));
    let sent = (option::of(create_sent()), vec(refused(), 0..4), vec(url(), 0..4), vec(write(), 0..5));
    (client, sent, any::<bool>(), option::of(now())).prop_map(|(client, sent, cancelled_by_us, deletion_started)| Journal {
        oauth_client_id: client.0,
        client_id: client.1,
        origin: client.2,
        create_sent: sent.0,
        refused_bodies: sent.1,
        managed_urls: sent.2,
        writes: sent.3,
        cancelled_by_us,
        deletion_started,
    })
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    vec((option::of(id()), url()).prop_map(|(id, url)| Entry { id, url }), 0..4)
}

fn client() -> impl Strategy<Value = Client> {
    use ClientStatus::{Active, Cancelled, CancelledPending, Other};
    let urls = prop_oneof![entries().prop_map(Urls::Entries), url().prop_map(Urls::Single), Just(Urls::NotShown)];
    let status = select(vec![Active, Active, Cancelled, CancelledPending, Other]);
    (id(), option::of(client_id()), status, any::<bool>(), urls).prop_map(|(id, client_id, status, has_secret, urls)| {
        Client { id, client_id, status, display_name: None, has_secret, urls }
    })
}

fn listing() -> impl Strategy<Value = Listing> {
    (now(), vec(client(), 0..4)).prop_map(|(at, clients)| Listing { at, clients })
}

fn seen<S: Strategy>(value: S) -> impl Strategy<Value = Seen<S::Value>>
where
    S::Value: Clone,
{
    prop_oneof![Just(Seen::Unknown), Just(Seen::Absent), value.prop_map(Seen::Present)]
}

fn output() -> impl Strategy<Value = Output> {
    prop_oneof![Just(Output::Foreign), Just(Output::Frozen), any::<bool>().prop_map(|current| Output::Ours { current })]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let status = select(vec![DesiredStatus::Active, DesiredStatus::Cancelled]);
    prop_oneof![
        body().prop_map(Mutation::Create),
        (id(), status).prop_map(|(client, status)| Mutation::SetStatus { client, status }),
        (id(), url()).prop_map(|(client, url)| Mutation::AddUrl { client, url }),
        (id(), url(), any::<bool>()).prop_map(|(client, url, with_status)| Mutation::PutRedirectUrl { client, url, with_status }),
    ]
}

fn observed() -> impl Strategy<Value = Observed> {
    let journals = prop_oneof![
        journal().prop_map(|journal| (journal.clone(), journal)),
        (journal(), journal()),
    ];
    let bank = (option::of(listing()), seen(client()), seen(entries()));
    let armed = prop_oneof![9 => Just(None), 1 => mutation().prop_map(Some)];
    (journals, bank, seen(output()), option::of(client_id()), any::<bool>(), armed, vec(target(), 0..2)).prop_map(
        |((journal, stored), (listing, client, callback_urls), output, pair, finalizer, armed, unanswered)| Observed {
            journal,
            stored,
            listing,
            client,
            callback_urls,
            output,
            pair,
            finalizer,
            armed,
            unanswered,
        },
    )
}

fn desired() -> impl Strategy<Value = Desired> {
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let status = select(vec![DesiredStatus::Active, DesiredStatus::Active, DesiredStatus::Cancelled]);
    (cause(), status, vec(url(), 1..3), switches, option::of(client_id()), option::of(client_id())).prop_map(
        |(cause, status, urls, (adopt, prune, cancel_on_delete, deleting, suspended), confirm_cancel, allow_new_client)| {
            Desired {
                cause,
                display_name: "Shop".to_owned(),
                status,
                urls,
                adopt,
                prune,
                cancel_on_delete,
                deleting,
                suspended,
                confirm_cancel,
                allow_new_client,
            }
        },
    )
}

fn outcome() -> impl Strategy<Value = Result<Learned, Missed>> {
    prop_oneof![
        3 => Just(Ok(Learned::Stored)),
        1 => Just(Ok(Learned::Finalizer)),
        2 => listing().prop_map(|listing| Ok(Learned::Clients(listing))),
        2 => option::of(client()).prop_map(|client| Ok(Learned::Client(client))),
        1 => option::of(entries()).prop_map(|entries| Ok(Learned::CallbackUrls(entries))),
        1 => option::of(id()).prop_map(|id| Ok(Learned::Accepted(id))),
        1 => option::of(output()).prop_map(|output| Ok(Learned::Output(output))),
        1 => Just(Err(Missed::Refused("no".to_owned()))),
        1 => Just(Err(Missed::Ambiguous)),
    ]
}

#[cfg(test)]
mod tests {
    macro_rules! tests {
        ($($name:ident)+) => { $(#[test] fn $name() { if let Err(broken) = super::$name() { panic!("{broken}") } })+ };
    }

    tests! {
        the_planner_is_total_and_deterministic
        the_order_of_a_listing_is_irrelevant
        a_creation_is_announced_only_on_an_empty_listing
        nothing_is_sent_that_was_not_recorded
        whatever_happens_can_be_learned
    }
}
