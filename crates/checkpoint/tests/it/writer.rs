//! Writes GGUF files for tests, damaged ones too: every part is given as it shall lie in the file.

use flint_checkpoint::gguf::{GgufError, GgufFile};
use std::path::Path;

/// A value with its type before it.
#[derive(Clone)]
pub(crate) struct Value(pub(crate) Vec<u8>);

/// A file in parts.
#[derive(Clone)]
pub(crate) struct Gguf {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,
    /// Counts that differ from what follows.
    pub(crate) tensor_count: Option<u64>,
    pub(crate) key_count: Option<u64>,
    pub(crate) keys: Vec<(Vec<u8>, Value)>,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) alignment: u64,
    /// Bytes that are missing at the end.
    pub(crate) cut: usize,
}

#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) name: Vec<u8>,
    pub(crate) dims: Vec<u64>,
    /// A number of dimensions that differs from their list.
    pub(crate) dim_count: Option<u32>,
    pub(crate) kind: u32,
    /// An offset that differs from the right one.
    pub(crate) offset: Option<u64>,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

pub(crate) fn string(value: &str) -> Value {
    Value([&8u32.to_le_bytes()[..], &text(value)].concat())
}

pub(crate) fn u32(number: u32) -> Value {
    raw(4, number.to_le_bytes())
}

pub(crate) fn i32(number: i32) -> Value {
    raw(5, number.to_le_bytes())
}

pub(crate) fn f32(number: f32) -> Value {
    raw(6, number.to_le_bytes())
}

pub(crate) fn flag(byte: u8) -> Value {
    raw(7, [byte])
}

/// A value of this type number with these bytes.
pub(crate) fn raw(kind: u32, bytes: impl AsRef<[u8]>) -> Value {
    Value([&kind.to_le_bytes()[..], bytes.as_ref()].concat())
}

/// An array that says it has `count` elements of type `kind`, then these bytes.
pub(crate) fn array(kind: u32, count: u64, bytes: impl AsRef<[u8]>) -> Value {
    raw(9, [&kind.to_le_bytes()[..], &count.to_le_bytes(), bytes.as_ref()].concat())
}

pub(crate) fn u32s(numbers: &[u32]) -> Value {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    array(4, numbers.len() as u64, bytes)
}

pub(crate) fn i32s(numbers: &[i32]) -> Value {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    array(5, numbers.len() as u64, bytes)
}

pub(crate) fn f32s(numbers: &[f32]) -> Value {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    array(6, numbers.len() as u64, bytes)
}

pub(crate) fn strings<S: AsRef<[u8]>>(texts: &[S]) -> Value {
    let bytes: Vec<u8> = texts.iter().flat_map(text).collect();
    array(8, texts.len() as u64, bytes)
}

impl Default for Gguf {
    fn default() -> Gguf {
        Gguf {
            magic: *b"GGUF",
            version: 3,
            tensor_count: None,
            key_count: None,
            keys: Vec::new(),
            tensors: Vec::new(),
            alignment: 32,
            cut: 0,
        }
    }
}

impl Gguf {
    /// A small good file: two keys, three tensors.
    pub(crate) fn small() -> Gguf {
        Gguf::default()
            .key("general.architecture", string("llama"))
            .key("llama.block_count", u32(2))
            .tensor("token_embd.weight", &[32, 3], 8, 34 * 3)
            .tensor("blk.0.attn_q.weight", &[4, 2, 2], 0, 64)
            .tensor("output_norm.weight", &[5], 1, 10)
    }

    pub(crate) fn key(mut self, key: impl AsRef<[u8]>, value: Value) -> Gguf {
        self.keys.push((key.as_ref().to_vec(), value));
        self
    }

    pub(crate) fn tensor(self, name: &str, dims: &[u64], kind: u32, bytes: usize) -> Gguf {
        self.tensor_like(Tensor {
            name: name.into(),
            dims: dims.into(),
            dim_count: None,
            kind,
            offset: None,
            bytes: vec![7; bytes],
        })
    }

    pub(crate) fn tensor_like(mut self, tensor: Tensor) -> Gguf {
        self.tensors.push(tensor);
        self
    }

    pub(crate) fn change(mut self, change: impl FnOnce(&mut Gguf)) -> Gguf {
        change(&mut self);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut file = self.magic.to_vec();
        file.extend(self.version.to_le_bytes());
        file.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        file.extend(self.key_count.unwrap_or(self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            file.extend(text(key));
            file.extend(&value.0);
        }
        let mut data = Vec::new();
        for tensor in &self.tensors {
            file.extend(text(&tensor.name));
            file.extend(tensor.dim_count.unwrap_or(tensor.dims.len() as u32).to_le_bytes());
            tensor.dims.iter().for_each(|dim| file.extend(dim.to_le_bytes()));
            file.extend(tensor.kind.to_le_bytes());
            file.extend(tensor.offset.unwrap_or(data.len() as u64).to_le_bytes());
            data.extend(&tensor.bytes);
            pad(&mut data, self.alignment);
        }
        if !self.tensors.is_empty() {
            pad(&mut file, self.alignment);
            // The padding of the last tensor may be missing.
            let last = self.tensors.last().map_or(0, |tensor| tensor.bytes.len());
            let padding = last.next_multiple_of(self.alignment.max(1) as usize) - last;
            file.extend(&data[..data.len() - padding]);
        }
        file.truncate(file.len() - self.cut);
        file
    }

    pub(crate) fn read(&self) -> Result<GgufFile, GgufError> {
        read(&self.bytes())
    }
}

fn pad(bytes: &mut Vec<u8>, alignment: u64) {
    bytes.resize(bytes.len().next_multiple_of(alignment.max(1) as usize), 0);
}

/// Reads a file that lies in memory.
pub(crate) fn read(bytes: &[u8]) -> Result<GgufFile, GgufError> {
    GgufFile::from_reader(Path::new("test.gguf"), bytes, bytes.len() as u64)
}
