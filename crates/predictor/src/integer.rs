//! Products of small stored integers with vectors, exact: sums of integers have no order, so the bits
//! are the same for every instruction set, thread count and chunk.
#![expect(
    unsafe_code,
    reason = "calls of functions compiled for an instruction set: see docs/UNSAFE.md"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod nibbles;

use flint_kernels::{Compute, Isa};

/// The largest magnitude of a quantised input: 14 bits, so that a block of products fits 31.
const LARGEST: f32 = 16383.0;

/// Products that are summed before they are widened: 512 x 2^7 x 2^14 is below 2^31.
const BLOCK: usize = 512;

/// Rows that are multiplied side by side.
const ROWS: usize = 4;

/// Integers that a thread takes at a time: one core multiplies them in about 10 us.
const SHARE: usize = 128 << 10;

/// Vectors as integers, each with a scale of its own.
pub(crate) struct PackedInputs {
    width: usize,
    values: Vec<i16>,
    scales: Vec<f32>,
}

impl PackedInputs {
    /// The rows of `x`, each `width` numbers. Each row is rounded by itself.
    pub(crate) fn new(x: &[f32], width: usize) -> PackedInputs {
        let mut vectors =
            PackedInputs { width, values: Vec::with_capacity(x.len()), scales: Vec::new() };
        for row in x.chunks_exact(width) {
            let largest = row.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
            let to_integer = if largest > 0.0 { LARGEST / largest } else { 0.0 };
            // A cast truncates, so half away from zero rounds; it saturates and takes NaN to zero.
            let round = |&x: &f32| {
                let scaled = x * to_integer;
                (scaled + 0.5f32.copysign(scaled)) as i16
            };
            vectors.values.extend(row.iter().map(round));
            vectors.scales.push(largest / LARGEST);
        }
        vectors
    }

    /// What the integers of vector `index` are multiples of.
    pub(crate) fn scale(&self, index: usize) -> f32 {
        self.scales[index]
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.scales.len()
    }
}

/// Rows of small integers, each with a scale and a number to add.
pub(crate) trait Rows: Sync {
    /// Integers per row.
    fn width(&self) -> usize;

    /// The integers of a row, unpacked to `space` where they are stored packed.
    fn row<'a>(&'a self, index: usize, space: &'a mut Vec<i8>) -> &'a [i8];

    /// What a row's integers are multiples of.
    fn scale(&self, index: usize) -> f32;

    /// What is added to a row's product.
    fn bias(&self, index: usize) -> f32;
}

/// `out[row][vector] = scale x dot + bias`; `out` is rows x vectors.
pub(crate) fn multiply<R: Rows>(compute: &Compute, rows: &R, x: &PackedInputs, out: &mut [f32]) {
    assert_eq!(rows.width(), x.width, "rows are as long as the vectors they multiply");
    let share = (SHARE / (x.width * x.count()).max(1)).max(1).next_multiple_of(ROWS);
    let isa = compute.isa();
    let integers = out.len() * x.width;
    let shares = out.chunks_mut((share * x.count()).max(1)).zip((0..).step_by(share));
    compute.share(integers, shares, |(out, first)| dispatch(isa, rows, first, x, out));
}

/// Runs the loop compiled for `isa`.
fn dispatch<R: Rows>(isa: Isa, rows: &R, first: usize, x: &PackedInputs, out: &mut [f32]) {
    match isa {
        Isa::Scalar => products(rows, first, x, out, dot),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a `Compute` of this set exists, and making one asks the CPU.
        Isa::Avx2 => unsafe { products_avx2(rows, first, x, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a `Compute` of this set exists, and making one asks the CPU.
        Isa::Avx512 => unsafe { products_avx512(rows, first, x, out) },
        #[cfg(not(target_arch = "x86_64"))]
        _ => products(rows, first, x, out, dot),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn products_avx2<R: Rows>(rows: &R, first: usize, x: &PackedInputs, out: &mut [f32]) {
    // What the compiler makes of `dot` widens to half a register only.
    products(rows, first, x, out, |rows, vector| avx2::dot(rows, vector));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn products_avx512<R: Rows>(rows: &R, first: usize, x: &PackedInputs, out: &mut [f32]) {
    products(rows, first, x, out, dot);
}

/// The rows from `first` on, as many as `out` has room for.
#[inline(always)]
fn products<R: Rows>(
    rows: &R,
    first: usize,
    x: &PackedInputs,
    out: &mut [f32],
    dot: impl Fn([&[i8]; ROWS], &[i16]) -> [i64; ROWS],
) {
    let count = x.count();
    let mut spaces: [Vec<i8>; ROWS] = std::array::from_fn(|_| Vec::new());
    for (first, out) in (first..).step_by(ROWS).zip(out.chunks_mut(ROWS * count)) {
        let last = first + out.len() / count - 1;
        let mut index = first;
        // Past the last row the last one is multiplied again, and the results dropped.
        let together = spaces.each_mut().map(|space| {
            let row = rows.row(index.min(last), space);
            index += 1;
            row
        });
        let vectors = x.values.chunks_exact(x.width).zip(&x.scales);
        for (column, (vector, x_scale)) in vectors.enumerate() {
            let dots = dot(together, vector);
            for (row, out) in out.chunks_exact_mut(count).enumerate() {
                let (scale, bias) = (rows.scale(first + row), rows.bias(first + row));
                out[column] = finish(dots[row], scale, *x_scale, bias);
            }
        }
    }
}

/// A product from its integers: one formula, for every way to them must give the same bits.
#[inline(always)]
pub(crate) fn finish(dot: i64, scale: f32, x_scale: f32, bias: f32) -> f32 {
    dot as f32 * (scale * x_scale) + bias
}

/// The exact dot products of some rows, a block of each in turn: as many streams from memory.
#[inline(always)]
fn dot(rows: [&[i8]; ROWS], vector: &[i16]) -> [i64; ROWS] {
    let mut sums = [0; ROWS];
    for start in (0..vector.len()).step_by(BLOCK) {
        let block = start..vector.len().min(start + BLOCK);
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum += i64::from(dot_block(&row[block.clone()], &vector[block.clone()]));
        }
    }
    sums
}

#[inline(always)]
fn dot_block(row: &[i8], vector: &[i16]) -> i32 {
    row.iter().zip(vector).map(|(&w, &x)| i32::from(w) * i32::from(x)).sum()
}
