//! Everything that a wire may look like and do, in all pairs, around a whole conversation: what each
//! call comes to, what is at the bank then, and that nothing was sent twice.

use std::{sync::Arc, time::Duration};

use bunq_oauth_operator::bunq::{
    Access, ApiKey, Bank, Call, Class, ClientStatus, CreateBody, Error, Installed, KeyPair, UpdateBody,
};
use secrecy::ExposeSecret;
use testbed::{
    harness::{campaign::report, pairs::all_pairs},
    sandbox::{
        Behaviour, Fault, FaultKind, Options, Sandbox,
        behaviour::{
            Compression, Connections, ErrorSignature, ExpiredSession, HeaderCase, Letters, LimitStatus, Slashes,
        },
    },
};

use super::{OTHER_URL, Outcome, URL, bank, key_pair, same, sandbox, template, told};

const NAME: &str = "Caf\u{e9} \u{1f511} a/b";
const DELAY: Duration = Duration::from_millis(50);
/// Until the emulator has closed what it closes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Times that a request meets a connection whose end nobody has noticed yet.
const UNNOTICED: usize = 5;

/// Values of each switch: header case, escapes, signed errors, ended session, throttle, delay, gzip,
/// connections (kept, closed, closed while idle, closed as the next request comes), lost connection,
/// the call that it is lost in.
const SIZES: [usize; 10] = [2, 2, 2, 2, 2, 2, 2, 4, 4, 5];
/// Of some hundred requests that come after a connection has ended.
const MOST_UNHEARD: usize = 3;
const HITS: [Call; 5] = [
    Call::CreateOauthClient,
    Call::GetOauthClient,
    Call::CreateCallbackUrl,
    Call::DeleteCallbackUrl,
    Call::UpdateOauthClient,
];

/// One combination.
#[derive(Debug, Clone)]
struct Way {
    behaviour: Behaviour,
    is_slow: bool,
    /// The next request does not wait for the end of the connection: it may meet it.
    is_hasty: bool,
    /// What happens to the connection, once, in which call.
    loss: Option<(Call, FaultKind)>,
}

impl Way {
    fn new(combination: &[usize]) -> Result<Self, String> {
        let [case, escapes, errors, expired, throttle, delay, gzip, connections, loss, hit] = combination else {
            return Err(format!("{combination:?} is no combination"));
        };
        let behaviour = Behaviour {
            header_case: [HeaderCase::Title, HeaderCase::Lower][*case],
            slashes: [Slashes::Plain, Slashes::Escaped][*escapes],
            letters: [Letters::Plain, Letters::Escaped][*escapes],
            error_signature: [ErrorSignature::Unsigned, ErrorSignature::Signed][*errors],
            expired_session: [ExpiredSession::Unauthorised, ExpiredSession::Forbidden][*expired],
            limit_status: [LimitStatus::TooManyRequests, LimitStatus::Conflict][*throttle],
            compression: [Compression::Off, Compression::Gzip][*gzip],
            connections: [Connections::Kept, Connections::Closed, Connections::ClosedIdle, Connections::ClosedIdle]
                [*connections],
            ..Behaviour::default()
        };
        let losses =
            [None, Some(FaultKind::DropBefore), Some(FaultKind::DropAfterCommit), Some(FaultKind::TruncatedBody)];
        let loss = losses[*loss].clone().map(|kind| (HITS[*hit], kind));
        Ok(Self { behaviour, is_slow: *delay == 1, is_hasty: *connections == 3, loss })
    }
}

/// A conversation and what happened to it.
struct Talk {
    way: Way,
    sandbox: Sandbox,
    /// Requests that met a connection as it ended.
    unnoticed: usize,
    /// Requests that met one that had ended before: the news of it was still on its way.
    unheard: usize,
}

impl Talk {
    /// One request and no more; `None` when the planned loss hit it. A request that meets a connection
    /// whose end nobody has noticed yet may have been read for all we know: it is told as lost, and
    /// only this test, which sees that nothing arrived, makes it again.
    async fn send<T>(
        &mut self,
        call: Call,
        make: impl AsyncFn() -> Result<T, Error>,
    ) -> Result<Option<Result<T, Error>>, String> {
        let planned = self.way.loss.take_if(|(hit, _)| *hit == call);
        if let Some((_, kind)) = &planned {
            self.sandbox.clear_faults();
            self.sandbox.inject(Fault::new(call.method().as_str(), &format!("{}$", template(call)), kind.clone()));
        }
        for _ in 0..UNNOTICED {
            self.rest().await?;
            let before = self.sandbox.calls().len();
            let outcome = make().await;
            let arrived: Vec<_> = self.sandbox.calls().split_off(before);
            let lost = outcome.as_ref().err().filter(|error| matches!(error.class(), Class::Network { .. }));
            let Some(error) = lost else {
                same(&format!("{call}, requests"), &arrived.len(), &1)?;
                same(&format!("{call}, planned losses"), &planned.is_some(), &false)?;
                return Ok(Some(outcome));
            };
            same(&format!("{call}, {error:?}"), &error.class(), &Class::Network { sent: true })?;
            same(&format!("{call}, {error:?}"), &error.may_have_been_applied(), &call.is_mutation())?;
            if arrived.is_empty() && self.way.behaviour.connections == Connections::ClosedIdle {
                let met = if self.way.is_hasty { &mut self.unnoticed } else { &mut self.unheard };
                *met += 1;
                continue;
            }
            let (Some((_, kind)), [arrived]) = (&planned, arrived.as_slice()) else {
                return Err(format!("{call} was lost and {arrived:?} arrived: {error:?}"));
            };
            same(&format!("{call}, done at the bank"), &arrived.committed, &(*kind != FaultKind::DropBefore))?;
            self.slow_down();
            return Ok(None);
        }
        Err(format!("{call} met {UNNOTICED} connections that had ended"))
    }

