//! A whole PyTorch file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = flint_checkpoint::parsers::pytorch(bytes);
});
