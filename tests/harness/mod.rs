//! What the scenarios share: the worlds they play in, the tables of cases and the oracles.

pub mod audit_trail;
pub mod bench;
pub mod canary;
pub mod cases;
pub mod deployment;
pub mod oracle;
pub mod outcome;
pub mod process;
pub mod test_clock;
pub mod witness;
pub mod world;

pub use bench::Bench;
pub use outcome::{Outcome, chain, ensure, ensure_eq};
pub use test_clock::TestClock;
pub use world::World;
