//! `config.json` and the files beside it, separated by zero bytes, which no JSON holds.
#![no_main]

use flint_geometry::DType;
use flint_model::{Architecture, Description};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut texts = bytes.split(|&byte| byte == 0);
    let config = texts.next().unwrap_or_default();
    let (generation_config, tokenizer_config) = (texts.next(), texts.next());
    let description = Description { config, generation_config, tokenizer_config };
    let Ok((family, architecture)) = description.read() else { return };
    // What is accepted can be computed with, and read back.
    let _ = architecture.shape(DType::F16);
    let again = Architecture::from_json(&architecture.to_json());
    assert_eq!(again.ok().as_ref(), Some(&architecture), "what is written is read");
    for spec in architecture.dense_tensors().iter().take(64) {
        let _ = family.dense(&architecture, spec.role);
    }
    let _ = family.neurons(&architecture, architecture.layers - 1);
});
