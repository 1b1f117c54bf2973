//! Inputs for the planner that nobody would think of, drawn from a seed. (Strategies of proptest
//! would shrink; they are a hundred times slower, and a seed is enough to play a case again.)

use bunq_oauth_operator::plan::{
    Answer, Cause, Client, ClientStatus, CreateBody, Desired, DesiredStatus, Entry, Journal, Learned, Listing, Missed,
    Mutation, Observed, Origin, Output, Remembered, Seen, Target, Urls,
    journal::{CreateSent, RefusedBody, Write},
};
use jiff::Timestamp;

const URLS: [&str; 5] = ["https://a.example/x", "https://a.example/x/", "https://b.example/", "https://f.example/", ""];

/// A source of inputs.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same seed gives the same inputs.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides` (`SplitMix64`).
    pub fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    /// One of so many, counted from zero.
    pub fn index(&mut self, sides: usize) -> usize {
        usize::try_from(self.below(sides.max(1) as u64)).unwrap_or_default()
    }

    /// Heads or tails.
    pub fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    /// One of these.
    pub fn pick<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.index(values.len())].clone()
    }

    /// Nothing, half the time.
    pub fn maybe<T>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.coin().then(|| draw(self))
    }

    /// So many at most.
    pub fn some<T>(&mut self, most: u64, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| draw(self)).collect()
    }

    fn seen<T>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> Seen<T> {
        match self.below(3) {
            0 => Seen::Unknown,
            1 => Seen::Absent,
            _ => Seen::Present(draw(self)),
        }
    }

    /// Any time: mostly near the others, rarely the end of time.
    pub fn time(&mut self) -> Timestamp {
        let seconds = match self.below(20) {
            0 => return Timestamp::MAX,
            1 => return Timestamp::MIN,
            2..10 => self.below(100),
            _ => self.below(10_000),
        };
        Timestamp::from_second(i64::try_from(seconds).unwrap_or_default()).unwrap_or(Timestamp::MAX)
    }

    /// One of a few URLs; the last is empty.
    pub fn url(&mut self) -> String {
        self.pick(&URLS).to_owned()
    }

    fn id(&mut self) -> u64 {
        1 + self.below(3)
    }

    fn client_id(&mut self) -> String {
        format!("client-{}", self.id())
    }

    fn cause(&mut self) -> Cause {
        Cause {
            generation: 1 + i64::from(self.coin()),
            requested_at: self.maybe(|_| "now".to_owned()),
            key: self.pick(&["k", "l"]).to_owned(),
        }
    }

    fn target(&mut self) -> Target {
        let url = self.url();
        match self.below(7) {
            0 => Target::Activate,
            1 => Target::Cancel,
            2 => Target::RedirectUrl(url),
            3 => Target::RedirectUrlWithStatus(url),
            4 => Target::Add(url),
            5 => Target::Replace(url),
            _ => Target::Remove(url),
        }
    }

    fn write(&mut self) -> Write {
        Write {
            target: self.target(),
            cause: self.cause(),
            at: self.coin().then(|| self.time()),
            answer: self.pick(&[Answer::None, Answer::Accepted, Answer::Refused("no".to_owned())]),
            seen: self.coin(),
            twins: self.some(2, |dice| dice.below(4)),
            repairs: self.some(4, Self::time),
        }
    }

    fn refused(&mut self) -> RefusedBody {
        RefusedBody {
            body: self.pick(&CreateBody::ALL),
            cause: self.cause(),
            text: self.pick(&["Superfluous field \"display_name\".", "no"]).to_owned(),
        }
    }

    fn create_sent(&mut self) -> CreateSent {
        CreateSent { at: self.time(), body: self.pick(&CreateBody::ALL), empty_at: self.maybe(Self::time) }
    }

    /// Anything that a claim may hold.
    pub fn journal(&mut self) -> Journal {
        Journal {
            given_up: self.maybe(|dice| dice.below(4)),
            oauth_client_id: self.maybe(Self::id),
            client_id: self.maybe(Self::client_id),
            origin: self.maybe(|dice| dice.pick(&[Origin::Created, Origin::Adopted])),
            create_sent: self.maybe(Self::create_sent),
            refused_bodies: self.some(3, Self::refused),
            managed_urls: self.some(3, Self::url),
            writes: self.some(4, Self::write),
            cancelled_by_us: self.coin(),
            deletion_started: self.maybe(Self::time),
        }
    }

    fn entries(&mut self) -> Vec<Entry> {
        self.some(3, |dice| Entry { id: dice.maybe(Self::id), url: dice.url() })
    }

    /// Anything that a bank may show.
    pub fn client(&mut self) -> Client {
        use ClientStatus::{Active, Cancelled, CancelledPending, Other};
        Client {
            id: self.id(),
            client_id: self.maybe(Self::client_id),
            status: self.pick(&[Active, Active, Cancelled, CancelledPending, Other]),
            display_name: None,
            has_secret: self.coin(),
            urls: match self.below(3) {
                0 => Urls::Entries(self.entries()),
                1 => Urls::Single(self.url()),
                _ => Urls::NotShown,
            },
        }
    }

    fn listing(&mut self) -> Listing {
        Listing { at: self.time(), clients: self.some(3, Self::client) }
    }

    fn output(&mut self) -> Output {
        self.pick(&[Output::Foreign, Output::Frozen, Output::Ours { current: true }, Output::Ours { current: false }])
    }

    fn mutation(&mut self) -> Mutation {
        let (client, url) = (self.id(), self.url());
        match self.below(4) {
            0 => Mutation::Create(self.pick(&CreateBody::ALL)),
            1 => Mutation::SetStatus { client, status: DesiredStatus::Cancelled },
            2 => Mutation::PutRedirectUrl { client, url, with_status: self.coin() },
            _ => Mutation::AddUrl { client, url },
        }
    }

    /// What a pass may know; half the time nothing is left to be stored.
    pub fn observed(&mut self) -> Observed {
        let journal = self.journal();
        Observed {
            stored: if self.below(4) == 0 { self.journal() } else { journal.clone() },
            journal,
            listing: self.maybe(Self::listing),
            client: self.seen(Self::client),
            callback_urls: self.seen(Self::entries),
            output: self.seen(Self::output),
            pair: self.maybe(Self::client_id),
            remembered: self.maybe(|dice| Remembered { id: dice.below(4), client_id: dice.maybe(Self::client_id) }),
            leftover: self.maybe(|_| "earlier".to_owned()),
            finalizer: self.coin(),
            armed: if self.below(10) == 0 { Some(self.mutation()) } else { None },
        }
    }

    /// What a manifest may say.
    pub fn desired(&mut self) -> Desired {
        let urls = vec![self.url(), self.url()];
        Desired {
            cause: self.cause(),
            display_name: "Shop".to_owned(),
            status: self.pick(&[DesiredStatus::Active, DesiredStatus::Active, DesiredStatus::Cancelled]),
            urls: if self.coin() { urls } else { urls[..1].to_vec() },
            adopt: self.coin(),
            prune: self.coin(),
            cancel_on_delete: self.coin(),
            deleting: self.below(4) == 0,
            suspended: self.coin(),
            confirm_cancel: self.maybe(Self::client_id),
            allow_new_client: self.maybe(Self::client_id),
        }
    }

    /// What an action may come to, fitting or not.
    pub fn outcome(&mut self) -> Result<Learned, Missed> {
        match self.below(10) {
            0 | 1 => Ok(Learned::Stored),
            2 => Ok(Learned::Finalizer),
            3 | 4 => Ok(Learned::Clients(self.listing())),
            5 => Ok(Learned::Client(self.maybe(Self::client))),
            6 => Ok(Learned::CallbackUrls(self.maybe(Self::entries))),
            7 => Ok(Learned::Accepted(self.maybe(Self::id))),
            8 => Ok(Learned::Output(self.maybe(Self::output))),
            _ if self.coin() => Err(Missed::Refused("no".to_owned())),
            _ => Err(Missed::Ambiguous),
        }
    }
}