    /// A call that succeeds. Where it was lost on the way to the bank, it is made once more, as the
    /// planner would; where its answer was lost, there is none.
    async fn done<T>(&mut self, call: Call, make: impl AsyncFn() -> Result<T, Error>) -> Result<Option<T>, String> {
        let is_repeated = match &self.way.loss {
            Some((hit, kind)) => *hit == call && (*kind == FaultKind::DropBefore || !call.is_mutation()),
            None => false,
        };
        match self.send(call, &make).await? {
            Some(outcome) => told(outcome).map(Some),
            None if is_repeated => match self.send(call, &make).await? {
                Some(outcome) => told(outcome).map(Some),
                None => Err(format!("{call} was lost twice")),
            },
            None => Ok(None),
        }
    }

    /// A call that is refused.
    async fn refused<T>(
        &mut self,
        call: Call,
        (class, status): (Class, u16),
        make: impl AsyncFn() -> Result<T, Error>,
    ) -> Outcome {
        let error = self.send(call, make).await?.and_then(Result::err).ok_or(format!("{call} was not refused"))?;
        same(&format!("{call}, class"), &error.class(), &class)?;
        same(&format!("{call}, status"), &error.status(), &Some(status))
    }

    /// Every connection that is to be closed is closed.
    async fn rest(&self) -> Outcome {
        if self.way.is_hasty {
            return Ok(());
        }
        let closed = async {
            while self.way.behaviour.connections != Connections::Kept && self.sandbox.connections() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, closed).await.map_err(|_| "a connection stays open".to_owned())
    }

    fn slow_down(&self) {
        if self.way.is_slow {
            self.sandbox.inject(Fault::new("*", "", FaultKind::DelayReply(DELAY)).forever());
        }
    }
}

/// Every pair of switches: each outcome has its class, the bank is as the answers say, and no call
/// reached it twice (`F02`, `F16`, `F18`, `F20`, `F22`).
pub(crate) async fn every_pair_of_a_wires_habits_leaves_one_request_and_its_true_outcome() -> Outcome {
    // The compiler cannot see that what async closures return may change threads; this one stays.
    let runtime = tokio::runtime::Handle::current();
    let played = tokio::task::spawn_blocking(move || runtime.block_on(converse_in_every_way())).await;
    played.map_err(|error| error.to_string())?
}

async fn converse_in_every_way() -> Outcome {
    let keys = key_pair().await?;
    let combinations = all_pairs(&SIZES);
    let (mut calls, mut unnoticed, mut unheard) = (0, 0, 0);
    for combination in &combinations {
        let way = Way::new(combination)?;
        let talk = converse(way.clone(), &keys).await.map_err(|broken| format!("{broken}\n  {way:?}"))?;
        calls += talk.sandbox.calls().len();
        unnoticed += talk.unnoticed;
        unheard += talk.unheard;
    }
    report(&format!(
        "the wire: {} combinations hold every pair, {calls} requests; {unnoticed} met a connection as it ended",
        combinations.len()
    ));
    // A busy machine may be late with the news once in a while.
    same("ended connections used again", &(unheard <= MOST_UNHEARD), &true)?;
    Ok(())
}

