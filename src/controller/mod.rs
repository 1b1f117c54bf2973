//! The shell around the planner: it reads and writes Kubernetes and the bank.
//!
//! | module | holds |
//! |---|---|
//! | `reconcile`, `appointment` | the frame of a pass: live read, status, Events; when the next one is due |
//! | `pass`, `identify`, `execute`, `ask`, `observe` | one pass: gather, ask the planner, carry out |
//! | `audit` | one line for every attempt to change something at the bank |
//! | `login`, `context_store`, `context_secret` | sessions, and what survives a restart |
//! | `windows` | what an earlier process used of the bank's limits |
//! | `claim`, `sweep` | who may change which user's client |
//! | `secret`, `secret_watch` | the output Secret, and news of Secrets |
//! | `api_server`, `lanes`, `watching`, `listen`, `pages` | the connections to the API server; how everything is watched and listed |
//! | `run`, `waiting`, `supervise` | from the start to the end of the process |
//! | `status`, `message`, `events` | what people read |
//! | `census` | how many objects are in which state, for the metrics |
//! | `election`, `leadership`, `lease` | which replica works, and the fence before the bank |
//! | `error` | why a pass stops, and when it is tried again |

mod api_server;
mod appointment;
mod ask;
mod audit;
mod census;
mod claim;
mod context;
mod context_secret;
mod context_store;
mod election;
mod error;
mod events;
mod execute;
mod finalizer;
mod identify;
mod kube_call;
mod lanes;
mod leadership;
mod lease;
mod listen;
mod login;
mod message;
mod observe;
mod pages;
mod pass;
mod reconcile;
mod run;
mod secret;
mod secret_watch;
mod status;
mod supervise;
mod sweep;
mod waiting;
mod wake;
mod watching;
mod windows;

pub use api_server::{ApiServer, ConnectError};
pub use context::Config;
pub use kube_call::KubeCall;
pub use lease::LEASE_NAME;
pub use run::{RunError, run};
