//! Tests of the emulator, with a client of a few lines that shares no code with the operator.

mod client;
mod faults;
mod handshake;
mod limits;
mod login;
mod probe;
mod sdk;
mod session;
mod transport;
mod urls;
