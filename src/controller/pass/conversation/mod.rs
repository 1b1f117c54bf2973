//! One conversation with the bank.
//!
//! | file | holds |
//! |---|---|
//! | `talk` | with which key, in which session (renewed once), one turn per call |
//! | `ask` | calls about the client, as data |
//! | `reads` | what verified reads brought |

mod ask;
mod reads;
mod talk;

pub(super) use reads::Reads;
pub(super) use talk::Talk;
