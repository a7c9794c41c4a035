//! The header of a safetensors file, after its length.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = flint_checkpoint::parsers::safetensors(bytes);
});
