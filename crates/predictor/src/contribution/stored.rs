//! The bytes of a stored group.
//!
//! ```text
//!  0  magic             "FLco"
//!  4  version           u32: 2; 1 without what is of the columns
//!  8  width             u32
//! 12  neurons           u32
//! 16  activation        u32: 0 SiLU, 1 GELU, 2 GELU by tanh
//! 20  rows              u32: rows per neuron, 1 (up) or 2 (gate and up)
//! 24  levels            u32: 1 to 16
//! 28  tokens            u32: foreseen when the whole model was measured; 0 where it was not
//! 32  perplexity_exact  f64: of the whole model; 0 where it was not measured
//! 40  margin_exact      f64: of its logarithm, half of an interval of 95 % confidence, as all margins
//! 48  levels            each: sparsity f32, threshold f32, kept f32, recall f32, perplexity f64, its margin f64, that of
//!                       the ratio to perplexity_exact f64, agreement of the likeliest next tokens f64, its margin f64
//!     lengths           f32 per neuron: of the down columns
//!     biases            f32 per row: of all deciding rows, then of all up rows
//!     copies            the same rows in Q4_0, each filled up with zeros to whole blocks of 32
//!     column biases     f32 per number of the width: zeros
//!     columns           the matrix of all down columns in Q4_0, by its rows, each filled up with zeros to whole blocks of 32
//! ```
//! Everything is little-endian. What was measured of the whole model is the same in every group.

use super::ContributionGroup;
use super::rows::CopiedRows;
use crate::blob::write_floats;
use crate::levels::{self, Level, MOST_LEVELS};
use crate::{BlobFault, Precision, ThresholdLayer};

const MAGIC: [u8; 4] = *b"FLco";
const VERSION: u32 = 2;

/// The one that has no copies of columns.
const WITHOUT_COLUMNS: u32 = 1;
const HEADER: usize = 48;
const LEVEL: usize = 56;

/// Bytes before what is held, at most.
pub(super) const MOST_BEFORE: u64 = (HEADER + MOST_LEVELS * LEVEL) as u64;

/// Whether levels ascend, are as many as can be, and hold what levels hold.
pub(super) fn are_possible(list: &[Level]) -> bool {
    (1..=MOST_LEVELS).contains(&list.len())
        && list.iter().all(levels::is_possible)
        && list.is_sorted_by(|a, b| a.sparsity < b.sparsity)
}

/// Numbers that are taken one after the other.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((&first, rest)) = self.0.split_first_chunk() else {
            unreachable!("lengths are checked before")
        };
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn float(&mut self) -> f32 {
        f32::from_le_bytes(self.take())
    }

    fn double(&mut self) -> f64 {
        f64::from_le_bytes(self.take())
    }

    /// Numbers that are finite.
    fn floats(&mut self, field: &'static str, count: usize) -> Result<Vec<f32>, BlobFault> {
        let numbers: Vec<f32> = (0..count).map(|_| self.float()).collect();
        match numbers.iter().position(|number| !number.is_finite()) {
            Some(index) => Err(BlobFault::NotFinite { field, index }),
            None => Ok(numbers),
        }
    }
}

/// A group as bytes.
pub(super) fn write(group: &ContributionGroup) -> Vec<u8> {
    let (neurons, rows) = (group.neurons(), group.copies.rows());
    let precision = group.levels.iter().find_map(|level| level.precision);
    let mut bytes = MAGIC.to_vec();
    for number in [
        if group.down.is_some() { VERSION } else { WITHOUT_COLUMNS },
        group.width() as u32,
        neurons as u32,
        levels::activation_code(group.activation),
        (rows / neurons.max(1)) as u32,
        group.levels.len() as u32,
        precision.map_or(0, |precision| precision.tokens as u32),
    ] {
        bytes.extend(number.to_le_bytes());
    }
    let margin_exact = precision.map_or(0.0, |precision| precision.margin_exact);
    for number in [group.perplexity_exact.unwrap_or(0.0), margin_exact] {
        bytes.extend(number.to_le_bytes());
    }
    group.levels.iter().for_each(|level| write_level(level, &mut bytes));
    write_floats(&mut bytes, &group.lengths);
    group.copies.write(&mut bytes);
    group.down.iter().for_each(|down| down.write(&mut bytes));
    bytes
}

