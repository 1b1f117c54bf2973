//! testbed
pub mod controlplane;
pub mod sandbox;
