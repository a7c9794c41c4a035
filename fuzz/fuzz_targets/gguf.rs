//! A whole GGUF file: every tensor of one that is accepted lies within it, in its place, values can be asked for, and its
//! tokenizer encodes and decodes or says that it cannot.
#![no_main]

use flint_checkpoint::gguf::{GgufFile, GgufTokenizer, Metadata, Specials};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(init: flint_fuzz::panics_unwind(), |bytes: &[u8]| {
    flint_fuzz::no_panic(|| {
        let len = bytes.len() as u64;
        let Ok(file) = GgufFile::from_reader(Path::new("fuzz.gguf"), bytes, len) else { return };
        let mut end = 0;
        for tensor in file.tensors() {
            let place = tensor.extent();
            assert!(place.offset() >= end && place.end() <= len, "a tensor outside its place");
            assert_eq!(place.offset() % file.shards()[0].alignment(), 0);
            assert_eq!(file.tensor(tensor.name()).ok(), Some(tensor));
            let _ = (file.dtype(tensor), tensor.rows());
            end = place.end();
        }
        values(file.metadata());
        tokens(file.metadata());
    });
});

fn values(metadata: &Metadata) {
    for (key, value) in metadata.iter() {
        let _ = (value.to_string(), value.type_name());
        let _ = (metadata.get::<u32>(key), metadata.get::<i64>(key), metadata.get::<f32>(key));
        let _ = (metadata.get::<&str>(key), metadata.per_layer::<u64>(key, 3));
        let _ = metadata.strings(key).map(|texts| texts.map(|texts| texts.iter().count()));
    }
}

fn tokens(metadata: &Metadata) {
    let Ok(tokenizer) = GgufTokenizer::new(metadata) else { return };
    for text in
        ["", "Once upon a time", "\u{feff}e\u{301} \u{6f22}\u{5b57} \u{1f98a}\r\n  </s> a  ab"]
    {
        for specials in [Specials::Recognised, Specials::Plain] {
            let Ok(ids) = tokenizer.encode(text, true, specials) else { continue };
            for id in ids {
                assert!(tokenizer.bytes(id).is_some(), "a token past the vocabulary");
            }
        }
    }
}
