//! Work in the background while this replica leads.
//!
//! | file | holds |
//! |---|---|
//! | `sweep` | frees claims and contexts that nobody holds |
//! | `census` | how many objects are in which state, for the metrics |

mod census;
mod sweep;

pub(crate) use census::Census;
pub(crate) use sweep::Sweeper;
