//! How keys and values are stored.

use std::fmt;

/// How keys and values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KvElement {
    /// As computed.
    F32,
    /// Rounded to binary16: half the memory, other results.
    F16,
}

impl KvElement {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            KvElement::F32 => 4,
            KvElement::F16 => 2,
        }
    }
}

impl fmt::Display for KvElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KvElement::F32 => "f32",
            KvElement::F16 => "f16",
        })
    }
}
