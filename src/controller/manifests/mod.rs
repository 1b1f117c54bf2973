//! What is known of the manifests between passes.
//!
//! | file | holds |
//! |---|---|
//! | `objects` | all of them, and how a pass over one is asked for |
//! | `manifest` | one of them, in a few hundred bytes |
//! | `words` | what its status says, in a byte a word |
//! | `heard` | how it is read from the watch |
//! | `stream` | the watch on them |
//! | `memory` | what passes remember |
//! | `secrets` | news of the Secrets that they name |

mod heard;
mod manifest;
mod memory;
mod objects;
mod secrets;
mod stream;
mod words;

pub(crate) use manifest::Manifest;
pub(crate) use memory::{CauseId, Memories, Memory, Pair, Verified, draw};
pub(crate) use objects::{Asked, Objects};
pub(crate) use secrets::SecretWatches;
pub(crate) use stream::watched;
pub(crate) use words::Shown;
