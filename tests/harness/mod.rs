//! What the scenarios share: the tables of cases and the oracles.

pub mod cases;
pub mod oauth_client;
pub mod oracle;
