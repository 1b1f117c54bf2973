//! The only seam of the client: one request out, one answer back.

use std::{fmt, time::Duration};

use futures::future::BoxFuture;
use reqwest::header::HeaderMap;
use thiserror::Error;
use zeroize::Zeroizing;

use super::call::Method;

/// The largest answer that is read, in bytes (`F22`).
pub const MAX_BODY: usize = 1024 * 1024;

/// Carries one request to the bank. It never repeats a request and never follows a redirect.
pub trait Transport: Send + Sync {
    /// Sends and waits for the whole answer, no longer than the request's deadline.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>>;
}

/// What goes over the wire, exactly. `Debug` shows neither body nor header values.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// All headers; tokens are marked sensitive.
    pub headers: HeaderMap,
    /// These bytes were signed; they are sent as they are.
    pub body: Option<Zeroizing<Vec<u8>>>,
    /// For connecting, sending and reading together.
    pub deadline: Duration,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).field("url", &self.url).finish_non_exhaustive()
    }
}

/// What came back, exactly. `Debug` shows neither body nor header values.
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// At most [`MAX_BODY`] bytes, as received.
    pub body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// How far a request had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Certainly nothing of it left: no address, no connection, no TLS.
    NotSent,
    /// The bank may have received it and may have acted on it.
    MaybeSent,
}

/// What broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request could not be built.
    Invalid,
    /// It was held back before anything of it left: whoever sends may not change anything now.
    Withheld,
    /// The host name has no address.
    Dns,
    /// No connection (refused, unreachable, proxy).
    Connect,
    /// No trust: certificate, host name or protocol version (`H07`).
    Tls,
    /// The deadline passed.
    Timeout,
    /// The connection ended before the answer did.
    Interrupted,
    /// The answer is larger than [`MAX_BODY`].
    TooLarge,
}

/// A request without an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct TransportError {
    /// How far it came.
    pub stage: Stage,
    /// What broke.
    pub fault: Fault,
    /// For people; no URL, no header, no body.
    pub detail: String,
}