async fn converse(way: Way, keys: &Arc<KeyPair>) -> Result<Talk, String> {
    let sandbox = sandbox(Options { behaviour: way.behaviour.clone(), ..Options::default() }).await?;
    let mut talk = Talk { way, sandbox, unnoticed: 0, unheard: 0 };
    talk.slow_down();
    let lost = talk.way.loss.clone();
    let bank = bank(&talk.sandbox, None)?;
    let user = talk.sandbox.new_user();
    let api_key = ApiKey::new(&user.api_key).ok_or("the emulator made a broken key")?;

    let answer = talk.done(Call::CreateInstallation, async || bank.install(keys).await).await?;
    let installation = answer.ok_or("no installation")?.value;
    let installed = Installed { key_pair: keys, server_key: &installation.server_key, token: &installation.token };
    let device = async || bank.register_device(&installed, "test", &api_key, &[]).await;
    talk.done(Call::CreateDeviceServer, device).await?;
    let session = async || bank.open_session(&installed, &api_key).await;
    let opened = talk.done(Call::CreateSession, session).await?.ok_or("no session")?.value;
    same("user", &opened.user.id, &user.id)?;
    let access =
        Access { key_pair: keys, server_key: &installation.server_key, session_token: &opened.token, user_id: user.id };
    change(&mut talk, &bank, &access).await?;

    let is_repeated = lost.is_some_and(|(hit, kind)| kind == FaultKind::DropBefore && hit.is_mutation());
    same("changes that reached the emulator", &talk.sandbox.mutations().len(), &(4 + usize::from(is_repeated)))?;
    let committed = talk.sandbox.mutations().iter().filter(|call| call.committed).count();
    same("changes at the bank", &committed, &4)?;

    let missing = async || bank.get_oauth_client(&access, 4_242_424_242).await;
    talk.refused(Call::GetOauthClient, (Class::NotFound, 404), missing).await?;
    talk.sandbox.limit(true);
    talk.done(Call::CreateSession, session).await?;
    let throttled = match talk.way.behaviour.limit_status {
        LimitStatus::TooManyRequests => 429,
        LimitStatus::Conflict => 409,
    };
    let class = Class::Throttled { retry_after: Duration::from_secs(30) };
    talk.refused(Call::CreateSession, (class, throttled), session).await?;
    talk.sandbox.limit(false);
    talk.sandbox.with(testbed::sandbox::Bank::end_sessions);
    let ended = match talk.way.behaviour.expired_session {
        ExpiredSession::Unauthorised => 401,
        ExpiredSession::Forbidden => 403,
    };
    talk.refused(Call::GetUser, (Class::Session, ended), async || bank.user(&access).await).await?;
    Ok(talk)
}

/// List, create, read, add a URL, remove one, cancel; every lost answer is made up for by a read.
async fn change(talk: &mut Talk, bank: &Bank, access: &Access<'_>) -> Outcome {
    let list = async || bank.list_oauth_clients(access).await;
    let none = talk.done(Call::ListOauthClients, list).await?.ok_or("no list")?.value;
    same("clients before", &none.len(), &0)?;

    let body = CreateBody::Object { display_name: NAME.to_owned(), redirect_url: URL.to_owned() };
    let create = async || bank.create_oauth_client(access, &body).await;
    let told_id = talk.done(Call::CreateOauthClient, create).await?.map(|reply| reply.value);
    let listed = talk.done(Call::ListOauthClients, list).await?.ok_or("no list")?.value;
    let [client] = listed.as_slice() else { return Err(format!("{} clients after one create", listed.len())) };
    let id = client.id;
    same("number of the client", &told_id.unwrap_or(Some(id)), &Some(id))?;

    let get = async || bank.get_oauth_client(access, id).await;
    let client = talk.done(Call::GetOauthClient, get).await?.ok_or("no client")?.value;
    same("name", &client.display_name.as_deref(), &Some(NAME))?;
    let secret = talk.sandbox.with(|bank| bank.clients[0].secret.clone());
    same("secret", &client.secret.as_ref().map(ExposeSecret::expose_secret), &Some(secret.as_str()))?;
    let urls = client.urls.array.ok_or("the client shows no URLs")?;
    let [url] = urls.as_slice() else { return Err(format!("{urls:?} after one create")) };
    same("URL", &url.url.as_str(), &URL)?;
    let first = url.id.ok_or("a URL without an id")?;

    let add = async || bank.create_callback_url(access, id, OTHER_URL).await;
    talk.done(Call::CreateCallbackUrl, add).await?;
    same("URLs at the bank", &talk.sandbox.with(|b| b.urls_of(id)).len(), &2)?;
    let remove = async || bank.delete_callback_url(access, id, first).await;
    talk.done(Call::DeleteCallbackUrl, remove).await?;
    let urls = async || bank.list_callback_urls(access, id).await;
    let left = talk.done(Call::ListCallbackUrls, urls).await?.ok_or("no list")?.value;
    let left: Vec<&str> = left.iter().map(|url| url.url.as_str()).collect();
    same("URLs", &left, &vec![OTHER_URL])?;

    let cancel = UpdateBody { status: Some(ClientStatus::Cancelled), redirect_url: None };
    talk.done(Call::UpdateOauthClient, async || bank.update_oauth_client(access, id, &cancel).await).await?;
    let client = talk.done(Call::GetOauthClient, get).await?.ok_or("no client")?.value;
    same("status", &client.status, &ClientStatus::Cancelled)?;
    same("clients at the bank", &talk.sandbox.with(|bank| bank.clients.len()), &1)
}
