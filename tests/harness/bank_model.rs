//! A model of the bank's `oauth-client` resource: pure, on a virtual clock, with every habit that
//! bunq's own sources leave open (bunq-api §5).

use bunq_oauth_operator::plan::{Client, ClientStatus, CreateBody, Desired, DesiredStatus, Entry, Mutation, Urls};
use jiff::{Timestamp, ToSpan};

use super::habits::{
    Bytes, Cancelled, Cancelling, Creation, Habits, Lag, Listing, Put, Reactivation, Reply, Room, Routes, Second,
    Secrecy, Shape,
};

/// How long after its request a late mutation is carried out, in seconds.
pub const LATE_SECONDS: i64 = 30;
const LAG_SECONDS: i64 = 20;
const PENDING_MINUTES: i64 = 5;

/// A client as the bank knows it.
#[derive(Clone, Debug)]
pub struct Registered {
    /// bunq's number.
    pub id: u64,
    /// The OAuth 2.0 client identifier.
    pub client_id: String,
    /// Its secret.
    pub secret: String,
    /// ACTIVE, …
    pub status: ClientStatus,
    /// The name.
    pub name: Option<String>,
    /// Every registered URL, with its id.
    pub urls: Vec<(u64, String)>,
    /// Whether a POST of the operator made it.
    pub by_us: bool,
    created_at: Timestamp,
    cancelled_at: Option<Timestamp>,
    was_read: bool,
}

impl Registered {
    /// Whether exactly these bytes are registered.
    #[must_use]
    pub fn has_url(&self, url: &str) -> bool {
        self.urls.iter().any(|(_, registered)| registered == url)
    }

    /// It is cancelled, and that takes its time.
    pub fn cancel_slowly(&mut self, now: Timestamp) {
        self.status = ClientStatus::CancelledPending;
        self.cancelled_at = Some(now);
    }
}

/// The bank.
#[derive(Clone, Debug)]
pub struct BankModel {
    /// How it behaves.
    pub habits: Habits,
    /// Its clients, oldest first.
    pub clients: Vec<Registered>,
    /// How many POSTs arrived while a client was ACTIVE.
    pub second_posts: usize,
    now: Timestamp,
    late: Vec<(Timestamp, Mutation, Desired)>,
    last_id: u64,
}

impl BankModel {
    /// A bank without clients.
    #[must_use]
    pub fn new(habits: Habits, now: Timestamp) -> Self {
        Self { habits, clients: Vec::new(), second_posts: 0, now, late: Vec::new(), last_id: 100 }
    }

    /// Somebody registers a client, long ago.
    pub fn register(&mut self, status: ClientStatus, urls: &[&str]) {
        let long_ago = self.now.saturating_sub(24.hours()).unwrap_or(Timestamp::MIN);
        let id = self.add_client(status, false, long_ago);
        let urls: Vec<_> = urls.iter().map(|url| (self.next_id(), (*url).to_owned())).collect();
        let pending_since = self.now;
        if let Some(client) = self.client_mut(id) {
            client.urls = urls;
            client.cancelled_at = (status == ClientStatus::CancelledPending).then_some(pending_since);
        }
    }

    /// What the bank stores when `url` is registered.
    #[must_use]
    pub fn stored_form(&self, url: &str) -> String {
        match self.habits.bytes {
            Bytes::Slash if !url.ends_with('/') => format!("{url}/"),
            Bytes::LowerCase => url.to_ascii_lowercase(),
            Bytes::Slash | Bytes::Kept => url.to_owned(),
        }
    }

    /// Whether there is one URL to a client and no more, as far as anybody can see.
    #[must_use]
    pub fn shows_one_url(&self) -> bool {
        self.habits.shape == Shape::Scalar
    }

