//! The architecture that a manifest holds: what is accepted has sizes that can be computed with.
#![no_main]

use flint_geometry::DType;
use flint_model::Architecture;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(architecture) = Architecture::from_json(text) else { return };
    let _ = architecture.shape(DType::F32);
    assert_eq!(Architecture::from_json(&architecture.to_json()).ok(), Some(architecture));
});
