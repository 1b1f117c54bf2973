//! What the tests and the demo need: a bunq emulator, a real Kubernetes control plane, and a world
//! that joins them with the operator.

pub mod controlplane;
pub mod harness;
pub mod sandbox;
