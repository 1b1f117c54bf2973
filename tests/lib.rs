//! testbed
pub mod controlplane;
pub mod harness;
pub mod sandbox;
