//! Every request of the conversation by name.

use std::fmt;

/// The methods that the bank's interface uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates.
    Post,
    /// Changes.
    Put,
    /// Removes.
    Delete,
}

impl Method {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A request by method and path template: the name in errors, logs, metrics and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// `POST installation`
    CreateInstallation,
    /// `POST device-server`
    CreateDeviceServer,
    /// `POST session-server`
    CreateSession,
    /// `DELETE session/{id}`
    DeleteSession,
    /// `GET user/{user}`
    GetUser,
    /// `GET user/{user}/oauth-client`
    ListOauthClients,
    /// `GET user/{user}/oauth-client/{id}`
    GetOauthClient,
    /// `POST user/{user}/oauth-client`
    CreateOauthClient,
    /// `PUT user/{user}/oauth-client/{id}`
    UpdateOauthClient,
    /// `GET user/{user}/oauth-client/{id}/callback-url`
    ListCallbackUrls,
    /// `POST user/{user}/oauth-client/{id}/callback-url`
    CreateCallbackUrl,
    /// `PUT user/{user}/oauth-client/{id}/callback-url/{id}`
    UpdateCallbackUrl,
    /// `DELETE user/{user}/oauth-client/{id}/callback-url/{id}`
    DeleteCallbackUrl,
    /// `GET user/{user}/credential-password-ip`
    ListCredentialIps,
}

impl Call {
    /// Every call there is.
    pub const ALL: [Self; 14] = [
        Self::CreateInstallation,
        Self::CreateDeviceServer,
        Self::CreateSession,
        Self::DeleteSession,
        Self::GetUser,
        Self::ListOauthClients,
        Self::GetOauthClient,
        Self::CreateOauthClient,
        Self::UpdateOauthClient,
        Self::ListCallbackUrls,
        Self::CreateCallbackUrl,
        Self::UpdateCallbackUrl,
        Self::DeleteCallbackUrl,
        Self::ListCredentialIps,
    ];

    /// The method.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::GetUser
            | Self::ListOauthClients
            | Self::GetOauthClient
            | Self::ListCallbackUrls
            | Self::ListCredentialIps => Method::Get,
            Self::CreateInstallation
            | Self::CreateDeviceServer
            | Self::CreateSession
            | Self::CreateOauthClient
            | Self::CreateCallbackUrl => Method::Post,
            Self::UpdateOauthClient | Self::UpdateCallbackUrl => Method::Put,
            Self::DeleteSession | Self::DeleteCallbackUrl => Method::Delete,
        }
    }

    /// The path below `/v1/` with its ids left open.
    #[must_use]
    pub fn template(self) -> &'static str {
        match self {
            Self::CreateInstallation => "installation",
            Self::CreateDeviceServer => "device-server",
            Self::CreateSession => "session-server",
            Self::DeleteSession => "session/{id}",
            Self::GetUser => "user/{user}",
            Self::ListOauthClients | Self::CreateOauthClient => "user/{user}/oauth-client",
            Self::GetOauthClient | Self::UpdateOauthClient => "user/{user}/oauth-client/{id}",
            Self::ListCallbackUrls | Self::CreateCallbackUrl => "user/{user}/oauth-client/{id}/callback-url",
            Self::UpdateCallbackUrl | Self::DeleteCallbackUrl => "user/{user}/oauth-client/{id}/callback-url/{id}",
            Self::ListCredentialIps => "user/{user}/credential-password-ip",
        }
    }

    /// Whether the call can change something at the bank.
    #[must_use]
    pub fn is_mutation(self) -> bool {
        self.method() != Method::Get
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method().as_str(), self.template())
    }
}
