//! The shell around the planner: it reads and writes Kubernetes and the bank.
//!
//! From the ground up; each may know what stands above it here, as far as the arrows go that a test of the house keeps.
//!
//! | module | holds |
//! |---|---|
//! | `config` | everything that can be set |
//! | `digest`, `labels`, `format` | hashes as text; labels of claims and contexts, and the form in which they are stored |
//! | `api_server` | every call to the API server; how things are watched and listed |
//! | `lead` | which replica works, and the fence before the bank |
//! | `stop` | why a pass ends early, and when to come again |
//! | `context` | what survives a restart, per API key |
//! | `claim` | the ConfigMap that says who may change which user's client: made, taken over, freed |
//! | `manifests` | what is known of the manifests between passes |
//! | `bank` | one polite caller of the bank |
//! | `session` | from an API key to an open session |
//! | `tell` | what people read |
//! | `pass` | one manifest, once |
//! | `keep` | work in the background while this replica leads |
//! | `run` | the process, from its start to its end |
//! | `fixtures` | what tests share |

mod api_server;
mod bank;
mod claim;
mod config;
mod context;
mod digest;
#[cfg(test)]
mod fixtures;
mod format;
mod keep;
mod labels;
mod lead;
mod manifests;
mod pass;
mod run;
mod session;
mod stop;
mod tell;

pub use api_server::{ApiServer, ConnectError, KubeCall};
pub use config::Config;
pub use lead::LEASE_NAME;
pub use run::{RunError, run};
