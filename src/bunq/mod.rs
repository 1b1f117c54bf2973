//! The bank's REST conversation: typed, signed, verified.
//!
//! Facts are cited as `bunq-api §n`, faults and threats by id (`F21`, `H01`).
//!
//! From the ground up; each knows only what stands above it in the table (a test keeps it so):
//!
//! | module | holds |
//! |---|---|
//! | `ground` | addresses, names of calls, keys, errors, `trait Transport` and the real thing behind it |
//! | `answer` | the forms of JSON; a believed success, or a refusal |
//! | `exchange` | one attempt: build, sign, send, check, believe |
//! | `calls` | what is asked, and what the answer says |
//! | `bank` | [`Bank`]: every call as a method |
//!
//! Beside them, and pure:
//!
//! | module | holds |
//! |---|---|
//! | `context` | what a handshake leaves behind and which step is next |
//! | `limit` | the bank's windows, as a queue |
//! | `breaker` | whether the bank is there |
//! | `fuzz` | what holds for every answer, whatever stands in it |

mod answer;
mod bank;
mod breaker;
mod calls;
mod context;
mod exchange;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod ground;
mod limit;

#[cfg(test)]
mod tests;

pub use answer::Reply;
pub use bank::Bank;
pub use breaker::Breaker;
pub use calls::{
    callback::CallbackUrl,
    credential_ip::PermittedDevice,
    handshake::{DeviceId, Installation, Session},
    oauth_client::{ClientStatus, CreateBody, OauthClient, UpdateBody, Urls},
};
pub use context::{
    Context, DeviceRecord, HandshakeStep, InstallationRecord, MAX_REINSTALLATIONS_PER_DAY, SessionRecord, next_step,
    reinstallation_wait, session_usable_until,
};
pub use exchange::{Access, Auditor, Ending, Installed, Told};
pub use ground::{
    Answer, ApiKey, BaseUrl, BaseUrlError, Call, Class, Distrust, Endpoints, Environment, Error, Fault, HttpOptions,
    HttpTransport, HttpTransportError, KeyError, KeyPair, MAX_BODY, Method, Request, Response, ServerKey,
    SignatureError, Stage, Transport, TransportError, User, UserKind,
};
pub use limit::{Asker, LimitMode, Limiter, Priority, SESSION_WINDOW};
