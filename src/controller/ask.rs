//! Calls about the client: what they are asked with, and what they bring.

use crate::{
    bunq::{self, Access, Bank, Call, Class, OauthClient, Reply, UpdateBody},
    plan::{self, CreateBody, DesiredStatus, Mutation},
};

/// A call about the client.
pub(super) enum Ask<'a> {
    Clients,
    Client(u64),
    CallbackUrls(u64),
    Change(&'a Mutation),
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
            Self::Change(Mutation::Create(_)) => Call::CreateOauthClient,
            Self::Change(Mutation::SetStatus { .. } | Mutation::PutRedirectUrl { .. }) => Call::UpdateOauthClient,
            Self::Change(Mutation::AddUrl { .. }) => Call::CreateCallbackUrl,
            Self::Change(Mutation::ReplaceUrl { .. }) => Call::UpdateCallbackUrl,
            Self::Change(Mutation::RemoveUrl { .. }) => Call::DeleteCallbackUrl,
        }
    }
}

/// What became of a change that the bank did not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The bank said no.
    Refused,
    /// It may have been carried out.
    Unknown,
    /// It certainly was not carried out, and not for what it asks.
    NotCarriedOut,
}

impl Fate {
    /// The fate of a change that ended like this (`F02`).
    pub(super) fn of(error: &bunq::Error) -> Self {
        if error.may_have_been_applied() {
            return Self::Unknown;
        }
        match error.class() {
            Class::Refused | Class::NotFound | Class::MethodNotAllowed => Self::Refused,
            Class::Credentials
            | Class::Session
            | Class::DeviceExists
            | Class::UserSessionExists
            | Class::Throttled { .. }
            | Class::Unavailable
            | Class::Unexpected
            | Class::Unverified
            | Class::Malformed
            | Class::Network { .. }
            | Class::Local => Self::NotCarriedOut,
        }
    }

    /// The word in the audit line.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::NotCarriedOut => "not carried out",
        }
    }
}

/// Makes the call.
pub(super) async fn exchange(
    bank: &Bank,
    access: &Access<'_>,
    ask: &Ask<'_>,
    want: &plan::Desired,
) -> Result<Reply<Heard>, bunq::Error> {
    match ask {
        Ask::Clients => bank.list_oauth_clients(access).await.map(|reply| reply.map(Heard::Clients)),
        Ask::Client(id) => bank.get_oauth_client(access, *id).await.map(|reply| reply.map(Heard::Client)),
        Ask::CallbackUrls(id) => bank.list_callback_urls(access, *id).await.map(|reply| reply.map(Heard::CallbackUrls)),
        Ask::Change(mutation) => change(bank, access, mutation, want).await.map(|reply| reply.map(Heard::Changed)),
    }
}

async fn change(
    bank: &Bank,
    access: &Access<'_>,
    mutation: &Mutation,
    want: &plan::Desired,
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

fn create_body(body: CreateBody, want: &plan::Desired) -> bunq::CreateBody {
    let display_name = want.display_name.clone();
    let redirect_url = want.urls.first().cloned().unwrap_or_default();
    match body {
        CreateBody::Array => bunq::CreateBody::Array { display_name, redirect_url },
        CreateBody::Object => bunq::CreateBody::Object { display_name, redirect_url },
        CreateBody::StatusOnly => bunq::CreateBody::StatusOnly,
    }
}
