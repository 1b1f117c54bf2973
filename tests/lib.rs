//! Doubles of the bank and of Kubernetes, and the scenarios that the operator is played through.

pub mod harness;
pub mod scenarios;
