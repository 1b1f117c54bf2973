//! What the whole conversation stands on: addresses, names of calls, keys, errors, and the way out.
//!
//! | module | holds |
//! |---|---|
//! | `base_url` | where a bank lives: [`Environment`], [`BaseUrl`], [`Endpoints`] |
//! | `call` | every request by name: method, path template |
//! | `user` | whose session it is |
//! | `api_key` | the API key |
//! | `signature` | key pairs, the bank's key |
//! | `transport` | the one seam: a request out, an answer back |
//! | `error` | what can go wrong, and what it means |
//! | `bank_text` | the bank's own words, made fit for people's eyes |
//! | `http` | the real transport |

mod api_key;
pub(super) mod bank_text;
mod base_url;
mod call;
mod error;
mod http;
mod signature;
mod transport;
mod user;

pub use api_key::ApiKey;
pub use base_url::{BaseUrl, BaseUrlError, Endpoints, Environment};
pub use call::{Call, Method};
pub use error::{Answer, Class, Distrust, Error};
pub use http::{HttpOptions, HttpTransport, HttpTransportError};
pub use signature::{KeyError, KeyPair, ServerKey, SignatureError};
pub use transport::{Fault, MAX_BODY, Request, Response, Stage, Transport, TransportError};
pub use user::{User, UserKind};
