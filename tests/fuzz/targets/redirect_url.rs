//! Any bytes as a redirect URL.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bunq_oauth_operator::api::fuzz::redirect_url(data));
