//! testbed

pub mod controlplane;
