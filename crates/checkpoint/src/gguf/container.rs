//! A GGUF file to be written, version 3: head, typed entries, table of tensors; the data follows, aligned.
//! All little-endian. The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

use super::tensor_type::TensorType;
use flint_geometry::DType;

/// Tensors begin at multiples of this; what a reader takes when a file names no other.
const ALIGNMENT: u64 = 32;

const MAGIC: &[u8; 4] = b"GGUF";
const VERSION: u32 = 3;

/// The value of an entry of metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum NewValue {
    /// A whole number.
    U32(u32),
    /// A float.
    F32(f32),
    /// A text.
    Text(String),
    /// An array of whole numbers.
    U32s(Vec<u32>),
    /// An array of signed whole numbers.
    I32s(Vec<i32>),
    /// An array of floats.
    F32s(Vec<f32>),
    /// An array of texts.
    Texts(Vec<String>),
}

/// A tensor of a file to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTensor {
    /// Its name.
    pub name: String,
    /// Sizes, the outermost first; the last one is a multiple of the type's block.
    pub dims: Vec<u64>,
    /// Its data type.
    pub dtype: DType,
}

impl NewTensor {
    /// Bytes of its data.
    pub fn bytes(&self) -> u64 {
        let numbers: u64 = self.dims.iter().product();
        numbers / self.dtype.block_len() as u64 * self.dtype.block_bytes() as u64
    }

    /// Zeros that follow its data.
    pub fn padding(&self) -> &'static [u8] {
        &[0; ALIGNMENT as usize][..padding(self.bytes()) as usize]
    }
}

/// Numbers of the types, as entries name them.
mod kind {
    pub(super) const U32: u32 = 4;
    pub(super) const I32: u32 = 5;
    pub(super) const F32: u32 = 6;
    pub(super) const TEXT: u32 = 8;
    pub(super) const ARRAY: u32 = 9;
}

/// All before the data, padded. The data of each tensor and its padding follow, in the order of the table.
pub fn head(entries: &[(String, NewValue)], tensors: &[NewTensor]) -> Vec<u8> {
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
        head.extend((tensor.dims.len() as u32).to_le_bytes());
        // The innermost dimension comes first.
        tensor.dims.iter().rev().for_each(|&dim| head.extend(dim.to_le_bytes()));
        head.extend(TensorType::of(tensor.dtype).id().to_le_bytes());
        head.extend(offset.to_le_bytes());
        offset += tensor.bytes() + padding(tensor.bytes());
    }
    head.resize(head.len() + padding(head.len() as u64) as usize, 0);
    head
}

/// Bytes of the whole file.
pub fn length(head: &[u8], tensors: &[NewTensor]) -> u64 {
    let data = tensors.iter().map(|tensor| tensor.bytes() + padding(tensor.bytes()));
    head.len() as u64 + data.sum::<u64>()
}

/// Zeros after something of `bytes` bytes.
fn padding(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGNMENT) - bytes
}

fn put_text(head: &mut Vec<u8>, text: &str) {
    head.extend((text.len() as u64).to_le_bytes());
    head.extend(text.as_bytes());
}

fn put_value(head: &mut Vec<u8>, value: &NewValue) {
    let array = |head: &mut Vec<u8>, kind: u32, count: usize| {
        head.extend(kind::ARRAY.to_le_bytes());
        head.extend(kind.to_le_bytes());
        head.extend((count as u64).to_le_bytes());
    };
    match value {
        NewValue::U32(number) => {
            head.extend(kind::U32.to_le_bytes());
            head.extend(number.to_le_bytes());
        }
        NewValue::F32(number) => {
            head.extend(kind::F32.to_le_bytes());
            head.extend(number.to_le_bytes());
        }
        NewValue::Text(text) => {
            head.extend(kind::TEXT.to_le_bytes());
            put_text(head, text);
        }
        NewValue::U32s(numbers) => {
            array(head, kind::U32, numbers.len());
            numbers.iter().for_each(|number| head.extend(number.to_le_bytes()));
        }
        NewValue::I32s(numbers) => {
            array(head, kind::I32, numbers.len());
            numbers.iter().for_each(|number| head.extend(number.to_le_bytes()));
        }
        NewValue::F32s(numbers) => {
            array(head, kind::F32, numbers.len());
            numbers.iter().for_each(|number| head.extend(number.to_le_bytes()));
        }
        NewValue::Texts(texts) => {
            array(head, kind::TEXT, texts.len());
            texts.iter().for_each(|text| put_text(head, text));
        }
    }
}
