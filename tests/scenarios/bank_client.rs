//! The REST client against the emulator over TCP and TLS: the whole conversation, refusals,
//! certificates; faults in `faults`, habits of the wire in `transport`.

mod faults;
mod transport;

use std::{fmt::Debug, sync::Arc, time::Duration};

use bunq_oauth_operator::bunq::{
    Access, ApiKey, Bank, BaseUrl, Call, Class, ClientStatus, CreateBody, Endpoints, Error, Fault, HttpOptions,
    HttpTransport, Installation, Installed, KeyPair, Session, UpdateBody, UserKind,
};
use secrecy::ExposeSecret;
use testbed::sandbox::{Fault as Planned, FaultKind, Options, Sandbox, Tls, behaviour::SessionUser};

pub(crate) use faults::{
    every_fault_has_its_class, no_success_without_sense_is_believed, no_tampered_success_is_believed,
};
pub(crate) use transport::every_pair_of_a_wires_habits_leaves_one_request_and_its_true_outcome;

type Outcome = Result<(), String>;

const URL: &str = "http://localhost:3000";
const OTHER_URL: &str = "https://app.example/callback";

/// A client after its handshake, with a client and a URL at the bank.
struct Conversation {
    bank: Bank,
    key_pair: Arc<KeyPair>,
    api_key: ApiKey,
    installation: Installation,
    session: Session,
    client: u64,
    url: u64,
}

fn bank(sandbox: &Sandbox, ca_pem: Option<String>) -> Result<Bank, String> {
    let base = BaseUrl::parse(&sandbox.base_url()).map_err(|e| e.to_string())?;
    let options = HttpOptions { ca_pem: ca_pem.map(String::into_bytes) };
    let transport = HttpTransport::new(options).map_err(|e| e.to_string())?;
    let bank = Bank::new(Endpoints::overridden(base), Arc::new(transport), "test/1");
    Ok(bank.with_page_pause(Duration::ZERO))
}

async fn sandbox(options: Options) -> Result<Sandbox, String> {
    Sandbox::start(options).await.map_err(|e| e.to_string())
}

async fn key_pair() -> Result<Arc<KeyPair>, String> {
    let generated = tokio::task::spawn_blocking(KeyPair::generate).await;
    let key_pair = generated.map_err(|e| e.to_string())?;
    Ok(Arc::new(key_pair.map_err(|e| e.to_string())?))
}

impl Conversation {
    /// A user of its own, so that nothing is left from the test before.
    async fn open(sandbox: &Sandbox, bank: &Bank, keys: &Arc<KeyPair>) -> Result<Self, String> {
        let user = sandbox.new_user();
        let client = sandbox.with(|bank| bank.create_by_hand(user.id, Some("App"), &[]));
        let url = sandbox.with(|bank| bank.add_url_by_hand(client, URL));
        let api_key = ApiKey::new(&user.api_key).ok_or("the emulator made a broken key")?;
        let installation = told(bank.install(keys).await)?.value;
        let installed = Installed { key_pair: keys, server_key: &installation.server_key, token: &installation.token };
        told(bank.register_device(&installed, "test", &api_key, &[]).await)?;
        let session = told(bank.open_session(&installed, &api_key).await)?.value;
        same("user", &session.user.id, &user.id)?;
        Ok(Self {
            bank: bank.clone(),
            key_pair: Arc::clone(keys),
            api_key,
            installation,
            session,
            client,
            url: url.ok_or("the emulator made no URL")?,
        })
    }

