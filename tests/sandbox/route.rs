//! Paths: which endpoint, which template, which ids.

/// An endpoint, without the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Installation,
    InstallationById,
    ServerPublicKey,
    DeviceServer,
    DeviceServerById(u64),
    SessionServer,
    Session,
    Users,
    User(u64),
    OauthClients(u64),
    OauthClient(u64, u64),
    CallbackUrls(u64, u64),
    CallbackUrl(u64, u64, u64),
    Credentials(u64),
    Credential(u64, u64),
    PermittedIps(u64, u64),
    PermittedIp(u64, u64, u64),
    MonetaryAccounts(u64),
    SandboxUser,
    Token,
    Authorize,
    Unknown,
}

impl Endpoint {
    /// The user in the path.
    pub(crate) fn user(self) -> Option<u64> {
        match self {
            Self::User(user)
            | Self::OauthClients(user)
            | Self::OauthClient(user, _)
            | Self::CallbackUrls(user, _)
            | Self::CallbackUrl(user, ..)
            | Self::Credentials(user)
            | Self::Credential(user, _)
            | Self::PermittedIps(user, _)
            | Self::PermittedIp(user, ..)
            | Self::MonetaryAccounts(user) => Some(user),
            Self::Installation
            | Self::InstallationById
            | Self::ServerPublicKey
            | Self::DeviceServer
            | Self::DeviceServerById(_)
            | Self::SessionServer
            | Self::Session
            | Self::Users
            | Self::SandboxUser
            | Self::Token
            | Self::Authorize
            | Self::Unknown => None,
        }
    }
}

/// A path that was recognised, or [`Endpoint::Unknown`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) endpoint: Endpoint,
    pub(crate) template: &'static str,
}

/// Finds the endpoint of a path (without query).
pub(crate) fn route(path: &str) -> Route {
    let (endpoint, template) = recognise(path).unwrap_or((Endpoint::Unknown, "unknown"));
    Route { endpoint, template }
}

fn recognise(path: &str) -> Option<(Endpoint, &'static str)> {
    if path == "/auth" {
        return Some((Endpoint::Authorize, "auth"));
    }
    let segments: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
    let found = match segments.as_slice() {
        ["installation"] => (Endpoint::Installation, "installation"),
        ["installation", i] => {
            id(i)?;
            (Endpoint::InstallationById, "installation/{i}")
        }
        ["installation", i, "server-public-key"] => {
            id(i)?;
            let template = "installation/{i}/server-public-key";
            (Endpoint::ServerPublicKey, template)
        }
        ["device-server"] => (Endpoint::DeviceServer, "device-server"),
        ["device-server", d] => (Endpoint::DeviceServerById(id(d)?), "device-server/{d}"),
        ["session-server"] => (Endpoint::SessionServer, "session-server"),
        ["session", _] => (Endpoint::Session, "session/{s}"),
        ["user"] => (Endpoint::Users, "user"),
        ["user", u, rest @ ..] => return user_route(id(u)?, rest),
        ["sandbox-user-person"] => (Endpoint::SandboxUser, "sandbox-user-person"),
        ["sandbox-user-company"] => (Endpoint::SandboxUser, "sandbox-user-company"),
        ["token"] => (Endpoint::Token, "token"),
        _ => return None,
    };
    Some(found)
}

fn user_route(user: u64, rest: &[&str]) -> Option<(Endpoint, &'static str)> {
    const CLIENT: &str = "oauth-client";
    const URL: &str = "callback-url";
    const CREDENTIAL: &str = "credential-password-ip";
    let found = match rest {
        [] => (Endpoint::User(user), "user/{u}"),
        [it] if *it == CLIENT => (Endpoint::OauthClients(user), "user/{u}/oauth-client"),
        [it, c] if *it == CLIENT => (Endpoint::OauthClient(user, id(c)?), "user/{u}/oauth-client/{c}"),
        [it, c, url] if *it == CLIENT && *url == URL => {
            (Endpoint::CallbackUrls(user, id(c)?), "user/{u}/oauth-client/{c}/callback-url")
        }
        [it, c, url, m] if *it == CLIENT && *url == URL => {
            (Endpoint::CallbackUrl(user, id(c)?, id(m)?), "user/{u}/oauth-client/{c}/callback-url/{m}")
        }
        [it] if *it == CREDENTIAL => (Endpoint::Credentials(user), "user/{u}/credential-password-ip"),
        [it, p] if *it == CREDENTIAL => (Endpoint::Credential(user, id(p)?), "user/{u}/credential-password-ip/{p}"),
        [it, p, "ip"] if *it == CREDENTIAL => {
            (Endpoint::PermittedIps(user, id(p)?), "user/{u}/credential-password-ip/{p}/ip")
        }
        [it, p, "ip", i] if *it == CREDENTIAL => {
            (Endpoint::PermittedIp(user, id(p)?, id(i)?), "user/{u}/credential-password-ip/{p}/ip/{i}")
        }
        ["monetary-account-bank"] => (Endpoint::MonetaryAccounts(user), "user/{u}/monetary-account-bank"),
        _ => return None,
    };
    Some(found)
}

fn id(segment: &str) -> Option<u64> {
    segment.parse().ok()
}
