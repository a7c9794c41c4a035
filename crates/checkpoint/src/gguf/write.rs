//! Metadata written as a GGUF file without tensors: how a bundle keeps the tokenizer of a file it was made from.

use super::metadata::Metadata;

/// Magic, version, no tensors.
const START: &[u8] = b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0";

impl Metadata {
    /// A file of version 3 with the keys that `keep` is true of, and no tensors.
    pub fn to_bytes(&self, keep: impl Fn(&str) -> bool) -> Vec<u8> {
        let kept: Vec<_> = self.iter().filter(|(key, _)| keep(key)).collect();
        let mut bytes = START.to_vec();
        bytes.extend((kept.len() as u64).to_le_bytes());
        for (key, value) in kept {
            bytes.extend((key.len() as u64).to_le_bytes());
            bytes.extend(key.as_bytes());
            value.write(&mut bytes);
        }
        bytes
    }
}
