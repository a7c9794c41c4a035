//! Types of files by the names they are published under: which data type each of their matrices has.

use flint_geometry::DType;

/// Type of a file: what most of its matrices are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FileType {
    /// 16-bit floats.
    #[value(name = "f16")]
    F16,
    /// The upper halves of 32-bit floats.
    #[value(name = "bf16")]
    Bf16,
    /// 8 bits and a scale for 32 weights.
    #[value(name = "q8_0")]
    Q8_0,
    /// About 4.9 bits: Q4_K, and Q6_K where it matters most.
    #[value(name = "q4_k_m")]
    Q4KM,
    /// Experts in 4 bits with a scale that is a power of two, all else in 8 bits.
    #[value(name = "mxfp4")]
    Mxfp4,
}

impl FileType {
    /// As `general.file_type` names it.
    pub(super) fn number(self) -> u32 {
        match self {
            FileType::F16 => 1,
            FileType::Bf16 => 32,
            FileType::Q8_0 => 7,
            FileType::Q4KM => 15,
            FileType::Mxfp4 => 38,
        }
    }

    /// Data type of the matrix `name`, whose rows have `columns` weights, in a model of `layers` layers: the choice that
    /// llama.cpp's quantiser makes. Rows that do not make a whole number of blocks take a type of shorter blocks.
    pub(super) fn of_matrix(self, name: &str, columns: usize, layers: usize, tied: bool) -> DType {
        let wanted = match self {
            FileType::F16 => DType::F16,
            FileType::Bf16 => DType::Bf16,
            FileType::Q8_0 | FileType::Mxfp4 => DType::Q8_0,
            FileType::Q4KM if is_output(name, tied) || takes_more(name, layers) => DType::Q6K,
            FileType::Q4KM => DType::Q4K,
        };
        fitting(wanted, columns)
    }

    /// The same for the matrix of all experts of a layer.
    pub(super) fn of_experts(self, name: &str, columns: usize, layers: usize) -> DType {
        match self {
            FileType::Mxfp4 => fitting(DType::Mxfp4, columns),
            other => other.of_matrix(name, columns, layers, false),
        }
    }
}

/// `wanted`, or a type of shorter blocks where rows do not make a whole number of its own.
fn fitting(wanted: DType, columns: usize) -> DType {
    let shorter = match wanted {
        DType::Q4K => DType::Q5_0,
        DType::Q6K => DType::Q8_0,
        other => other,
    };
    let fits = |dtype: &DType| columns.is_multiple_of(dtype.block_len());
    [wanted, shorter].into_iter().find(fits).unwrap_or(DType::F16)
}

/// Whether the matrix makes the logits.
fn is_output(name: &str, tied: bool) -> bool {
    name == "output.weight" || tied && name == "token_embd.weight"
}

/// Whether the matrix is among those that suffer most from few bits: values and down projections of the first and the
/// last eighth of the layers and of every third between.
fn takes_more(name: &str, layers: usize) -> bool {
    let mut parts = name.split('.');
    let (Some("blk"), Some(layer), Some(what)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let Ok(layer) = layer.parse::<usize>() else { return false };
    let eighth = layers / 8;
    let chosen = layer < eighth
        || layer >= 7 * layers / 8
        || layer.checked_sub(eighth).is_some_and(|after| after % 3 == 2);
    chosen && matches!(what, "attn_v" | "attn_qkv" | "ffn_down" | "ffn_down_exps")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrices_of_a_q4_k_m_file_have_the_types_of_published_files() {
        let of = |name: &str, columns, tied| FileType::Q4KM.of_matrix(name, columns, 32, tied);
        assert_eq!(of("blk.0.ffn_down.weight", 11008, false), DType::Q6K);
        assert_eq!(of("blk.4.ffn_down.weight", 11008, false), DType::Q4K);
        assert_eq!(of("blk.6.attn_v.weight", 4096, false), DType::Q6K);
        assert_eq!(of("blk.28.attn_v.weight", 4096, false), DType::Q6K);
        assert_eq!(of("blk.28.attn_k.weight", 4096, false), DType::Q4K);
        assert_eq!(of("output.weight", 4096, false), DType::Q6K);
        assert_eq!(of("token_embd.weight", 4096, false), DType::Q4K);
        assert_eq!(of("token_embd.weight", 4096, true), DType::Q6K);
        assert_eq!(of("blk.4.ffn_up.weight", 576, false), DType::Q5_0);
        assert_eq!(of("blk.0.ffn_down.weight", 1440, false), DType::Q8_0);
        assert_eq!(of("blk.0.ffn_down.weight", 100, false), DType::F16);
    }
}
