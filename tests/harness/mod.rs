//! What the scenarios share: the worlds they play in, the tables of cases, the oracles, and the
//! model of the bank that the planner is played against.

pub mod api_proxy;
pub mod audit_trail;
pub mod bank_model;
pub mod bench;
pub mod campaign;
pub mod canary;
pub mod cases;
pub mod collector;
pub mod crash;
pub mod deployment;
pub mod dice;
pub mod guard;
pub mod habits;
pub mod history;
pub mod kube_model;
pub mod meddle;
pub mod oauth_client;
pub mod oracle;
pub mod outcome;
pub mod pair_watch;
pub mod pairs;
pub mod play;
pub mod process;
pub mod replica;
pub mod rights;
pub mod scatter;
pub mod story;
pub mod test_clock;
pub mod until;
pub mod walk;
pub mod windows;
pub mod witness;
pub mod world;

pub use bench::Bench;
pub use outcome::{Outcome, chain, ensure, ensure_eq};
pub use test_clock::TestClock;
pub use until::until;
pub use world::World;
