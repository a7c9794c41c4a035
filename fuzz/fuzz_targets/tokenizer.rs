//! A published `tokenizer.json`: what is accepted encodes and decodes, or says that it cannot.
#![no_main]

use libfuzzer_sys::fuzz_target;
use flint_engine::Tokenizer;

fuzz_target!(init: flint_fuzz::panics_unwind(), |bytes: &[u8]| {
    flint_fuzz::no_panic(|| {
        let Ok(codec) = Tokenizer::parse(bytes) else { return };
        for text in ["", "Once upon a time", "\u{feff}e\u{301} 漢字 🦊\r\n  </s>"] {
            if let Ok(ids) = codec.encode(text, true) {
                let _ = codec.decode(&ids);
            }
        }
        let mut stream = codec.stream(&[0, 1]);
        let _ = [2, u32::MAX, 3].map(|id| stream.push(id));
        stream.finish();
    });
});
