//! What the tests and the demo need: a bunq emulator, a real Kubernetes control plane, a world that
//! joins them with the operator, and Prometheus' own judgement of its metrics.

pub mod controlplane;
pub mod harness;
pub mod prometheus;
pub mod sandbox;
