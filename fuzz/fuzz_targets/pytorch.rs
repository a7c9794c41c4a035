//! A whole PyTorch file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = runtime::convert::parsers::pytorch(bytes);
});
