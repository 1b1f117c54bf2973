//! Judges of a status: what Flux, kstatus and our own conventions say of it.
//!
//! The judges read plain JSON, as any tool would, and share no code with the
//! operator that wrote it.

pub mod flux;
mod honest;
pub mod kstatus;
mod view;

#[cfg(test)]
mod tests;

pub use flux::flux_checks;
pub use honest::assert_status_is_honest;
pub use kstatus::{Status, kstatus};
