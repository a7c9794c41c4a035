//! Data types of stored weights: how many numbers a block holds, and how many bytes a block and a row take.

use std::fmt;
use std::str::FromStr;

/// The data type of stored weights.
///
/// Numbers are stored in blocks: of one number in the float types, of 32 or 256 that share scales in the quantised
/// ones. Callers ask for the bytes of a row, never of one number.
///
/// The block layouts of the quantised types are those of GGUF files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE 754 binary16.
    F16,
    /// bfloat16: the upper half of a binary32.
    Bf16,
    /// IEEE 754 binary32.
    F32,
    /// 32 numbers of 8 bits, one scale.
    Q8_0,
    /// 32 numbers of 4 bits, one scale.
    Q4_0,
    /// 32 numbers of 4 bits, a scale and a minimum.
    Q4_1,
    /// 32 numbers of 5 bits, one scale.
    Q5_0,
    /// 32 numbers of 5 bits, a scale and a minimum.
    Q5_1,
    /// 256 numbers of 2 bits, scales and minima of 4 bits per 16.
    Q2K,
    /// 256 numbers of 3 bits, scales of 6 bits per 16.
    Q3K,
    /// 256 numbers of 4 bits, scales and minima of 6 bits per 32.
    Q4K,
    /// 256 numbers of 5 bits, scales and minima of 6 bits per 32.
    Q5K,
    /// 256 numbers of 6 bits, scales of 8 bits per 16.
    Q6K,
    /// 32 numbers of 4 bits that index a table, one scale.
    Iq4Nl,
    /// 256 numbers of 4 bits that index a table, scales of 6 bits per 32.
    Iq4Xs,
    /// 32 numbers of 4 bits (E2M1), one scale that is a power of two.
    Mxfp4,
}

impl DType {
    /// Every data type.
    pub const ALL: [DType; 16] = [
        DType::F16,
        DType::Bf16,
        DType::F32,
        DType::Q8_0,
        DType::Q4_0,
        DType::Q4_1,
        DType::Q5_0,
        DType::Q5_1,
        DType::Q2K,
        DType::Q3K,
        DType::Q4K,
        DType::Q5K,
        DType::Q6K,
        DType::Iq4Nl,
        DType::Iq4Xs,
        DType::Mxfp4,
    ];

    /// Numbers per block.
    pub const fn block_len(self) -> usize {
        match self {
            DType::F16 | DType::Bf16 | DType::F32 => 1,
            DType::Q8_0 | DType::Q4_0 | DType::Q4_1 | DType::Q5_0 | DType::Q5_1 => 32,
            DType::Iq4Nl | DType::Mxfp4 => 32,
            DType::Q2K | DType::Q3K | DType::Q4K | DType::Q5K | DType::Q6K | DType::Iq4Xs => 256,
        }
    }

    /// Bytes per block.
    pub const fn block_bytes(self) -> usize {
        match self {
            DType::F16 | DType::Bf16 => 2,
            DType::F32 => 4,
            DType::Q8_0 => 34,
            DType::Q4_0 | DType::Iq4Nl => 18,
            DType::Q4_1 => 20,
            DType::Q5_0 => 22,
            DType::Q5_1 => 24,
            DType::Q2K => 84,
            DType::Q3K => 110,
            DType::Q4K => 144,
            DType::Q5K => 176,
            DType::Q6K => 210,
            DType::Iq4Xs => 136,
            DType::Mxfp4 => 17,
        }
    }

    /// Whether numbers share scales.
    pub const fn is_quantised(self) -> bool {
        self.block_len() > 1
    }

    /// Bytes of a row of `elements` numbers; `None` when that does not fit in 64 bits or is not a whole number of
    /// blocks.
    pub fn row_bytes(self, elements: u64) -> Option<u64> {
        let block = self.block_len() as u64;
        if !elements.is_multiple_of(block) {
            return None;
        }
        (elements / block).checked_mul(self.block_bytes() as u64)
    }

    /// The name used on the command line and in reports, such as `f16` or `q4_k`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F16 => "f16",
            DType::Bf16 => "bf16",
            DType::F32 => "f32",
            DType::Q8_0 => "q8_0",
            DType::Q4_0 => "q4_0",
            DType::Q4_1 => "q4_1",
            DType::Q5_0 => "q5_0",
            DType::Q5_1 => "q5_1",
            DType::Q2K => "q2_k",
            DType::Q3K => "q3_k",
            DType::Q4K => "q4_k",
            DType::Q5K => "q5_k",
            DType::Q6K => "q6_k",
            DType::Iq4Nl => "iq4_nl",
            DType::Iq4Xs => "iq4_xs",
            DType::Mxfp4 => "mxfp4",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no data type has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownDType(pub String);

impl fmt::Display for UnknownDType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown data type '{}': expected one of", self.0)?;
        DType::ALL.iter().try_for_each(|dtype| write!(f, " {dtype}"))
    }
}

impl std::error::Error for UnknownDType {}

impl FromStr for DType {
    type Err = UnknownDType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = DType::ALL.into_iter().find(|dtype| dtype.name() == name);
        found.ok_or_else(|| UnknownDType(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_whole_blocks() {
        assert_eq!(DType::F16.row_bytes(7), Some(14));
        assert_eq!(DType::Q4K.row_bytes(512), Some(288));
        assert_eq!(DType::Q4K.row_bytes(500), None);
        assert_eq!(DType::F32.row_bytes(u64::MAX), None);
    }

    #[test]
    fn names_read_back() {
        for dtype in DType::ALL {
            assert_eq!(dtype.name().parse(), Ok(dtype));
        }
        assert!("q4".parse::<DType>().is_err());
    }
}
