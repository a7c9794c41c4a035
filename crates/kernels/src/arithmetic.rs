//! The named arithmetics of products with quantised weights. The choice changes bits of the result, so it is made by
//! name, never by what the CPU or the memory allows.

use crate::KernelError;
use std::fmt;
use std::str::FromStr;

/// How quantised weights are multiplied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// Weights become f32 exactly as their format defines, then take part in dot products as f32
    /// weights do: the bits are those of the same weights stored in f32.
    #[default]
    F32,
    /// Activations become integers of 16 bits, 32 of them with a scale of their own.
    Int16,
    /// Activations become integers of 8 bits, 32 of them with a scale of their own.
    Int8,
}

impl Arithmetic {
    /// Every arithmetic, the most exact one first.
    pub const ALL: [Arithmetic; 3] = [Arithmetic::F32, Arithmetic::Int16, Arithmetic::Int8];

    /// The name used on the command line and in reports: `f32`, `int16` or `int8`.
    pub const fn name(self) -> &'static str {
        match self {
            Arithmetic::F32 => "f32",
            Arithmetic::Int16 => "int16",
            Arithmetic::Int8 => "int8",
        }
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Arithmetic {
    type Err = KernelError;

    fn from_str(name: &str) -> Result<Arithmetic, KernelError> {
        let found = Arithmetic::ALL.into_iter().find(|arithmetic| arithmetic.name() == name);
        found.ok_or_else(|| KernelError::UnknownArithmetic { name: name.to_owned() })
    }
}
