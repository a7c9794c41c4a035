//! A whole GGUF file: every tensor of one that is accepted lies within it, in its place, and values can be asked for.
#![no_main]

use flint_checkpoint::gguf::GgufFile;
use std::path::Path;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
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
    let metadata = file.metadata();
    for (key, value) in metadata.iter() {
        let _ = (value.to_string(), value.type_name());
        let _ = (metadata.get::<u32>(key), metadata.get::<i64>(key), metadata.get::<f32>(key));
        let _ = (metadata.get::<&str>(key), metadata.per_layer::<u64>(key, 3));
        let _ = metadata.strings(key).map(|texts| texts.map(|texts| texts.iter().count()));
    }
});
