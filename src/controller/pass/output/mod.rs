//! The published Secret.
//!
//! | file | holds |
//! |---|---|
//! | `outlet` | the Secret of a manifest, and those of its earlier names |
//! | `wanted` | what it should hold, whether it does, and how it is written |

mod outlet;
mod wanted;

pub(super) use outlet::Outlet;
pub(super) use wanted::{Wanted, is_ours, published_pair};
