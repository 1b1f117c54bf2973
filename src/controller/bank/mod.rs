//! One polite caller of the bank.
//!
//! | file | holds |
//! |---|---|
//! | `gate` | whose turn it is, how many calls are under way, who asks whether the bank is back |
//! | `doubt` | since when the bank's signatures have been wrong |
//! | `windows` | what an earlier process used of the bank's limits |
//! | `fate` | what became of a change |

mod doubt;
mod fate;
mod gate;
mod windows;

pub(crate) use fate::Fate;
pub(crate) use gate::{Banks, Gate, Turn};
