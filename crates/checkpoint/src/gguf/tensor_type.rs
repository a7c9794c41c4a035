//! The types of tensors by their numbers in a file: those that are computed with, and others by name.

use flint_geometry::DType;
use std::fmt;

/// The type of a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TensorType(&'static Known);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Known {
    id: u32,
    name: &'static str,
    /// Elements and bytes of a block.
    block: (u64, u64),
    dtype: Option<DType>,
}

const fn used(id: u32, name: &'static str, dtype: DType) -> Known {
    let block = (dtype.block_len() as u64, dtype.block_bytes() as u64);
    Known { id, name, block, dtype: Some(dtype) }
}

const fn named(id: u32, name: &'static str, elements: u64, bytes: u64) -> Known {
    Known { id, name, block: (elements, bytes), dtype: None }
}

/// Every type that the format has today, with ggml's numbers and names. What is not used here has its sizes all the
/// same, because each tensor begins where the one before it ends.
static TABLE: [Known; 35] = [
    used(0, "F32", DType::F32),
    used(1, "F16", DType::F16),
    used(2, "Q4_0", DType::Q4_0),
    used(3, "Q4_1", DType::Q4_1),
    used(6, "Q5_0", DType::Q5_0),
    used(7, "Q5_1", DType::Q5_1),
    used(8, "Q8_0", DType::Q8_0),
    named(9, "Q8_1", 32, 36),
    used(10, "Q2_K", DType::Q2K),
    used(11, "Q3_K", DType::Q3K),
    used(12, "Q4_K", DType::Q4K),
    used(13, "Q5_K", DType::Q5K),
    used(14, "Q6_K", DType::Q6K),
    named(15, "Q8_K", 256, 292),
    named(16, "IQ2_XXS", 256, 66),
    named(17, "IQ2_XS", 256, 74),
    named(18, "IQ3_XXS", 256, 98),
    named(19, "IQ1_S", 256, 50),
    used(20, "IQ4_NL", DType::Iq4Nl),
    named(21, "IQ3_S", 256, 110),
    named(22, "IQ2_S", 256, 82),
    used(23, "IQ4_XS", DType::Iq4Xs),
    named(24, "I8", 1, 1),
    named(25, "I16", 1, 2),
    named(26, "I32", 1, 4),
    named(27, "I64", 1, 8),
    named(28, "F64", 1, 8),
    named(29, "IQ1_M", 256, 56),
    used(30, "BF16", DType::Bf16),
    named(34, "TQ1_0", 256, 54),
    named(35, "TQ2_0", 256, 66),
    used(39, "MXFP4", DType::Mxfp4),
    named(40, "NVFP4", 64, 36),
    named(41, "Q1_0", 128, 18),
    named(42, "Q2_0", 64, 18),
];

impl TensorType {
    /// The type of this number in the format; `None` for a number that has none.
    pub fn from_id(id: u32) -> Option<TensorType> {
        TABLE.iter().find(|known| known.id == id).map(TensorType)
    }

    /// The type that holds `dtype`.
    pub fn of(dtype: DType) -> TensorType {
        let found = TABLE.iter().find(|known| known.dtype == Some(dtype));
        TensorType(found.unwrap_or_else(|| unreachable!("a test finds each of {dtype}")))
    }

    /// Its number in the format.
    pub fn id(self) -> u32 {
        self.0.id
    }

    /// Its name as ggml writes it, such as `Q4_K`.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The data type that is computed with; `None` where the type is only known by name.
    pub fn dtype(self) -> Option<DType> {
        self.0.dtype
    }

    /// Elements of a block.
    pub fn block_len(self) -> u64 {
        self.0.block.0
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> u64 {
        self.0.block.1
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_data_type_has_one_number_and_its_own_name() {
        for dtype in DType::ALL {
            let found: Vec<_> = TABLE.iter().filter(|known| known.dtype == Some(dtype)).collect();
            assert_eq!(found.len(), 1, "{dtype}");
            assert_eq!(found[0].name.to_ascii_lowercase(), dtype.name());
            assert_eq!(TensorType::of(dtype).dtype(), Some(dtype));
        }
    }

    #[test]
    fn numbers_are_unique() {
        let numbers: HashSet<u32> = TABLE.iter().map(|known| known.id).collect();
        assert_eq!(numbers.len(), TABLE.len());
        assert_eq!(TensorType::from_id(12).map(TensorType::name), Some("Q4_K"));
        assert_eq!(TensorType::from_id(31), None);
        assert_eq!(TensorType::from_id(137), None);
    }
}
