//! What survives a restart, per API key: key pair, installation, device and session (D7).
//!
//! | file | holds |
//! |---|---|
//! | `stored` | the name of its Secret, and its form there; pure |
//! | `store` | all contexts, in memory and in Secrets |

mod store;
pub(crate) mod stored;

pub(crate) use store::{ContextStore, Entry, Keys};
pub(crate) use stored::{ContextId, Stored};
