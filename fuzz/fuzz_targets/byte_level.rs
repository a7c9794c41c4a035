//! `vocab.json` and `merges.txt`, separated by a zero byte, made into one `tokenizer.json`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime::convert::parsers::byte_level;

fuzz_target!(init: flint_fuzz::panics_unwind(), |bytes: &[u8]| {
    let mut texts = bytes.splitn(2, |&byte| byte == 0);
    let (vocabulary, merges) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    flint_fuzz::no_panic(|| drop(byte_level(vocabulary, merges)));
});