    fn installed(&self) -> Installed<'_> {
        Installed {
            key_pair: &self.key_pair,
            server_key: &self.installation.server_key,
            token: &self.installation.token,
        }
    }

    fn access(&self) -> Access<'_> {
        Access {
            key_pair: &self.key_pair,
            server_key: &self.installation.server_key,
            session_token: &self.session.token,
            user_id: self.session.user.id,
        }
    }

    /// One call of each kind that the bank would answer with success.
    async fn make(&self, sandbox: &Sandbox, call: Call) -> Result<(), Error> {
        let (bank, access, installed) = (&self.bank, &self.access(), &self.installed());
        match call {
            Call::CreateInstallation => bank.install(&self.key_pair).await.map(drop),
            Call::CreateDeviceServer => {
                let device = bank.register_device(installed, "test", &self.api_key, &[]);
                device.await.map(drop)
            }
            Call::CreateSession => bank.open_session(installed, &self.api_key).await.map(drop),
            Call::DeleteSession => bank.close_session(access).await.map(drop),
            Call::GetUser => bank.user(access).await.map(drop),
            Call::ListOauthClients => bank.list_oauth_clients(access).await.map(drop),
            Call::GetOauthClient => bank.get_oauth_client(access, self.client).await.map(drop),
            Call::CreateOauthClient => {
                sandbox.with(|bank| bank.delete_client(self.client));
                let body = CreateBody::StatusOnly;
                bank.create_oauth_client(access, &body).await.map(drop)
            }
            Call::UpdateOauthClient => {
                let body = UpdateBody { status: Some(ClientStatus::Cancelled), redirect_url: None };
                let update = bank.update_oauth_client(access, self.client, &body);
                update.await.map(drop)
            }
            Call::ListCallbackUrls => bank.list_callback_urls(access, self.client).await.map(drop),
            Call::CreateCallbackUrl => {
                let create = bank.create_callback_url(access, self.client, OTHER_URL);
                create.await.map(drop)
            }
            Call::UpdateCallbackUrl => {
                let update = bank.update_callback_url(access, self.client, self.url, OTHER_URL);
                update.await.map(drop)
            }
            Call::DeleteCallbackUrl => {
                let delete = bank.delete_callback_url(access, self.client, self.url);
                delete.await.map(drop)
            }
            Call::ListCredentialIps => bank.list_credential_password_ip(access).await.map(drop),
        }
    }

    /// As [`Conversation::make`], with an installation that has no device yet where one is due.
    async fn make_with(&mut self, sandbox: &Sandbox, call: Call, kind: &FaultKind) -> Result<(), Error> {
        if call == Call::CreateDeviceServer {
            self.installation = self.bank.install(&self.key_pair).await?.value;
        }
        if let FaultKind::DelayReply(delay) = kind {
            self.bank = self.bank.clone().with_deadline(*delay / 4);
        }
        let template = format!("{}$", template(call));
        sandbox.inject(Planned::new(call.method().as_str(), &template, kind.clone()));
        let outcome = self.make(sandbox, call).await;
        sandbox.clear_faults();
        outcome
    }
}

/// The emulator's name of a path.
fn template(call: Call) -> String {
    let path = call.template().replace("{user}", "{u}");
    let path = path.replace("oauth-client/{id}", "oauth-client/{c}");
    let path = path.replace("callback-url/{id}", "callback-url/{m}");
    path.replace("session/{id}", "session/{s}")
}

fn told<T>(result: Result<T, Error>) -> Result<T, String> {
    result.map_err(|error| format!("{error} ({error:?})"))
}

fn same<T: PartialEq + Debug>(what: &str, found: &T, wanted: &T) -> Outcome {
    if found == wanted { Ok(()) } else { Err(format!("{what}: found {found:?}, wanted {wanted:?}")) }
}

/// Handshake, create, read, change, cancel, close, as an operator would.
pub(crate) async fn the_whole_conversation_succeeds() -> Outcome {
    let sandbox = sandbox(Options::default()).await?;
    let bank = bank(&sandbox, None)?;
    let talk = Conversation::open(&sandbox, &bank, &key_pair().await?).await?;
    let access = &talk.access();
    same("kind", &talk.session.user.kind, &UserKind::Person)?;
    same("user", &told(bank.user(access).await)?.value, &talk.session.user)?;
    sandbox.with(|bank| bank.delete_client(talk.client));
    let none = told(bank.list_oauth_clients(access).await)?.value;
    same("clients before", &none.len(), &0)?;

    let created = told(bank.create_oauth_client(access, &CreateBody::StatusOnly).await)?;
    let id = created.value.ok_or("the create told no id")?;
    let first = told(bank.create_callback_url(access, id, URL).await)?.value;
    let first = first.ok_or("the create of a URL told no id")?;
    told(bank.update_callback_url(access, id, first, OTHER_URL).await)?;
    let client = told(bank.get_oauth_client(access, id).await)?.value;
    same("status", &client.status, &ClientStatus::Active)?;
    let secret = client.secret.as_ref().map(ExposeSecret::expose_secret);
    same("secret", &secret.map(str::len), &Some(64))?;
    let urls = client.urls.array.ok_or("the client shows no URLs")?;
    let urls: Vec<_> = urls.iter().map(|url| (url.id, url.url.as_str())).collect();
    same("URLs", &urls, &vec![(Some(first), OTHER_URL)])?;
    let listed = told(bank.list_callback_urls(access, id).await)?.value;
    same("listed URLs", &listed.len(), &1)?;
    told(bank.delete_callback_url(access, id, first).await)?;
    same("URLs at the bank", &sandbox.with(|b| b.urls_of(id)), &Vec::new())?;

    let cancel = UpdateBody { status: Some(ClientStatus::Cancelled), redirect_url: None };
    told(bank.update_oauth_client(access, id, &cancel).await)?;
    let client = told(bank.get_oauth_client(access, id).await)?.value;
    same("status", &client.status, &ClientStatus::Cancelled)?;
    let devices = told(bank.list_credential_password_ip(access).await)?.value;
    same("a device in use", &devices.iter().any(|d| d.active), &true)?;
    told(bank.close_session(access).await)?;
    same("sessions", &sandbox.with(|b| b.living_sessions()), &0)?;
    let closed = bank.user(access).await.err().map(|e| e.class());
    same("after the end", &closed, &Some(Class::Session))
}

