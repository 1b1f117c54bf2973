//! Calls about the client: what they are asked with, and what they bring.

use async_trait::async_trait;

use crate::{
    bunq::{self, Access, Bank, Call, CallbackUrl, OauthClient, Reply, UpdateBody},
    plan::{CreateBody, Desired, DesiredStatus, Mutation},
};

/// A call about the client.
#[async_trait]
pub(super) trait Ask: Sync {
    /// What it brings.
    type Answer: Send;

    fn call(&self) -> Call;

    async fn put(&self, bank: &Bank, access: &Access<'_>) -> Result<Reply<Self::Answer>, bunq::Error>;
}

/// Every client of the user.
pub(super) struct Clients;

#[async_trait]
impl Ask for Clients {
    type Answer = Vec<OauthClient>;

    fn call(&self) -> Call {
        Call::ListOauthClients
    }

    async fn put(&self, bank: &Bank, access: &Access<'_>) -> Result<Reply<Self::Answer>, bunq::Error> {
        bank.list_oauth_clients(access).await
    }
}

/// One client.
pub(super) struct Client(pub(super) u64);

#[async_trait]
impl Ask for Client {
    type Answer = OauthClient;

    fn call(&self) -> Call {
        Call::GetOauthClient
    }

    async fn put(&self, bank: &Bank, access: &Access<'_>) -> Result<Reply<Self::Answer>, bunq::Error> {
        bank.get_oauth_client(access, self.0).await
    }
}

/// The redirect URLs of a client.
pub(super) struct CallbackUrls(pub(super) u64);

#[async_trait]
impl Ask for CallbackUrls {
    type Answer = Vec<CallbackUrl>;

    fn call(&self) -> Call {
        Call::ListCallbackUrls
    }

    async fn put(&self, bank: &Bank, access: &Access<'_>) -> Result<Reply<Self::Answer>, bunq::Error> {
        bank.list_callback_urls(access, self.0).await
    }
}

/// A change, with the manifest that asks for it; a creation may bring an id.
pub(super) struct Change<'a>(pub(super) &'a Mutation, pub(super) &'a Desired);

#[async_trait]
impl Ask for Change<'_> {
    type Answer = Option<u64>;

    fn call(&self) -> Call {
        call_of(self.0)
    }

    async fn put(&self, bank: &Bank, access: &Access<'_>) -> Result<Reply<Self::Answer>, bunq::Error> {
        let nothing = |reply: Reply<()>| reply.map(|()| None);
        match self.0 {
            Mutation::Create(body) => bank.create_oauth_client(access, &create_body(*body, self.1)).await,
            Mutation::SetStatus { client, status } => {
                let body = UpdateBody { status: Some(status_word(*status)), redirect_url: None };
                bank.update_oauth_client(access, *client, &body).await.map(nothing)
            }
            Mutation::PutRedirectUrl { client, url, with_status } => {
                let status = with_status.then_some(bunq::ClientStatus::Active);
                let body = UpdateBody { status, redirect_url: Some(url.clone()) };
                bank.update_oauth_client(access, *client, &body).await.map(nothing)
            }
            Mutation::AddUrl { client, url } => bank.create_callback_url(access, *client, url).await,
            Mutation::ReplaceUrl { client, entry, url } => {
                bank.update_callback_url(access, *client, *entry, url).await.map(nothing)
            }
            Mutation::RemoveUrl { client, entry, .. } => {
                bank.delete_callback_url(access, *client, *entry).await.map(nothing)
            }
        }
    }
}

/// The call that carries out a change.
pub(super) fn call_of(mutation: &Mutation) -> Call {
    match mutation {
        Mutation::Create(_) => Call::CreateOauthClient,
        Mutation::SetStatus { .. } | Mutation::PutRedirectUrl { .. } => Call::UpdateOauthClient,
        Mutation::AddUrl { .. } => Call::CreateCallbackUrl,
        Mutation::ReplaceUrl { .. } => Call::UpdateCallbackUrl,
        Mutation::RemoveUrl { .. } => Call::DeleteCallbackUrl,
    }
}

fn status_word(status: DesiredStatus) -> bunq::ClientStatus {
    match status {
        DesiredStatus::Active => bunq::ClientStatus::Active,
        DesiredStatus::Cancelled => bunq::ClientStatus::Cancelled,
    }
}

fn create_body(body: CreateBody, want: &Desired) -> bunq::CreateBody {
    let display_name = want.display_name.clone();
    let redirect_url = want.urls.first().cloned().unwrap_or_default();
    match body {
        CreateBody::Array => bunq::CreateBody::Array { display_name, redirect_url },
        CreateBody::Object => bunq::CreateBody::Object { display_name, redirect_url },
        CreateBody::StatusOnly => bunq::CreateBody::StatusOnly,
    }
}
