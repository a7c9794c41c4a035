//! The bytes of a GGUF file, version 3: head, typed entries, table of tensors; the data follows, aligned.
//! All little-endian. The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

use super::layout::Tensor;
use flint_checkpoint::gguf::TensorType;

/// Tensors begin at multiples of this; what a reader takes when a file names no other.
pub(super) const ALIGNMENT: u64 = 32;

const MAGIC: &[u8; 4] = b"GGUF";
const VERSION: u32 = 3;

/// The value of an entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    U32(u32),
    F32(f32),
    Text(String),
    I32s(Vec<i32>),
    F32s(Vec<f32>),
    Texts(Vec<String>),
}

/// Numbers of the types, as entries name them.
mod kind {
    pub(super) const U32: u32 = 4;
    pub(super) const I32: u32 = 5;
    pub(super) const F32: u32 = 6;
    pub(super) const TEXT: u32 = 8;
    pub(super) const ARRAY: u32 = 9;
}

/// All before the data, padded.
pub(super) fn head(entries: &[(String, Value)], tensors: &[Tensor]) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend(VERSION.to_le_bytes());
    head.extend((tensors.len() as u64).to_le_bytes());
    head.extend((entries.len() as u64).to_le_bytes());
    for (key, value) in entries {
        put_text(&mut head, key);
        put_value(&mut head, value);
    }
    let mut offset = 0u64;
    for tensor in tensors {
        put_text(&mut head, &tensor.name);
        let dims = tensor.dims();
        head.extend((dims.len() as u32).to_le_bytes());
        // The innermost dimension comes first.
        dims.iter().rev().for_each(|&dim| head.extend((dim as u64).to_le_bytes()));
        head.extend(TensorType::of(tensor.dtype).id().to_le_bytes());
        head.extend(offset.to_le_bytes());
        offset += tensor.bytes() + padding(tensor.bytes());
    }
    head.resize(head.len() + padding(head.len() as u64) as usize, 0);
    head
}

/// Length of the whole file.
pub(super) fn length(head: &[u8], tensors: &[Tensor]) -> u64 {
    let data = tensors.iter().map(|tensor| tensor.bytes() + padding(tensor.bytes()));
    head.len() as u64 + data.sum::<u64>()
}

/// Zeros after something of `bytes` bytes.
pub(super) fn padding(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGNMENT) - bytes
}

fn put_text(head: &mut Vec<u8>, text: &str) {
    head.extend((text.len() as u64).to_le_bytes());
    head.extend(text.as_bytes());
}

fn put_value(head: &mut Vec<u8>, value: &Value) {
    let array = |head: &mut Vec<u8>, kind: u32, count: usize| {
        head.extend(kind::ARRAY.to_le_bytes());
        head.extend(kind.to_le_bytes());
        head.extend((count as u64).to_le_bytes());
    };
    match value {
        Value::U32(number) => {
            head.extend(kind::U32.to_le_bytes());
            head.extend(number.to_le_bytes());
        }
        Value::F32(number) => {
            head.extend(kind::F32.to_le_bytes());
            head.extend(number.to_le_bytes());
        }
        Value::Text(text) => {
            head.extend(kind::TEXT.to_le_bytes());
            put_text(head, text);
        }
        Value::I32s(numbers) => {
            array(head, kind::I32, numbers.len());
            numbers.iter().for_each(|number| head.extend(number.to_le_bytes()));
        }
        Value::F32s(numbers) => {
            array(head, kind::F32, numbers.len());
            numbers.iter().for_each(|number| head.extend(number.to_le_bytes()));
        }
        Value::Texts(texts) => {
            array(head, kind::TEXT, texts.len());
            texts.iter().for_each(|text| put_text(head, text));
        }
    }
}
