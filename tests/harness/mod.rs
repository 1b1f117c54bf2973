//! What the scenarios share: the tables of cases, the oracles, and the model of the bank that the
//! planner is played against.

pub mod bank_model;
pub mod campaign;
pub mod cases;
pub mod dice;
pub mod guard;
pub mod habits;
pub mod kube_model;
pub mod oauth_client;
pub mod oracle;
pub mod play;
pub mod story;
