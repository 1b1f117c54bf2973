//! Where a story starts and what people do in it.

use bunq_oauth_operator::plan::{Cause, ClientStatus, Desired, DesiredStatus, Verdict};
use jiff::Timestamp;

use super::{
    bank_model::BankModel,
    habits::{Cancelling, Habits},
    kube_model::OutputSecret,
    play::{Fault, World},
};

/// The URL that every story declares first. A slash or lower case changes it.
pub const FIRST: &str = "https://shop.example/Back";
/// Another one.
pub const SECOND: &str = "https://shop.example/Other";
/// One that nobody declares.
pub const FOREIGN: &str = "https://foreign.example/Cb/";

/// What is at the bank before the manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing.
    Empty,
    /// A client of somebody else, without a URL.
    NoUrl,
    /// With our URL.
    OurUrl,
    /// With a foreign one.
    ForeignUrl,
    /// With both.
    BothUrls,
    /// With a URL that looks like ours and is not.
    LookAlike,
    /// A cancelled one.
    Cancelled,
    /// One that is about to be cancelled.
    Pending,
    /// Two.
    Several,
    /// Our own, synced by an earlier run.
    Own,
}

impl Start {
    /// Every start.
    pub const ALL: [Self; 10] = [
        Self::Empty,
        Self::NoUrl,
        Self::OurUrl,
        Self::ForeignUrl,
        Self::BothUrls,
        Self::LookAlike,
        Self::Cancelled,
        Self::Pending,
        Self::Several,
        Self::Own,
    ];

    fn fill(self, bank: &mut BankModel) {
        let (ours, active) = (bank.stored_form(FIRST), ClientStatus::Active);
        match self {
            Self::Empty | Self::Own => {}
            Self::NoUrl => bank.register(active, &[]),
            Self::OurUrl => bank.register(active, &[&ours]),
            Self::ForeignUrl => bank.register(active, &[FOREIGN]),
            // Where a client shows one URL only, it has one only.
            Self::BothUrls if bank.shows_one_url() => bank.register(active, &[FOREIGN]),
            Self::BothUrls => bank.register(active, &[&ours, FOREIGN]),
            Self::LookAlike => bank.register(active, &[&format!("{FIRST}/")]),
            Self::Cancelled => bank.register(ClientStatus::Cancelled, &[&ours]),
            Self::Pending => bank.register(ClientStatus::CancelledPending, &[]),
            Self::Several => {
                bank.register(active, &[&ours]);
                bank.register(active, &[FOREIGN]);
            }
        }
    }
}

/// What somebody does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The manifest is applied as it is.
    Apply,
    /// Other redirect URLs.
    Urls(&'static [&'static str]),
    /// Another status.
    Status(DesiredStatus),
    /// `pruneRedirectUrls: true`.
    Prune,
    /// `reconcile.fluxcd.io/requestedAt`.
    Retry,
    /// The annotation that gives up the client of the journal.
    AllowNewClient,
    /// `deletionPolicy: Cancel`.
    CancelPolicy,
    /// `kubectl delete`.
    Delete,
    /// `kubectl delete`, suspended.
    DeleteSuspended,
    /// `kubectl delete` with the annotation that confirms.
    DeleteConfirmed,
    /// A person removes this URL at the bank.
    LoseUrl(&'static str),
    /// A person adds a foreign URL at the bank.
    GainForeignUrl,
    /// A person cancels the client at the bank.
    CancelAtBank,
    /// The client is gone.
    Vanish,
    /// The bank changes the client's secret.
    Rotate,
    /// The client has another name.
    Rename,
    /// Somebody else's Secret stands where ours should.
    ForeignSecret,
    /// The output Secret is deleted.
    DeleteSecret,
    /// The output Secret holds something else.
    EditSecret,
    /// From now on the bank is kind.
    BankMended,
}

/// One story: a first manifest and what people do then.
#[derive(Clone, Copy, Debug)]
pub struct Story {
    /// Its name in the table.
    pub name: &'static str,
    /// Whether a client that is there may be taken over.
    pub adopt: bool,
    /// What is done, one after another, each after everything has settled.
    pub edits: &'static [Edit],
}

/// Plays `story` and tells what each edit came to, and the world as it is then.
pub fn play(
    story: &Story,
    start: Start,
    habits: Habits,
    faults: &[(usize, Fault)],
) -> Result<(Vec<Verdict>, World), String> {
    let world = open(story, start, habits, faults)?;
    run(story, world).map_err(|(rule, _)| {
        format!("{rule}\n  story {:?}, start {start:?}, faults {faults:?}\n  {habits:?}", story.name)
    })
}

/// The same, step by step, for people.
#[must_use]
pub fn trace(story: &Story, start: Start, habits: Habits, faults: &[(usize, Fault)]) -> String {
    let mut world = match open(story, start, habits, faults) {
        Ok(world) => world,
        Err(rule) => return rule,
    };
    world.log = Some(Vec::new());
    match run(story, world) {
        Ok((verdicts, world)) => format!("{}\n{verdicts:?}", world.log.unwrap_or_default().join("\n")),
        Err((rule, world)) => format!("{}\n{rule}", world.log.unwrap_or_default().join("\n")),
    }
}

