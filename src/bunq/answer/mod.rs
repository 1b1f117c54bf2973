//! What the bank answers: a success whose bytes are believed, or a refusal.
//!
//! | module | holds |
//! |---|---|
//! | `by_key` | objects of the bank are read by key |
//! | `envelope` | every form of JSON that is read |
//! | `believed` | a success that is believed, and what it holds |
//! | `classify` | from a refusal to an error |

mod believed;
mod by_key;
mod classify;
mod envelope;

pub(super) use believed::Believed;
pub use believed::Reply;
pub(super) use classify::Frame;
pub(super) use envelope::{CallbackItem, Envelope, Item, OauthClientItem, Pagination, RequestedByUser, UserItem};
