//! testbed
pub mod harness;