fn write_level(level: &Level, bytes: &mut Vec<u8>) {
    write_floats(bytes, &[level.sparsity, level.threshold, level.kept, level.recall]);
    let numbers = match level.precision {
        Some(it) => [it.margin, it.margin_cost, it.agreement, it.margin_agreement],
        None => [0.0; 4],
    };
    bytes.extend(level.perplexity.unwrap_or(0.0).to_le_bytes());
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

/// A group of this size from its bytes.
pub(super) fn read(
    width: usize,
    neurons: usize,
    bytes: &[u8],
) -> Result<ContributionGroup, BlobFault> {
    if bytes.len() < HEADER {
        return Err(BlobFault::Header { expected: HEADER, got: bytes.len() });
    }
    let mut numbers = Numbers(bytes);
    let magic = numbers.take();
    if magic != MAGIC {
        return Err(BlobFault::Magic { expected: MAGIC, got: magic });
    }
    let version = numbers.word();
    if ![WITHOUT_COLUMNS, VERSION].contains(&version) {
        return Err(BlobFault::Version { expected: VERSION, got: version });
    }
    check("the width", width as u32, width as u32, numbers.word())?;
    check("the number of neurons", neurons as u32, neurons as u32, numbers.word())?;
    let code = numbers.word();
    let activation = levels::activation_of(code).ok_or(size("the activation", 0, 2, code))?;
    let per_neuron = check("the rows per neuron", 1, 2, numbers.word())?;
    let count = check("the number of levels", 1, MOST_LEVELS as u32, numbers.word())?;
    let tokens = u64::from(numbers.word());
    let exact = (numbers.double(), numbers.double());
    let columns = if version == VERSION { width } else { 0 };
    let expected = length(width, neurons, per_neuron, count, columns);
    if expected != Some(bytes.len()) {
        let expected = expected.map_or(u64::MAX, |expected| expected as u64);
        return Err(BlobFault::Length { expected, got: bytes.len() as u64 });
    }
    let list = (0..count).map(|_| read_level(&mut numbers, tokens, exact.1));
    let list = list.collect::<Option<Vec<Level>>>().filter(|list| are_possible(list));
    let levels = list.ok_or(BlobFault::Levels)?;
    let perplexity_exact = levels::perplexity(exact.0).ok_or(BlobFault::Levels)?;
    let lengths = numbers.floats("the lengths", neurons)?;
    let bias = numbers.floats("the biases", per_neuron * neurons)?;
    // Lengths were checked as a whole.
    let rows = CopiedRows::packed_bytes(width, per_neuron * neurons);
    let (packed, rest) = numbers.0.split_at(rows);
    let copies = CopiedRows::read(width, bias, packed)?;
    let mut numbers = Numbers(rest);
    let bias = numbers.floats("the biases of columns", columns)?;
    let down = (columns > 0).then(|| CopiedRows::read(neurons, bias, numbers.0)).transpose()?;
    let threshold = levels[0].threshold;
    Ok(ContributionGroup { activation, copies, down, lengths, perplexity_exact, levels, threshold })
}

/// Bytes of a whole group.
fn length(
    width: usize,
    neurons: usize,
    per_neuron: usize,
    levels: usize,
    columns: usize,
) -> Option<usize> {
    let rows = neurons.checked_mul(per_neuron)?;
    let lengths = neurons.checked_mul(size_of::<f32>())?;
    let copies = CopiedRows::bytes_of(width, rows)?;
    let columns = CopiedRows::bytes_of(neurons, columns)?;
    (HEADER + levels * LEVEL).checked_add(lengths)?.checked_add(copies)?.checked_add(columns)
}

/// One level, if what was measured can have been.
fn read_level(numbers: &mut Numbers<'_>, tokens: u64, margin_exact: f64) -> Option<Level> {
    let [sparsity, threshold, kept, recall] = std::array::from_fn(|_| numbers.float());
    let perplexity = levels::perplexity(numbers.double())?;
    let [margin, margin_cost, agreement, margin_agreement] =
        std::array::from_fn(|_| numbers.double());
    // Of too few tokens nothing is known: such a margin is infinite.
    let margins = [margin, margin_cost, margin_agreement, margin_exact];
    let possible = margins.iter().all(|&margin| margin >= 0.0) && (0.0..=1.0).contains(&agreement);
    let precision =
        Precision { tokens, margin, margin_exact, margin_cost, agreement, margin_agreement };
    let precision = (tokens > 0).then_some(precision);
    possible.then_some(Level { sparsity, threshold, kept, recall, perplexity, precision })
}

fn check(field: &'static str, least: u32, most: u32, got: u32) -> Result<usize, BlobFault> {
    if (least..=most).contains(&got) {
        Ok(got as usize)
    } else {
        Err(size(field, least, most, got))
    }
}

fn size(field: &'static str, least: u32, most: u32, got: u32) -> BlobFault {
    BlobFault::Size { field, least, most, got }
}
