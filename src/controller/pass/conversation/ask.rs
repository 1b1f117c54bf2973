//! Calls about the client: what they are asked with, and what they bring.

use crate::{
    bunq::{self, Access, Bank, Call, OauthClient, Reply, UpdateBody},
    plan::{CreateBody, Desired, DesiredStatus, Mutation},
};

/// A call about the client.
pub(super) enum Ask<'a> {
    Clients,
    Client(u64),
    CallbackUrls(u64),
    /// With the manifest that asks for it.
    Change(&'a Mutation, &'a Desired),
}

/// What a call brought.
pub(super) enum Heard {
    Clients(Vec<OauthClient>),
    Client(OauthClient),
    CallbackUrls(Vec<bunq::CallbackUrl>),
    Changed(Option<u64>),
}

impl Ask<'_> {
    pub(super) fn call(&self) -> Call {
        match self {
            Self::Clients => Call::ListOauthClients,
            Self::Client(_) => Call::GetOauthClient,
            Self::CallbackUrls(_) => Call::ListCallbackUrls,
            Self::Change(mutation, _) => call_of(mutation),
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

/// Makes the call.
pub(super) async fn exchange(bank: &Bank, access: &Access<'_>, ask: &Ask<'_>) -> Result<Reply<Heard>, bunq::Error> {
    match ask {
        Ask::Clients => bank.list_oauth_clients(access).await.map(|reply| reply.map(Heard::Clients)),
        Ask::Client(id) => bank.get_oauth_client(access, *id).await.map(|reply| reply.map(Heard::Client)),
        Ask::CallbackUrls(id) => bank.list_callback_urls(access, *id).await.map(|reply| reply.map(Heard::CallbackUrls)),
        Ask::Change(mutation, want) => {
            change(bank, access, mutation, want).await.map(|reply| reply.map(Heard::Changed))
        }
    }
}

async fn change(
    bank: &Bank,
    access: &Access<'_>,
    mutation: &Mutation,
    want: &Desired,
) -> Result<Reply<Option<u64>>, bunq::Error> {
    let nothing = |reply: Reply<()>| reply.map(|()| None);
    match mutation {
        Mutation::Create(body) => bank.create_oauth_client(access, &create_body(*body, want)).await,
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
