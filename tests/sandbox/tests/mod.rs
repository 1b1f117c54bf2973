//! Tests of the emulator, with a client of a few lines that shares no code with the operator.
#![expect(clippy::unwrap_used, reason = "test code")]

mod client;
mod faults;
mod handshake;
mod limits;
mod login;
mod probe;
mod sdk;
mod transport;
mod urls;