    /// Time passes: late mutations are carried out, cancellations complete.
    pub fn advance(&mut self, now: Timestamp) {
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.late).into_iter().partition(|(at, ..)| *at <= now);
        self.late = later;
        for (at, mutation, want) in due {
            self.now = at;
            let _lost = self.send(&mutation, &want);
        }
        self.now = now;
        for client in &mut self.clients {
            let is_over = |at: Timestamp| at.saturating_add(PENDING_MINUTES.minutes()).is_ok_and(|end| end <= now);
            if client.status == ClientStatus::CancelledPending && client.cancelled_at.is_some_and(is_over) {
                client.status = ClientStatus::Cancelled;
            }
        }
    }

    /// Takes a request whose answer is lost and which is carried out half a minute later.
    pub fn send_late(&mut self, mutation: &Mutation, want: &Desired) {
        let at = self.now.saturating_add(LATE_SECONDS.seconds()).unwrap_or(Timestamp::MAX);
        self.late.push((at, mutation.clone(), want.clone()));
    }

    /// The bank's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The client with this number, whether it can be read or not.
    #[must_use]
    pub fn client(&self, id: u64) -> Option<&Registered> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// The same, for people who change it in the app.
    pub fn client_mut(&mut self, id: u64) -> Option<&mut Registered> {
        self.clients.iter_mut().find(|client| client.id == id)
    }

    /// LIST `oauth-client`: every client, with its secret where one is shown.
    pub fn list(&mut self) -> Vec<(Client, Option<String>)> {
        let (habits, now) = (self.habits, self.now);
        let is_listed = |client: &&mut Registered| {
            let is_late = habits.lag != Lag::None && lags(client, now);
            let is_hidden = habits.cancelled != Cancelled::Listed && client.status == ClientStatus::Cancelled;
            !is_late && !is_hidden
        };
        let item = |client: &mut Registered| match habits.listing {
            Listing::Full => show(habits, client),
            Listing::Meagre => {
                let was_read = client.was_read;
                let (shown, _) = show(habits, client);
                client.was_read = was_read;
                (Client { has_secret: false, urls: Urls::NotShown, ..shown }, None)
            }
        };
        self.clients.iter_mut().filter(is_listed).map(item).collect()
    }

    /// GET `oauth-client/{id}`; `None` is 404.
    pub fn get(&mut self, id: u64) -> Option<(Client, Option<String>)> {
        let (habits, now) = (self.habits, self.now);
        let client = self.client_mut(id)?;
        let is_late = habits.lag == Lag::Reads && lags(client, now);
        let is_gone = habits.cancelled == Cancelled::Gone && client.status == ClientStatus::Cancelled;
        (!is_late && !is_gone).then(|| show(habits, client))
    }

    /// LIST `callback-url`; `None` is 404.
    #[must_use]
    pub fn callback_urls(&self, id: u64) -> Option<Vec<Entry>> {
        let client = self.client(id).filter(|_| self.habits.routes == Routes::On)?;
        Some(entries(self.habits, client))
    }

    /// Carries out a mutation: the id of a creation, or the words of a refusal.
    pub fn send(&mut self, mutation: &Mutation, want: &Desired) -> Result<Option<u64>, String> {
        match mutation {
            Mutation::Create(body) => {
                self.create(*body, want).map(|id| Some(id).filter(|_| self.habits.reply == Reply::Id))
            }
            Mutation::SetStatus { client, status } => self.set_status(*client, *status).map(|()| None),
            Mutation::PutRedirectUrl { client, url, with_status } => {
                self.put_redirect_url(*client, url, *with_status).map(|()| None)
            }
            Mutation::AddUrl { client, url } => self.add_url(*client, url).map(|()| None),
            Mutation::ReplaceUrl { client, entry, url } => self.replace_url(*client, *entry, url).map(|()| None),
            Mutation::RemoveUrl { client, entry, .. } => self.remove_url(*client, *entry).map(|()| None),
        }
    }

    fn create(&mut self, body: CreateBody, want: &Desired) -> Result<u64, String> {
        let active = self.clients.iter().find(|client| client.status == ClientStatus::Active).map(|client| client.id);
        if let Some(active) = active {
            self.second_posts += 1;
            match self.habits.second {
                Second::Refused => return Err("User already has an active OAuth client.".to_owned()),
                Second::Existing => return Ok(active),
                Second::Made => {}
            }
        }
        let is_bare = body == CreateBody::StatusOnly;
        match self.habits.creation {
            Creation::Superfluous if !is_bare => return Err("Superfluous field \"display_name\".".to_owned()),
            Creation::ArrayRefused if body == CreateBody::Array => return Err("Body is malformed.".to_owned()),
            Creation::StatusOnly if !is_bare => return Err("Request is invalid.".to_owned()),
            Creation::Refused => return Err("Not allowed.".to_owned()),
            Creation::Stored
            | Creation::Ignored
            | Creation::Superfluous
            | Creation::ArrayRefused
            | Creation::StatusOnly => {}
        }
        let is_stored = !is_bare && self.habits.creation != Creation::Ignored;
        let id = self.add_client(ClientStatus::Active, true, self.now);
        let url = want.urls.first().filter(|_| is_stored).map(|url| (self.next_id(), self.stored_form(url)));
        if let Some(client) = self.client_mut(id) {
            client.urls.extend(url);
            client.name = is_stored.then(|| want.display_name.clone());
        }
        Ok(id)
    }

    fn set_status(&mut self, id: u64, status: DesiredStatus) -> Result<(), String> {
        let (habits, now) = (self.habits, self.now);
        let client = self.existing(id)?;
        match (status, client.status) {
            (DesiredStatus::Active, ClientStatus::Active)
            | (DesiredStatus::Cancelled, ClientStatus::Cancelled | ClientStatus::CancelledPending) => {}
            (DesiredStatus::Active, _) => match habits.reactivation {
                Reactivation::Allowed => client.status = ClientStatus::Active,
                Reactivation::Refused => return Err("Cannot be activated.".to_owned()),
                Reactivation::Ignored => {}
            },
            (DesiredStatus::Cancelled, _) => match habits.cancelling {
                Cancelling::Immediate => client.status = ClientStatus::Cancelled,
                Cancelling::Pending => client.cancel_slowly(now),
                Cancelling::Ignored => {}
                Cancelling::Refused => return Err("Cannot be cancelled.".to_owned()),
            },
        }
        Ok(())
    }

    fn put_redirect_url(&mut self, id: u64, url: &str, with_status: bool) -> Result<(), String> {
        let entry = (self.next_id(), self.stored_form(url));
        let habits = self.habits;
        let client = self.existing(id)?;
        match habits.put {
            Put::Replace => client.urls = vec![entry],
            Put::NeedsStatus if with_status => client.urls = vec![entry],
            Put::NeedsStatus => return Err("Field \"status\" is required.".to_owned()),
            Put::Append if habits.room == Room::One && !client.urls.is_empty() => {
                return Err("Too many redirect URLs.".to_owned());
            }
            Put::Append => client.urls.push(entry),
            Put::Ignore => {}
            Put::Refuse => return Err("Superfluous field \"redirect_url\".".to_owned()),
        }
        Ok(())
    }

    fn add_url(&mut self, id: u64, url: &str) -> Result<(), String> {
        let entry = (self.next_id(), self.stored_form(url));
        let habits = self.habits;
        let client = self.routed(id)?;
        if habits.room == Room::One && !client.urls.is_empty() {
            return Err("Too many redirect URLs.".to_owned());
        }
        if client.has_url(&entry.1) {
            return Err("Redirect URL exists.".to_owned());
        }
        client.urls.push(entry);
        Ok(())
    }

    fn replace_url(&mut self, id: u64, entry: u64, url: &str) -> Result<(), String> {
        let stored = self.stored_form(url);
        let client = self.routed(id)?;
        let found = client.urls.iter_mut().find(|(other, _)| *other == entry).ok_or("Not found.")?;
        found.1 = stored;
        Ok(())
    }

    fn remove_url(&mut self, id: u64, entry: u64) -> Result<(), String> {
        let client = self.routed(id)?;
        let count = client.urls.len();
        client.urls.retain(|(other, _)| *other != entry);
        if client.urls.len() < count { Ok(()) } else { Err("Not found.".to_owned()) }
    }

    fn routed(&mut self, id: u64) -> Result<&mut Registered, String> {
        if self.habits.routes == Routes::Off {
            return Err("Route not found.".to_owned());
        }
        self.existing(id)
    }

    fn existing(&mut self, id: u64) -> Result<&mut Registered, String> {
        self.client_mut(id).ok_or_else(|| "Not found.".to_owned())
    }

    fn add_client(&mut self, status: ClientStatus, by_us: bool, created_at: Timestamp) -> u64 {
        let id = self.next_id();
        self.clients.push(Registered {
            id,
            client_id: format!("client-{id}"),
            secret: format!("secret-{id}"),
            status,
            name: None,
            urls: Vec::new(),
            by_us,
            created_at,
            cancelled_at: None,
            was_read: false,
        });
        id
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

fn lags(client: &Registered, now: Timestamp) -> bool {
    client.created_at.saturating_add(LAG_SECONDS.seconds()).is_ok_and(|shown| now < shown)
}

fn show(habits: Habits, client: &mut Registered) -> (Client, Option<String>) {
    let has_secret = match habits.secrecy {
        Secrecy::Shown => true,
        Secrecy::Once => !client.was_read,
        Secrecy::Hidden => false,
    };
    client.was_read = true;
    let urls = match habits.shape {
        Shape::Array | Shape::Both | Shape::WithoutIds => Urls::Entries(entries(habits, client)),
        Shape::Scalar => Urls::Single(client.urls.first().map(|(_, url)| url.clone()).unwrap_or_default()),
        Shape::Neither => Urls::NotShown,
    };
    let shown = Client {
        id: client.id,
        client_id: Some(client.client_id.clone()),
        status: client.status,
        display_name: client.name.clone(),
        has_secret,
        urls,
    };
    (shown, has_secret.then(|| client.secret.clone()))
}

fn entries(habits: Habits, client: &Registered) -> Vec<Entry> {
    let id = |id: u64| (habits.shape != Shape::WithoutIds).then_some(id);
    client.urls.iter().map(|(number, url)| Entry { id: id(*number), url: url.clone() }).collect()
}
