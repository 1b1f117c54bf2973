//! One attempt: build, sign, send, check, believe.
//!
//! | module | holds |
//! |---|---|
//! | `access` | what a handshake left for later calls |
//! | `attempt` | what is sent, and as whom |
//! | `judge` | what of an answer is believed |
//! | `span` | what traces tell of it |
//! | `audit` | who hears of every attempt to change something |
//! | `line` | the line to the bank: an attempt goes out, a believed answer comes back |

mod access;
mod attempt;
mod audit;
mod judge;
mod line;
mod span;

pub use access::{Access, Installed};
pub(super) use attempt::Attempt;
pub use audit::{Auditor, Ending, Told};
pub(super) use line::Line;
