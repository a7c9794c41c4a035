//! `tokenizer.model`, made into a `tokenizer.json`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use flint_checkpoint::parsers::sentencepiece;

fuzz_target!(init: flint_fuzz::panics_unwind(), |bytes: &[u8]| {
    flint_fuzz::no_panic(|| drop(sentencepiece(bytes)));
});
