//! The stories that the planner is played through, and what each must come to.

use bunq_oauth_operator::plan::{
    ClientStatus,
    DesiredStatus::{Active, Cancelled},
    Verdict,
};

use crate::harness::{
    campaign::{Game, word},
    guard::ensure,
    habits::{self, Bytes, Cancelling, Creation, Habits, Put, Reactivation, Room, Routes, Secrecy, Shape},
    play::World,
    story::{
        Edit::{
            AllowNewClient, Apply, BankMended, CancelAtBank, CancelPolicy, Delete, DeleteConfirmed, DeleteSecret,
            DeleteSuspended, EditSecret, ForeignSecret, GainForeignUrl, LoseUrl, Prune, Rename, Retry, Rotate, Status,
            Urls, Vanish,
        },
        FIRST, SECOND, Start, Story,
    },
};

const fn story(name: &'static str, edits: &'static [crate::harness::story::Edit]) -> Story {
    Story { name, adopt: true, edits }
}

/// Apply, and nothing else.
pub static CREATE: [Story; 1] = [story("create", &[Apply])];

/// What people do with redirect URLs.
pub static URLS: [Story; 10] = [
    story("change the URL", &[Apply, Urls(&[SECOND])]),
    story("change the URL and back", &[Apply, Urls(&[SECOND]), Urls(&[FIRST])]),
    story("two URLs, then one", &[Apply, Urls(&[FIRST, SECOND]), Urls(&[SECOND])]),
    story("prune", &[Apply, Prune, Urls(&[SECOND])]),
    story("a URL vanishes once", &[Apply, LoseUrl(FIRST)]),
    story(
        "a URL vanishes again and again",
        &[Apply, LoseUrl(FIRST), LoseUrl(FIRST), LoseUrl(FIRST), LoseUrl(FIRST), LoseUrl(FIRST)],
    ),
    story("a foreign URL appears", &[Apply, GainForeignUrl, Urls(&[SECOND])]),
    story("a foreign URL appears, retry", &[Apply, GainForeignUrl, Retry, Urls(&[SECOND]), Retry]),
    story("a pruned URL comes back", &[Apply, Prune, GainForeignUrl, GainForeignUrl]),
    Story { name: "adoption is never allowed", adopt: false, edits: &[Apply, Urls(&[SECOND])] },
];

/// What happens to the client's status, and deletion.
pub static STATUS: [Story; 14] = [
    story("cancel and back", &[Apply, Status(Cancelled), Status(Active)]),
    story("cancel and back, twice", &[Apply, Status(Cancelled), Status(Active), Status(Cancelled), Status(Active)]),
    story("born cancelled, then active", &[Status(Cancelled), Status(Active)]),
    story("cancel, new client", &[Apply, Status(Cancelled), Status(Active), AllowNewClient, Urls(&[SECOND])]),
    story("cancelled at the bank", &[Apply, CancelAtBank, Retry]),
    story("cancelled at the bank, way out", &[Apply, CancelAtBank, Status(Cancelled), Status(Active)]),
    story("the client is gone", &[Apply, Vanish, Retry]),
    story("the client is gone, new client", &[Apply, Vanish, AllowNewClient]),
    story("delete, retain", &[Apply, Delete]),
    story("delete, cancel", &[CancelPolicy, Delete]),
    story("delete, confirmed", &[CancelPolicy, DeleteConfirmed]),
    story("delete, suspended", &[CancelPolicy, DeleteSuspended]),
    story("delete, the client is gone", &[CancelPolicy, Vanish, Delete]),
    Story { name: "delete what was never ours", adopt: false, edits: &[CancelPolicy, Delete] },
];

/// What happens to the Secret, and what cannot be mended.
pub static SECRET: [Story; 5] = [
    story("another name", &[Apply, Rename]),
    story("the secret changes", &[Apply, Rotate]),
    story("the Secret is deleted, then edited", &[Apply, DeleteSecret, EditSecret]),
    story("a foreign Secret stands there", &[ForeignSecret, DeleteSecret, ForeignSecret]),
    story("retry after the bank was mended", &[Apply, BankMended, Retry]),
];

/// What a story must have come to, where the bank is kind enough for it.
pub fn judge(game: &Game, verdicts: &[Verdict], world: &World) -> Result<(), String> {
    let last = verdicts.last().map(word).unwrap_or_default();
    let expected = expected(game);
    ensure(expected.is_none_or(|expected| expected == last), &format!("{last} where {expected:?} was expected"))?;
    if game.story.name == "adoption is never allowed" && is_active(game.start) {
        ensure(world.mutations == 0, "a client was changed that may not be adopted")?;
    }
    if game.story.name.starts_with("delete") {
        return deleted(game, world);
    }
    Ok(())
}