fn open(story: &Story, start: Start, habits: Habits, faults: &[(usize, Fault)]) -> Result<World, String> {
    let mut bank = BankModel::new(habits, Timestamp::UNIX_EPOCH);
    start.fill(&mut bank);
    let mut world = World::new(bank, manifest(story.adopt));
    if start == Start::Own {
        world.settle().map_err(|rule| format!("{rule}\n  in an earlier run, {habits:?}"))?;
        world.wait(60)?;
    }
    let (actions, mutations) = (world.actions, world.mutations);
    let from = |fault| if fault == Fault::Crash { actions } else { mutations };
    world.faults = faults.iter().map(|(at, fault)| (at + from(*fault), *fault)).collect();
    Ok(world)
}

fn run(story: &Story, mut world: World) -> Result<(Vec<Verdict>, World), (String, Box<World>)> {
    let mut verdicts = Vec::new();
    for edit in story.edits {
        world.edit(*edit);
        match world.settle().and_then(|verdict| world.wait(2).map(|()| verdict)) {
            Ok(verdict) => verdicts.push(verdict),
            Err(rule) => return Err((format!("{rule}, after {edit:?}"), Box::new(world))),
        }
    }
    Ok((verdicts, world))
}

fn manifest(adopt: bool) -> Desired {
    Desired {
        cause: Cause { generation: 1, requested_at: None, key: "key".to_owned() },
        display_name: "Shop".to_owned(),
        status: DesiredStatus::Active,
        urls: vec![FIRST.to_owned()],
        adopt,
        prune: false,
        cancel_on_delete: false,
        deleting: false,
        suspended: false,
        confirm_cancel: None,
        allow_new_client: None,
    }
}

impl World {
    fn edit(&mut self, edit: Edit) {
        self.accepted.clear();
        let want = &mut self.want;
        match edit {
            Edit::Apply => {}
            Edit::Urls(urls) => {
                want.urls = urls.iter().map(|url| (*url).to_owned()).collect();
                want.cause.generation += 1;
            }
            Edit::Status(status) => {
                want.status = status;
                want.cause.generation += 1;
            }
            Edit::Prune => {
                want.prune = true;
                want.cause.generation += 1;
            }
            Edit::CancelPolicy => {
                want.cancel_on_delete = true;
                want.cause.generation += 1;
            }
            Edit::Retry => want.cause.requested_at = Some(format!("{}", self.actions)),
            Edit::AllowNewClient => want.allow_new_client.clone_from(&self.kube.journal.client_id),
            Edit::Delete => want.deleting = true,
            Edit::DeleteSuspended => (want.deleting, want.suspended) = (true, true),
            Edit::DeleteConfirmed => {
                want.deleting = true;
                want.confirm_cancel.clone_from(&self.kube.journal.client_id);
            }
            Edit::ForeignSecret => self.kube.output = OutputSecret::Foreign,
            Edit::DeleteSecret => self.kube.output = OutputSecret::Absent,
            Edit::EditSecret => {
                if let OutputSecret::Ours(held) = &mut self.kube.output {
                    "edited".clone_into(&mut held.secret);
                }
            }
            Edit::BankMended => self.bank.habits = Habits { shape: self.bank.habits.shape, ..Habits::default() },
            Edit::LoseUrl(_)
            | Edit::GainForeignUrl
            | Edit::CancelAtBank
            | Edit::Vanish
            | Edit::Rotate
            | Edit::Rename => {
                self.at_the_bank(edit);
            }
        }
        self.guard.declare(&self.want.urls);
    }

    fn at_the_bank(&mut self, edit: Edit) {
        let one_only = self.bank.shows_one_url();
        let (cancels_slowly, now) = (self.bank.habits.cancelling == Cancelling::Pending, self.bank.now());
        let Some(id) = self.kube.journal.oauth_client_id else { return };
        let lost = if let Edit::LoseUrl(url) = edit { self.bank.stored_form(url) } else { String::new() };
        let Some(client) = self.bank.client_mut(id) else { return };
        match edit {
            Edit::LoseUrl(_) => client.urls.retain(|(_, url)| *url != lost),
            Edit::GainForeignUrl if one_only => client.urls = vec![(1, FOREIGN.to_owned())],
            Edit::GainForeignUrl => client.urls.push((1, FOREIGN.to_owned())),
            Edit::CancelAtBank if cancels_slowly => client.cancel_slowly(now),
            Edit::CancelAtBank => client.status = ClientStatus::Cancelled,
            Edit::Vanish => self.bank.clients.retain(|client| client.id != id),
            Edit::Rotate => client.secret.push_str("-rotated"),
            Edit::Rename => client.name = Some("Another name".to_owned()),
            _ => {}
        }
    }
}
