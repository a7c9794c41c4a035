//! The sparsities that a group was calibrated for, and their bytes.
//!
//! ```text
//!  0  magic             "FLct"
//!  4  version           u32 = 1
//!  8  activation        u32: 0 SiLU, 1 GELU, 2 GELU by tanh
//! 12  levels            u32: 1 to 16
//! 16  perplexity_exact  f64: of the whole model; 0 where it was not measured
//! 24  levels            each: sparsity f32, threshold f32, kept f32, recall f32, perplexity f64
//!     copy              the bytes of a gate-copy predictor
//! ```
//! Everything is little-endian. What was measured of the whole model is the same in every group.

use crate::BlobFault;
use crate::levels::{self, Level, MOST_LEVELS};
use flint_kernels::Activation;

const MAGIC: [u8; 4] = *b"FLct";
const VERSION: u32 = 1;
const HEADER: usize = 24;
const LEVEL: usize = 24;

/// All levels of a group, with what they are levels of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Levels {
    pub(crate) activation: Activation,
    pub(crate) perplexity_exact: Option<f64>,
    /// Ascending by sparsity.
    pub(crate) list: Vec<Level>,
}

impl Levels {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let activation = levels::activation_code(self.activation);
        let mut bytes = MAGIC.to_vec();
        for number in [VERSION, activation, self.list.len() as u32] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.perplexity_exact.unwrap_or(0.0).to_le_bytes());
        for level in &self.list {
            for number in [level.sparsity, level.threshold, level.kept, level.recall] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.extend(level.perplexity.unwrap_or(0.0).to_le_bytes());
        }
        bytes
    }

    /// The levels at the start of `bytes`, and what follows them.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Levels, &[u8]), BlobFault> {
        let Some((head, rest)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(BlobFault::Header { expected: HEADER, got: bytes.len() });
        };
        if head[..4] != MAGIC {
            let got = [head[0], head[1], head[2], head[3]];
            return Err(BlobFault::Magic { expected: MAGIC, got });
        }
        let [version, activation, count] = [4, 8, 12].map(|at| word(head, at));
        if version != VERSION {
            return Err(BlobFault::Version { expected: VERSION, got: version });
        }
        let wrong = size("the activation", 0, 2, activation);
        let activation = levels::activation_of(activation).ok_or(wrong)?;
        if !(1..=MOST_LEVELS).contains(&(count as usize)) {
            return Err(size("the number of levels", 1, MOST_LEVELS as u32, count));
        }
        let length = count as usize * LEVEL;
        let Some((table, rest)) = rest.split_at_checked(length) else {
            return Err(BlobFault::Length { expected: length as u64, got: rest.len() as u64 });
        };
        let (rows, _) = table.as_chunks::<LEVEL>();
        let list = rows.iter().map(level).collect::<Option<Vec<Level>>>();
        let ascends = |list: &Vec<Level>| list.is_sorted_by(|a, b| a.sparsity < b.sparsity);
        let list = list.filter(ascends).ok_or(BlobFault::Levels)?;
        let perplexity_exact = perplexity(head, 16).ok_or(BlobFault::Levels)?;
        Ok((Levels { activation, perplexity_exact, list }, rest))
    }
}

/// One level, if its numbers can be such.
fn level(row: &[u8; LEVEL]) -> Option<Level> {
    let [sparsity, threshold, kept, recall] = [0, 4, 8, 12].map(|at| f32::from_bits(word(row, at)));
    let (perplexity, precision) = (perplexity(row, 16)?, None);
    let level = Level { sparsity, threshold, kept, recall, perplexity, precision };
    levels::is_possible(&level).then_some(level)
}

/// A perplexity, zero for none; nothing when it cannot be one.
fn perplexity(bytes: &[u8; 24], at: usize) -> Option<Option<f64>> {
    let (low, high) = (word(bytes, at), word(bytes, at + 4));
    levels::perplexity(f64::from_bits(u64::from(high) << 32 | u64::from(low)))
}

fn word(bytes: &[u8; 24], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn size(field: &'static str, least: u32, most: u32, got: u32) -> BlobFault {
    BlobFault::Size { field, least, most, got }
}
