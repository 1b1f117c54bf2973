//! testbed
pub mod sandbox;

pub mod controlplane;
