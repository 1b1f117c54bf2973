//! What happens in a run: a beginning without faults, and the part whose effects are cut.

use std::time::Duration;

use crate::sandbox::{
    Bank, Behaviour,
    behaviour::{CallbackRoutes, PutRedirectUrl, UrlShape},
};

/// One story; `{name}` in a manifest is the run's own name.
pub struct Story {
    /// What it is about.
    pub name: &'static str,
    /// Which bank it plays at.
    pub bank: fn(&mut Behaviour),
    /// Played without faults.
    pub before: &'static [Step],
    /// Played with them.
    pub act: &'static [Step],
    /// Whose end is judged.
    pub subject: Who,
}

/// Which manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The one that every story has.
    One,
    /// A second one with the same key.
    Other,
}

/// Something that a person does, and what comes of it.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Applies a manifest with these fields of `spec`.
    Apply(Who, &'static str, Goal),
    /// Deletes it.
    Delete(Who, Goal),
    /// The account owner does something in the app.
    AtBank(fn(&mut Bank, u64)),
    /// Puts another key of the same user into the credentials.
    NewKey,
    /// Spoils the published Secret.
    SpoilSecret,
    /// Asks for a pass now.
    Ask(Goal),
    /// Lets time pass, and has a manifest come and go, so that the sweeper looks around.
    Sweep(Duration, Goal),
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Ready in its generation, and the last request handled.
    Ready,
    /// Ready carries this reason.
    Reason(&'static str),
    /// The other one is Ready.
    OtherReady,
    /// It is gone, and so is its claim.
    Gone,
    /// No context is left.
    NoContext,
    /// Nothing in particular.
    Quiet,
}

const DAY: Duration = Duration::from_hours(25);
const PLAIN: &str = r#"{"redirectUrl": "https://one.example/cb"}"#;
const CANCELLING: &str = r#"{"redirectUrl": "https://one.example/cb", "deletionPolicy": "Cancel",
    "additionalRedirectUrls": ["https://two.example/cb"]}"#;
const MOVED: &str = r#"{"redirectUrl": "https://moved.example/cb"}"#;
const RENAMED: &str = r#"{"redirectUrl": "https://moved.example/cb", "secret": {"name": "{name}-moved"}}"#;
const CANCELLED: &str = r#"{"redirectUrl": "https://one.example/cb", "status": "CANCELLED"}"#;
const FOREIGN: &str = "https://foreign.example/cb";

fn usual(_: &mut Behaviour) {}

fn adds_a_client(bank: &mut Bank, user: u64) {
    bank.create_by_hand(user, Some("theirs"), &[FOREIGN]);
}

fn forgets_the_urls(bank: &mut Bank, user: u64) {
    for client in bank.clients.iter_mut().filter(|client| client.user == user) {
        client.urls.clear();
    }
}

fn ends_sessions(bank: &mut Bank, _: u64) {
    bank.end_sessions();
}

const READY: &[Step] = &[Step::Apply(Who::One, PLAIN, Goal::Ready)];

/// Every story. Together they have every effect.
pub const STORIES: &[Story] = &[
    Story {
        name: "registers",
        bank: usual,
        before: &[],
        act: &[Step::Apply(Who::One, CANCELLING, Goal::Ready)],
        subject: Who::One,
    },
    Story { name: "adopts", bank: usual, before: &[Step::AtBank(adds_a_client)], act: READY, subject: Who::One },
    Story {
        name: "moves_and_renames",
        bank: usual,
        before: READY,
        act: &[Step::Apply(Who::One, RENAMED, Goal::Ready)],
        subject: Who::One,
    },
    Story {
        name: "moves_where_there_is_one_url",
        bank: |bank| {
            bank.url_shape = UrlShape::Scalar;
            bank.callback_routes = CallbackRoutes::Off;
            bank.put_redirect_url = PutRedirectUrl::Replace;
        },
        before: READY,
        act: &[Step::Apply(Who::One, MOVED, Goal::Ready)],
        subject: Who::One,
    },
    Story {
        name: "moves_where_there_is_no_room",
        bank: |bank| bank.max_callback_urls = Some(1),
        before: READY,
        act: &[Step::Apply(Who::One, MOVED, Goal::Ready)],
        subject: Who::One,
    },
    Story {
        name: "registers_where_urls_are_not_shown",
        bank: |bank| bank.url_shape = UrlShape::Neither,
        before: &[],
        act: READY,
        subject: Who::One,
    },
    Story {
        name: "repairs",
        bank: usual,
        before: READY,
        act: &[Step::AtBank(forgets_the_urls), Step::SpoilSecret, Step::Ask(Goal::Ready)],
        subject: Who::One,
    },
    Story {
        name: "cancels_and_reactivates",
        bank: usual,
        before: READY,
        act: &[Step::Apply(Who::One, CANCELLED, Goal::Reason("Cancelled")), Step::Apply(Who::One, PLAIN, Goal::Ready)],
        subject: Who::One,
    },
    Story {
        name: "cancels_on_deletion",
        bank: usual,
        before: &[Step::Apply(Who::One, CANCELLING, Goal::Ready)],
        act: &[Step::Delete(Who::One, Goal::Gone)],
        subject: Who::One,
    },
    Story {
        name: "logs_in_again",
        bank: usual,
        before: READY,
        act: &[Step::AtBank(ends_sessions), Step::Ask(Goal::Ready), Step::NewKey, Step::Ask(Goal::Ready)],
        subject: Who::One,
    },
    Story {
        name: "hands_over",
        bank: usual,
        before: &[
            Step::Apply(Who::One, PLAIN, Goal::Ready),
            Step::Apply(Who::Other, PLAIN, Goal::Reason("UserAlreadyClaimed")),
        ],
        act: &[Step::Delete(Who::One, Goal::OtherReady)],
        subject: Who::Other,
    },
    Story {
        name: "leaves_nothing_behind",
        bank: usual,
        before: READY,
        act: &[
            Step::Delete(Who::One, Goal::Gone),
            // One day until it counts as unused, one until it goes, and one for each process that begins to
            // count anew.
            Step::Sweep(DAY, Goal::Quiet),
            Step::Sweep(DAY, Goal::Quiet),
            Step::Sweep(DAY, Goal::Quiet),
            Step::Sweep(DAY, Goal::NoContext),
        ],
        subject: Who::One,
    },
];
