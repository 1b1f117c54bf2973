//! testbed
pub mod sandbox;
