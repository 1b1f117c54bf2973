//! Worlds that nobody brought about: any bank, any clients, any journal, drawn from a seed.

use bunq_oauth_operator::plan::{ClientStatus, Desired, Journal};
use jiff::{Timestamp, ToSpan};

use super::{
    bank_model::BankModel,
    dice::Dice,
    guard::Guard,
    habits::Habits,
    kube_model::{Credentials, OutputSecret},
    play::World,
};

/// The numbers of the bank's clients begin after this one.
const BEFORE_FIRST: u64 = 100;
/// Clients that are there at most.
const CLIENTS: u64 = 2;

/// Any world in which every status of a client comes to an end.
#[must_use]
pub fn world(dice: &mut Dice) -> World {
    let habits = Habits::drawn(|count| dice.index(count));
    let mut bank = BankModel::new(habits, now());
    for _ in 0..dice.below(CLIENTS + 1) {
        use ClientStatus::{Active, Cancelled, CancelledPending};
        let status = dice.pick(&[Active, Active, Cancelled, CancelledPending]);
        let urls: Vec<String> = dice.some(2, Dice::url).iter().map(|url| bank.stored_form(url)).collect();
        bank.register(status, &urls.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let journal = journal(dice, &bank);
    let mut world = World::new(bank, manifest(dice, &journal));
    world.guard = Guard::blind();
    world.kube.finalizer = dice.coin();
    world.kube.output = output(dice, &journal);
    world.kube.journal = journal;
    world
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH.saturating_add(1.hour()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// It may name a client that is there, one that is not, or none.
fn journal(dice: &mut Dice, bank: &BankModel) -> Journal {
    let mut journal = dice.journal();
    let known = dice.maybe(|dice| match bank.clients.as_slice() {
        [] => BEFORE_FIRST,
        clients => dice.pick(clients).id,
    });
    journal.oauth_client_id = known;
    journal.client_id = known.filter(|_| dice.coin()).map(|id| format!("client-{id}"));
    // What lies ahead of the clock would have to be waited for.
    let until = now();
    if let Some(sent) = &mut journal.create_sent {
        sent.at = sent.at.min(until);
        sent.empty_at = sent.empty_at.map(|at| at.min(until));
    }
    journal
}

/// Its annotations may name the client of the journal, or another one.
fn manifest(dice: &mut Dice, journal: &Journal) -> Desired {
    let mut want = dice.desired();
    want.urls.retain(|url| !url.is_empty());
    want.urls.dedup();
    if want.urls.is_empty() {
        want.urls.push("https://a.example/x".to_owned());
    }
    // A manifest that is suspended reaches the planner only when it goes.
    want.suspended &= want.deleting;
    for annotation in [&mut want.confirm_cancel, &mut want.allow_new_client] {
        if dice.coin() {
            annotation.clone_from(&journal.client_id);
        }
    }
    want
}

fn output(dice: &mut Dice, journal: &Journal) -> OutputSecret {
    match dice.below(4) {
        0 => OutputSecret::Absent,
        1 => OutputSecret::Foreign,
        _ => OutputSecret::Ours(Credentials {
            client_id: journal.client_id.clone().unwrap_or_default(),
            secret: "edited".to_owned(),
            redirect_url: dice.url(),
        }),
    }
}
