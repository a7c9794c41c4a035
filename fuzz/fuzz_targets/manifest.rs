//! The payload of a bundle's manifest.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = flint_bundle::check_payload(bytes);
});
