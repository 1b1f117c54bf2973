//! The shell around the planner: it reads and writes Kubernetes and the bank.
//!
//! | module | holds |
//! |---|---|
//! | `reconcile` | the frame of a pass: live read, status, Events, next appointment |
//! | `pass`, `identify`, `execute`, `ask`, `observe` | one pass: gather, ask the planner, carry out |
//! | `login`, `context_store`, `context_secret` | sessions, and what survives a restart |
//! | `windows` | what an earlier process used of the bank's limits |
//! | `claim`, `sweep` | who may change which user's client |
//! | `secret`, `secret_watch` | the output Secret, and news of Secrets |
//! | `status`, `message`, `events` | what people read |
//! | `census` | how many objects are in which state, for the metrics |
//! | `error` | why a pass stops, and when it is tried again |

mod ask;
mod census;
mod claim;
mod context;
mod context_secret;
mod context_store;
mod error;
mod events;
mod execute;
mod finalizer;
mod identify;
mod kube_call;
mod listen;
mod login;
mod message;
mod observe;
mod pass;
mod reconcile;
mod run;
mod secret;
mod secret_watch;
mod status;
mod sweep;
mod wake;
mod windows;

pub use context::Config;
pub use kube_call::KubeCall;
pub use run::{RunError, run};
