//! What people read; nothing here decides anything or calls the bank.
//!
//! | file | holds |
//! |---|---|
//! | `message` | sentences: the object, the cause, the next step |
//! | `status` | conditions, from a report |
//! | `event` | one Event per change of a reason |
//! | `audit` | one line for every attempt to change something at the bank |

mod audit;
mod event;
pub(crate) mod message;
pub(crate) mod status;

pub(crate) use audit::Author;
pub(crate) use event::{Herald, log};
