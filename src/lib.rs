//! A Kubernetes operator that keeps a bunq user's one OAuth client equal to a `BunqOAuthClient`
//! manifest, and publishes its credentials in a Secret.
//!
//! The layers, and what each may use (a test keeps it so):
//!
//! ```text
//! main → cli → controller → plan        what to do next: pure decisions
//!                         → bunq → clock  the bank's REST conversation, signed and verified
//!                         → api         the custom resource
//!                         → telemetry   logs, traces, metrics, health
//! controller, plan, bunq  → times       stored times, read by a clock that may be another
//! ```

pub mod api;
pub mod bunq;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod plan;
pub mod telemetry;
pub mod times;
