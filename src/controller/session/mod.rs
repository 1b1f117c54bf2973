//! From an API key to an open session.
//!
//! | file | holds |
//! |---|---|
//! | `caller` | who asks, and how urgent it is |
//! | `sessions` | sessions of all keys: opened, ended, refused; `pass` decides to renew one |
//! | `handshake` | the four steps, each written down before the next |
//! | `refusal` | a key that the bank refused, and when it is tried again |
//! | `login` | an open session |

mod caller;
mod handshake;
mod login;
mod refusal;
mod sessions;

pub(crate) use caller::Caller;
pub(crate) use handshake::{Device, Means};
pub(crate) use login::Login;
pub(crate) use sessions::Sessions;
