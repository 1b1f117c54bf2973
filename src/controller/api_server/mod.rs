//! The API server: every call to it by name and with a deadline; how things are watched and listed.
//!
//! | file | holds |
//! |---|---|
//! | `connection` | the connections that calls go by |
//! | `lanes` | connections that watches share |
//! | `settings` | how many requests a server lets share a connection |
//! | `call` | every call by name, its deadline, and how it fails |
//! | `pages` | lists in small pages |
//! | `watch` | how a watch begins, and its pauses |
//! | `served` | the API server and the definition are there |

mod call;
mod connection;
mod lanes;
mod pages;
mod served;
mod settings;
mod watch;

pub use call::KubeCall;
pub use connection::{ApiServer, ConnectError};

pub(crate) use call::{CallError, absent, call, failed_with, status_code};
pub(crate) use lanes::Lanes;
pub(crate) use pages::Pages;
pub(crate) use served::until_served;
pub(crate) use watch::{Pauses, listen};
