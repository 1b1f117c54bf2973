//! Where a bank lives. A base URL decides who receives the API key, so it is read strictly (`H01`).

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use thiserror::Error;

/// One of the bank's two worlds; a key works in one of them only (`bunq-api §1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Environment {
    /// Real money.
    Production,
    /// The bank's playground.
    Sandbox,
}

impl Environment {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Production, Self::Sandbox];

    /// `Production` or `Sandbox`, as the manifest writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "Production",
            Self::Sandbox => "Sandbox",
        }
    }

    /// Reads what [`Environment::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|environment| environment.as_str() == text)
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a base URL was refused. The texts never repeat the URL: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BaseUrlError {
    /// Something other than printable ASCII, or a backslash.
    #[error("must hold printable ASCII characters only, without spaces and backslashes")]
    Characters,
    /// Neither `https://` nor `http://`.
    #[error("must begin with https:// (or http:// for a literal loopback address)")]
    Scheme,
    /// `user:password@`.
    #[error("must not hold a user name or password")]
    UserInfo,
    /// `?…` or `#…`.
    #[error("must not hold a query or a fragment")]
    QueryOrFragment,
    /// No host, or one with characters that a host cannot have.
    #[error("must name a host")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("must have a port between 1 and 65535")]
    Port,
    /// Plain HTTP to something that is not a literal loopback address.
    #[error("may use http:// only with a literal loopback address (127.0.0.0/8 or [::1])")]
    PlainHttp,
    /// Does not end in `/v1/`, or has dots or percent signs in its path.
    #[error("must end in /v1/ and have a plain path")]
    Path,
}

/// The URL in front of every path of the REST interface; it ends in `/v1/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl {
    text: String,
    origin: usize,
    loopback: bool,
}

impl BaseUrl {
    /// Accepts https to any host, and http to a literal loopback address (`D10`).
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        if !text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
            return Err(BaseUrlError::Characters);
        }
        let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(BaseUrlError::Scheme),
        };
        if rest.contains(['?', '#']) {
            return Err(BaseUrlError::QueryOrFragment);
        }
        let (authority, path) = rest.split_once('/').ok_or(BaseUrlError::Path)?;
        if authority.contains('@') {
            return Err(BaseUrlError::UserInfo);
        }
        let loopback = check_authority(authority)?;
        if !secure && !loopback {
            return Err(BaseUrlError::PlainHttp);
        }
        check_path(path)?;
        Ok(Self { text: text.to_owned(), origin: text.len() - path.len() - 1, loopback })
    }

    /// Whether the host is a literal loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// The URL, byte by byte as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, without a slash.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.text[..self.origin]
    }

    /// The host, without brackets, and the port.
    #[must_use]
    pub fn host_and_port(&self) -> (&str, u16) {
        let origin = self.origin();
        let (scheme, authority) = origin.split_once("://").unwrap_or(("https", origin));
        let default = if scheme == "http" { 80 } else { 443 };
        // The last colon of an IPv6 address without a port stands inside of the brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(default)),
            Some(_) | None => (authority, default),
        };
        (host.trim_matches(['[', ']']), port)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Says whether the host is a literal loopback address.
fn check_authority(authority: &str) -> Result<bool, BaseUrlError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(BaseUrlError::Host)?;
        let address: Ipv6Addr = host.parse().map_err(|_| BaseUrlError::Host)?;
        match after.strip_prefix(':') {
            Some(port) => check_port(port)?,
            None if after.is_empty() => {}
            None => return Err(BaseUrlError::Host),
        }
        return Ok(address == Ipv6Addr::LOCALHOST);
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    port.map_or(Ok(()), check_port)?;
    check_name(host)?;
    // Rust's parser takes four plain decimal parts only: no `127.1`, no octal, no single number.
    match host.parse::<Ipv4Addr>() {
        Ok(address) => Ok(address.is_loopback()),
        Err(_) if looks_numeric(host) => Err(BaseUrlError::Host),
        Err(_) => Ok(false),
    }
}

fn check_name(host: &str) -> Result<(), BaseUrlError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    let well_formed =
        !host.is_empty() && host.bytes().all(plain) && !host.starts_with(['.', '-']) && !host.contains("..");
    if well_formed { Ok(()) } else { Err(BaseUrlError::Host) }
}

/// A host whose last part is a number is read as an IPv4 address by URL libraries, in forms
/// (`127.1`, `0x7f000001`, `2130706433`) that hide what they mean.
fn looks_numeric(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or(host);
    last.bytes().all(|b| b.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(is_hex)
        || last.strip_prefix("0X").is_some_and(is_hex)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn check_port(port: &str) -> Result<(), BaseUrlError> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if digits && number > 0 => Ok(()),
        _ => Err(BaseUrlError::Port),
    }
}

fn check_path(path: &str) -> Result<(), BaseUrlError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/');
    let ends = path == "v1/" || path.ends_with("/v1/");
    if ends && path.bytes().all(plain) && !path.contains("//") && !path.starts_with('/') {
        Ok(())
    } else {
        Err(BaseUrlError::Path)
    }
}

/// Everything that has an address in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// In front of every REST path.
    pub base: BaseUrl,
    /// Where an application sends its users.
    pub authorize: String,
    /// Where an application exchanges a code for a token.
    pub token: String,
}

impl Endpoints {
    /// The bank's own addresses; token hosts cannot be derived from one another (`bunq-api §1`).
    #[must_use]
    pub fn of(environment: Environment) -> Self {
        let (origin, authorize, token) = match environment {
            Environment::Production => {
                ("https://api.bunq.com", "https://oauth.bunq.com/auth", "https://api.oauth.bunq.com/v1/token")
            }
            Environment::Sandbox => (
                "https://public-api.sandbox.bunq.com",
                "https://oauth.sandbox.bunq.com/auth",
                "https://api-oauth.sandbox.bunq.com/v1/token",
            ),
        };
        Self {
            base: BaseUrl { text: format!("{origin}/v1/"), origin: origin.len(), loopback: false },
            authorize: authorize.to_owned(),
            token: token.to_owned(),
        }
    }

    /// A bank elsewhere: `<origin>/auth` and `<base>token` (`D10`).
    #[must_use]
    pub fn overridden(base: BaseUrl) -> Self {
        let authorize = format!("{}/auth", base.origin());
        let token = format!("{base}token");
        Self { base, authorize, token }
    }
}
