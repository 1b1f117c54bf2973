//! Any bytes as the answer to any call.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bunq_oauth_operator::bunq::fuzz::envelope(data));