/// Every page is walked, over the wire.
pub(crate) async fn a_long_list_is_read_whole() -> Outcome {
    let sandbox = sandbox(Options::default()).await?;
    sandbox.behave(|behaviour| behaviour.max_page = 2);
    let bank = bank(&sandbox, None)?;
    let talk = Conversation::open(&sandbox, &bank, &key_pair().await?).await?;
    let user = talk.session.user.id;
    sandbox.with(|bank| {
        for _ in 0..6 {
            bank.create_by_hand(user, None, &[]);
        }
    });
    let clients = told(bank.list_oauth_clients(&talk.access()).await)?.value;
    same("clients", &clients.len(), &7)
}

/// What the bank refuses in the handshake, by class.
pub(crate) async fn a_handshake_is_refused_in_the_banks_own_words() -> Outcome {
    let sandbox = sandbox(Options::default()).await?;
    let bank = bank(&sandbox, None)?;
    let keys = key_pair().await?;
    let talk = Conversation::open(&sandbox, &bank, &keys).await?;
    let installed = talk.installed();
    let class = |error: Option<Error>| error.map(|e| e.class());
    let again = bank.register_device(&installed, "test", &talk.api_key, &[]).await;
    same("second device", &class(again.err()), &Some(Class::DeviceExists))?;
    let wrong = ApiKey::new("sandbox_wrong").ok_or("no key")?;
    let session = bank.open_session(&installed, &wrong).await;
    same("wrong key", &class(session.err()), &Some(Class::Credentials))?;
    sandbox.with(testbed::sandbox::Bank::end_sessions);
    let ended = bank.user(&talk.access()).await;
    same("ended session", &class(ended.err()), &Some(Class::Session))?;
    let missing = told(bank.open_session(&installed, &talk.api_key).await)?.value;
    let access = Access { session_token: &missing.token, ..talk.access() };
    let missing = bank.get_oauth_client(&access, 4_242_424_242).await;
    same("missing client", &class(missing.err()), &Some(Class::NotFound))?;

    sandbox.behave(|behaviour| behaviour.session_user = SessionUser::UserApiKey);
    let granted = told(bank.open_session(&installed, &talk.api_key).await)?.value;
    same("kind", &granted.user.kind, &UserKind::ApiKey)?;
    sandbox.limit(true);
    told(bank.open_session(&installed, &talk.api_key).await)?;
    let throttled = bank.open_session(&installed, &talk.api_key).await;
    let retry_after = Duration::from_secs(30);
    same("limit", &class(throttled.err()), &Some(Class::Throttled { retry_after }))
}

/// Only a certificate of a known authority for this host, valid now, gets an API key (`H07`).
pub(crate) async fn only_a_trusted_certificate_gets_an_answer() -> Outcome {
    let keys = key_pair().await?;
    for (tls, trusts, answered) in [
        (Tls::Valid, true, true),
        (Tls::Valid, false, false),
        (Tls::WrongHost, true, false),
        (Tls::Expired, true, false),
        (Tls::NotYetValid, true, false),
        (Tls::SelfSigned, true, false),
    ] {
        let options = Options { tls: Some(tls), ..Options::default() };
        let sandbox = sandbox(options).await?;
        let bank = bank(&sandbox, sandbox.ca_pem().filter(|_| trusts))?;
        let outcome = bank.install(&keys).await;
        let what = format!("{tls:?}, authority known: {trusts}");
        same(&what, &outcome.is_ok(), &answered)?;
        if let Err(Error::Reach { source, .. }) = outcome {
            same(&what, &source.fault, &Fault::Tls)?;
        }
        same(&what, &sandbox.calls().len(), &usize::from(answered))?;
    }
    Ok(())
}
