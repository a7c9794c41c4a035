//! How a stored number is encoded, and how many bytes a row of them takes.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The encoding of stored weights.
///
/// Callers ask for the bytes of a row, never of one element, so that block-quantised encodings
/// (whose elements share a scale) can join without changing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ElementType {
    /// IEEE 754 binary16.
    F16,
    /// bfloat16: the upper half of a binary32.
    Bf16,
    /// IEEE 754 binary32.
    F32,
}

impl ElementType {
    /// Bytes of a row of `elements` numbers; `None` when that does not fit in 64 bits.
    pub fn row_bytes(self, elements: u64) -> Option<u64> {
        let each = match self {
            ElementType::F16 | ElementType::Bf16 => 2,
            ElementType::F32 => 4,
        };
        elements.checked_mul(each)
    }

    /// The name used on the command line and in reports: `f16`, `bf16` or `f32`.
    pub fn name(self) -> &'static str {
        match self {
            ElementType::F16 => "f16",
            ElementType::Bf16 => "bf16",
            ElementType::F32 => "f32",
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no element type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownElementType(pub String);

impl fmt::Display for UnknownElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown element type '{}': expected f16, bf16 or f32", self.0)
    }
}

impl std::error::Error for UnknownElementType {}

impl FromStr for ElementType {
    type Err = UnknownElementType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "f16" => Ok(ElementType::F16),
            "bf16" => Ok(ElementType::Bf16),
            "f32" => Ok(ElementType::F32),
            _ => Err(UnknownElementType(name.to_owned())),
        }
    }
}
