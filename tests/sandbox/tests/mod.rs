//! Tests of the emulator, with a client of a few lines that shares no code with the operator.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code"
)]

mod handshake;
mod probe;
