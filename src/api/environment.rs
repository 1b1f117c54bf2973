//! The bank's two worlds, in the manifest's words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// bunq's two environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Environment {
    /// Real money.
    Production,
    /// Play money.
    Sandbox,
}
