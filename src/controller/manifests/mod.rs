//! What is known of the manifests between passes.
//!
//! | file | holds |
//! |---|---|
//! | `objects` | all of them, and how a pass over one is asked for |
//! | `stream` | the watch on them |
//! | `memory` | what passes remember |
//! | `secrets` | news of the Secrets that they name |

mod memory;
mod objects;
mod secrets;
mod stream;

pub(crate) use memory::{Memories, Pair, Verified, draw};
pub(crate) use objects::{Asked, Objects};
pub(crate) use secrets::SecretWatches;
pub(crate) use stream::watched;
