//! The bank's REST conversation: typed, signed, verified.
//!
//! Facts are cited as `bunq-api §n`, faults and threats by id (`F21`, `H01`).
//!
//! | module | holds |
//! |---|---|
//! | `base_url` | where a bank lives: [`Environment`], [`BaseUrl`], [`Endpoints`] |
//! | `audit` | who hears of every attempt to change something |
//! | `call` | every request by name: method, path template |
//! | `transport`, `http` | the one seam, and the real thing behind it |
//! | `api_key`, `signature` | API keys, key pairs, the bank's key |
//! | `envelope`, `exchange`, `by_key` | building requests, verifying and decoding answers |
//! | `client`, `handshake`, `oauth_client`, `callback`, `credential_ip` | the calls |
//! | `context` | what a handshake leaves behind and which step is next (pure) |
//! | `limit` | the bank's windows (pure) |
//! | `span` | what traces tell of a request |
//! | `error`, `classify`, `bank_text` | what can go wrong, in the bank's own (sanitised) words |

mod access;
mod api_key;
mod attempt;
mod audit;
mod bank;
mod bank_text;
mod base_url;
mod believed;
mod breaker;
mod by_key;
mod call;
mod callback;
mod classify;
mod context;
mod credential_ip;
mod envelope;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod handshake;
mod http;
mod judge;
mod limit;
mod line;
mod listing;
mod oauth_client;
mod path;
mod signature;
mod span;
mod transport;
mod user;

#[cfg(test)]
mod tests;

pub use access::{Access, Installed};
pub use api_key::ApiKey;
pub use audit::{Auditor, Ending, Told};
pub use bank::Bank;
pub use base_url::{BaseUrl, BaseUrlError, Endpoints, Environment};
pub use believed::Reply;
pub use breaker::Breaker;
pub use call::{Call, Method};
pub use callback::CallbackUrl;
pub use context::{
    Context, DeviceRecord, HandshakeStep, InstallationRecord, MAX_REINSTALLATIONS_PER_DAY, SessionRecord, next_step,
    reinstallation_wait, session_usable_until,
};
pub use credential_ip::PermittedDevice;
pub use error::{Answer, Class, Distrust, Error};
pub use handshake::{DeviceId, Installation, Session};
pub use http::{HttpOptions, HttpTransport, HttpTransportError};
pub use limit::{LimitMode, Limiter, Priority, SESSION_WINDOW};
pub use oauth_client::{ClientStatus, CreateBody, OauthClient, UpdateBody, Urls};
pub use signature::{KeyError, KeyPair, ServerKey, SignatureError};
pub use transport::{Fault, MAX_BODY, Request, Response, Stage, Transport, TransportError};
pub use user::{User, UserKind};
