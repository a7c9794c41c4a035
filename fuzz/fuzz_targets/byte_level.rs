//! `vocab.json`, `merges.txt` and the three files of settings beside them, separated by zero bytes, made into one
//! `tokenizer.json`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use flint_checkpoint::parsers::byte_level;

fuzz_target!(init: flint_fuzz::panics_unwind(), |bytes: &[u8]| {
    let mut texts = bytes.split(|&byte| byte == 0);
    let mut text = |absent| texts.next().unwrap_or(absent);
    let (vocabulary, merges) = (text(b""), text(b""));
    let settings = [text(b"{}"), text(b"{}"), text(b"{}")];
    flint_fuzz::no_panic(|| drop(byte_level(vocabulary, merges, settings)));
});
