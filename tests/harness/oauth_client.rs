//! An application that logs its users in with what the operator published, by the `oauth2` crate.
//!
//! The login is proven by what the token opens: a bank session of a `UserApiKey` (protocol §11).

#[path = "../../docs/login/oauth2.rs"]
pub mod adapter;
#[cfg(test)]
mod python;
mod redirect;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bunq_oauth_operator::bunq::{
    ApiKey, Bank, Endpoints, HttpOptions, HttpTransport, HttpTransportError, Installed, KeyError, KeyPair, Session,
    UserKind,
};
use oauth2::basic::{BasicClient, BasicRequestTokenError};
use oauth2::{
    AccessToken, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, RedirectUrl, TokenResponse,
    TokenUrl,
};

pub use redirect::RedirectListener;
use redirect::browse;

/// Why nobody is logged in. No text holds a secret, a code or a token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Secret lacks something.
    #[error("the Secret has no text under the key {0}")]
    Secret(&'static str),
    /// The Secret holds something that is no URL.
    #[error("the Secret's {key} is not a URL")]
    Url {
        /// Which.
        key: &'static str,
        /// Why not.
        #[source]
        source: oauth2::url::ParseError,
    },
    /// The redirect URL's listener failed.
    #[error("listen at the redirect URL")]
    Listen(#[source] std::io::Error),
    /// The authorization page could not be opened.
    #[error("open the authorization URL")]
    Browse(#[source] reqwest::Error),
    /// The bank did not send the user back.
    #[error("the authorization page answered HTTP {status}: {text}")]
    Refused {
        /// HTTP.
        status: u16,
        /// The page, shortened.
        text: String,
    },
    /// Nobody came to the redirect URL.
    #[error("nobody came to the redirect URL in {0} s")]
    NobodyCame(u64),
    /// Somebody came to the redirect URL without what we wait for.
    #[error("the redirect URL was called without {0}")]
    Arrival(&'static str),
    /// The state is not the one that was sent: somebody else's answer.
    #[error("the redirect URL was called with another state than the one that was sent")]
    State,
    /// The code was not exchanged.
    #[error("exchange the code for a token")]
    Exchange(#[source] Box<BasicRequestTokenError<adapter::TokenRequestError>>),
    /// No key pair for the bank session.
    #[error("make a key pair for the bank session")]
    Key(#[source] KeyError),
    /// No connection to the bank.
    #[error("connect to the bank")]
    Connect(#[source] HttpTransportError),
    /// The bank does not accept the token.
    #[error("open a bank session with the token")]
    Session(#[source] bunq_oauth_operator::bunq::Error),
    /// The token opens a session of something else than a login.
    #[error("the token opens a session of a {}, not of a UserApiKey", .0.as_str())]
    NotALogin(UserKind),
}

/// A proven login.
#[derive(Debug)]
pub struct LoggedIn {
    /// Where the user was sent, the state included.
    pub authorization_url: String,
    /// The bank session that the token opened: its user is a `UserApiKey`.
    pub session: Session,
}

/// What the operator publishes (`D12`, the plain keys), as an application reads it.
struct Credentials {
    id: ClientId,
    secret: ClientSecret,
    authorize: AuthUrl,
    token: TokenUrl,
    redirect: RedirectUrl,
}

/// Logs a user in as an application would: `secret_data` is the data of the output Secret, `redirect` listens at its
/// `redirect_uri`, `endpoints` is the bank that the session is opened at. The user consents at once, as the emulator's
/// users do.
pub async fn log_in(
    secret_data: &BTreeMap<String, Vec<u8>>,
    redirect: &RedirectListener,
    endpoints: Endpoints,
) -> Result<LoggedIn, Error> {
    let transport = HttpTransport::new(HttpOptions::default()).map_err(Error::Connect)?;
    let Credentials { id, secret, authorize, token, redirect: redirect_url } = Credentials::read(secret_data)?;
    let client = BasicClient::new(id)
        .set_client_secret(secret)
        .set_auth_type(AuthType::RequestBody)
        .set_auth_uri(authorize)
        .set_token_uri(token)
        .set_redirect_uri(redirect_url);

    let (url, state) = client.authorize_url(CsrfToken::new_random).url();
    let (arrived, ()) = tokio::try_join!(redirect.arrival(), browse(url.as_str()))?;
    if arrived.state != *state.secret() {
        return Err(Error::State);
    }

    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().map_err(Error::Browse)?;
    let send = |request| adapter::send_token_request(&http, request);
    let answer = client
        .exchange_code(AuthorizationCode::new(arrived.code))
        .request_async(&send)
        .await
        .map_err(|error| Error::Exchange(Box::new(error)))?;

    let bank = Bank::new(endpoints, Arc::new(transport), "an-application/1.0");
    let session = open_session(&bank, answer.access_token()).await?;
    match session.user.kind {
        UserKind::ApiKey => Ok(LoggedIn { authorization_url: url.into(), session }),
        kind @ (UserKind::Person | UserKind::Company | UserKind::PaymentServiceProvider) => Err(Error::NotALogin(kind)),
    }
}

impl Credentials {
    fn read(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, Error> {
        let text = |key: &'static str| {
            let bytes = data.get(key).ok_or(Error::Secret(key))?;
            String::from_utf8(bytes.clone()).map_err(|_| Error::Secret(key))
        };
        let not_a_url = |key: &'static str| move |source| Error::Url { key, source };
        Ok(Self {
            id: ClientId::new(text("client_id")?),
            secret: ClientSecret::new(text("client_secret")?),
            authorize: AuthUrl::new(text("authorization_uri")?).map_err(not_a_url("authorization_uri"))?,
            token: TokenUrl::new(text("token_uri")?).map_err(not_a_url("token_uri"))?,
            redirect: RedirectUrl::new(text("redirect_uri")?).map_err(not_a_url("redirect_uri"))?,
        })
    }
}

/// An access token is an API key: the whole handshake is the application's own.
async fn open_session(bank: &Bank, token: &AccessToken) -> Result<Session, Error> {
    let key = tokio::task::spawn_blocking(KeyPair::generate).await.unwrap_or(Err(KeyError::Generate));
    let key_pair = key.map_err(Error::Key)?;
    let api_key = ApiKey::new(token.secret()).ok_or(Error::Arrival("a usable token"))?;
    let installation = bank.install(&key_pair).await.map_err(Error::Session)?.value;
    let installed = Installed { key_pair: &key_pair, server_key: &installation.server_key, token: &installation.token };
    bank.register_device(&installed, "an application", &api_key, &[]).await.map_err(Error::Session)?;
    Ok(bank.open_session(&installed, &api_key).await.map_err(Error::Session)?.value)
}
