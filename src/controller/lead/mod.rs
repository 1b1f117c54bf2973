//! Which replica works, and the fence before the bank.
//!
//! | file | holds |
//! |---|---|
//! | `election` | who may lead, by client-go's rules; pure |
//! | `lease` | the Lease: taken, renewed, given back |
//! | `term` | whether this process leads |
//! | `fence` | the transport that lets no late change through |
//! | `duty` | whether work may begin |

mod duty;
mod election;
mod fence;
mod lease;
mod term;

pub use lease::LEASE_NAME;

pub(crate) use duty::Duty;
pub(crate) use fence::Fenced;
pub(crate) use lease::{Candidate, Heir, LeaseOf};
pub(crate) use term::Leadership;
