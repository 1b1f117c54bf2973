//! testbed
pub mod sandbox;

pub mod controlplane;
pub mod harness;
