//! What the scenarios stand on.

pub mod bank_model;
pub mod campaign;
pub mod dice;
pub mod guard;
pub mod habits;
pub mod kube_model;
pub mod play;
pub mod story;