fn deleted(game: &Game, world: &World) -> Result<(), String> {
    ensure(!world.kube.finalizer, "the finalizer stays")?;
    let is_kind = matches!(game.habits.cancelling, Cancelling::Immediate | Cancelling::Pending);
    let ours = world.bank.clients.iter().filter(|client| client.by_us);
    let is_left = ours.clone().any(|client| client.status == ClientStatus::Active);
    match game.story.name {
        "delete, cancel" | "delete, confirmed" if is_kind => ensure(!is_left, "a client of ours outlives its manifest"),
        "delete, retain" | "delete, suspended" => {
            ensure(ours.count() == 0 || is_left, "a client was cancelled that was to be retained")
        }
        _ => Ok(()),
    }
}

fn expected(game: &Game) -> Option<&'static str> {
    let Game { story, start, habits, .. } = game;
    let (name, was_there) = (story.name, is_active(*start));
    let can_cancel = matches!(habits.cancelling, Cancelling::Immediate | Cancelling::Pending);
    let is_gone = habits.cancelled == habits::Cancelled::Gone;
    Some(match name {
        name if name.starts_with("delete") => "Released",
        "a foreign Secret stands there" => "Stalled/SecretNotOwned",
        _ if *start == Start::Several => "Stalled/AmbiguousClients",
        "adoption is never allowed" if was_there => "Stalled/ClientExists",
        _ if !can_register(game) => return None,
        "a foreign URL appears" | "a foreign URL appears, retry" if habits.shape == Shape::Scalar => {
            "Stalled/RedirectUrlOccupied"
        }
        "a URL vanishes again and again" => "Stalled/DriftContested",
        "the client is gone" => "Stalled/ClientVanished",
        "cancelled at the bank" if is_gone => "Stalled/ClientVanished",
        "cancelled at the bank" => "Stalled/CancelledAtBank",
        "born cancelled, then active" if *start != Start::Own => "Synced",
        "cancel and back" | "cancel and back, twice" | "born cancelled, then active" if !can_cancel => "Synced",
        "cancel and back" | "cancel and back, twice" | "born cancelled, then active" if is_gone => {
            "Stalled/ClientVanished"
        }
        "cancel and back"
        | "cancel and back, twice"
        | "cancelled at the bank, way out"
        | "born cancelled, then active" => match habits.reactivation {
            _ if is_gone => "Stalled/ClientVanished",
            Reactivation::Allowed => "Synced",
            Reactivation::Refused | Reactivation::Ignored => "Stalled/ReactivationRefused",
        },
        _ => "Synced",
    })
}

fn is_active(start: Start) -> bool {
    match start {
        Start::NoUrl | Start::OurUrl | Start::ForeignUrl | Start::BothUrls | Start::LookAlike | Start::Several => true,
        Start::Empty | Start::Cancelled | Start::Pending | Start::Own => false,
    }
}

/// Whether every URL of the story can be registered and seen.
fn can_register(Game { story, start, habits, .. }: &Game) -> bool {
    let Habits { creation, put, routes, shape, secrecy, bytes, room, .. } = habits;
    let is_sane =
        *bytes == Bytes::Kept && *secrecy == Secrecy::Shown && (is_active(*start) || *creation != Creation::Refused);
    let has_foreign = matches!(start, Start::ForeignUrl | Start::BothUrls | Start::LookAlike);
    let needs_room = has_foreign
        || matches!(
            story.name,
            "two URLs, then one" | "a foreign URL appears" | "a foreign URL appears, retry" | "a pruned URL comes back"
        );
    let by_sub_resource = *routes == Routes::On
        && match shape {
            Shape::Array | Shape::Both | Shape::Neither => *room == Room::Many || !needs_room,
            // What has no id stays, and needs its room.
            Shape::WithoutIds => *room == Room::Many,
            Shape::Scalar => false,
        };
    let by_put = *shape == Shape::Scalar
        && matches!(put, Put::Replace | Put::NeedsStatus)
        && (!has_foreign || matches!(story.name, "prune" | "a pruned URL comes back"))
        && story.name != "two URLs, then one";
    is_sane && (by_sub_resource || by_put)
}
