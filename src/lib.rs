//! A Kubernetes operator for bunq OAuth clients.
pub mod api;
pub mod bunq;
pub mod clock;
pub mod controller;
pub mod plan;
pub mod telemetry;
