//! Dot products of weight rows with many vectors: tiles of accumulators, each weight widened once.
//!
//! Every (row, vector) pair keeps the sixteen lanes of its dot product, fed in the same order as
//! for one vector alone: the bits are those of `dot`.

use crate::element::padded;
use crate::lanes::{Kernel, LANES, Lanes, Line};
use crate::widen::{STRETCH, WidenRow};
use std::ops::Range;

/// Chunks of a row that are widened at a time, so that a tile's weights stay in the first cache.
const DEPTH: usize = STRETCH;

/// Vectors that are multiplied with all rows of a share before the next ones are looked at, in bytes: they
/// and the rows stay in the second cache.
const GROUP_BYTES: usize = 256 << 10;

/// Vectors to multiply with: `tokens` rows of `width` numbers. Several are copied to lines of memory and
/// padded with zeros, because each is read once per tile of rows; a single one is read in place, unless
/// it is multiplied in tiles, too.
pub(crate) struct PackedInputs<'a> {
    plain: &'a [f32],
    lines: Vec<Line>,
    width: usize,
    tokens: usize,
}

impl<'a> PackedInputs<'a> {
    /// The rows of `x`, each `width` numbers, for products with weights that are `quantised` or not.
    pub(crate) fn new(x: &'a [f32], width: usize, quantised: bool) -> PackedInputs<'a> {
        let tokens = x.len().checked_div(width).unwrap_or(0);
        assert_eq!(x.len(), tokens * width, "vectors of {width} numbers each");
        let lines = if tokens > 1 || quantised && tokens > 0 {
            x.chunks(width).flat_map(|row| row.chunks(LANES).map(padded).map(Line)).collect()
        } else {
            Vec::new()
        };
        PackedInputs { plain: x, lines, width, tokens }
    }

    /// How many there are.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// The one vector, where it is read in place.
    pub(crate) fn plain(&self) -> Option<&'a [f32]> {
        (self.tokens == 1 && self.lines.is_empty()).then_some(self.plain)
    }

    /// How many of them stay in the second cache; never so few that widening weights would count.
    fn group(&self) -> usize {
        (GROUP_BYTES / (4 * self.width.max(1))).clamp(16, 128)
    }

    /// Lines of `token`'s vector.
    #[inline(always)]
    pub(crate) fn token(&self, token: usize) -> &[Line] {
        let lines = self.width.div_ceil(LANES);
        &self.lines[token * lines..][..lines]
    }
}

/// The dot products of rows `0..count` with every vector, in tiles: as for one vector.
#[inline(always)]
pub(crate) fn dot_panels<'a, L: Lanes, E: WidenRow>(
    lanes: L,
    count: usize,
    row: impl Fn(usize) -> &'a [u8],
    x: &PackedInputs<'_>,
    mut put: impl FnMut(usize, usize, f32),
) {
    for first in (0..x.tokens).step_by(x.group()) {
        let tokens = first..x.tokens.min(first + x.group());
        if L::MANY_REGISTERS {
            panels::<L, E, 6, 4>(lanes, count, &row, x, tokens, &mut put);
        } else {
            panels::<L, E, 2, 2>(lanes, count, &row, x, tokens, &mut put);
        }
    }
}

/// Walks panels of `R` rows against some of the vectors, in tiles of `R` x `T`.
#[inline(always)]
fn panels<'a, L: Lanes, E: WidenRow, const R: usize, const T: usize>(
    lanes: L,
    count: usize,
    row: impl Fn(usize) -> &'a [u8],
    x: &PackedInputs<'_>,
    tokens: Range<usize>,
    mut put: impl FnMut(usize, usize, f32),
) {
    let chunks = x.width.div_ceil(LANES);
    let mut sums = vec![[Line::ZERO; R]; tokens.len()];
    let mut weights = [[Line::ZERO; DEPTH]; R];
    // Rows far apart, each followed by the next one of its stream: see `dot.rs`.
    let stream = count.div_ceil(R);
    for index in 0..stream {
        // Past the last row the last one is computed again, and its results dropped.
        let rows: [&[u8]; R] = std::array::from_fn(|r| row((r * stream + index).min(count - 1)));
        sums.fill([Line::ZERO; R]);
        for from in (0..chunks).step_by(DEPTH) {
            let depth = DEPTH.min(chunks - from);
            for (row, weights) in rows.into_iter().zip(&mut weights) {
                E::widen(lanes, row, from, &mut weights[..depth]);
            }
            let panel = weights.each_ref().map(|row| &row[..depth]);
            let mut token = tokens.start;
            let mut sums = sums.as_mut_slice();
            while token + T <= tokens.end {
                let some;
                (some, sums) = sums.split_at_mut(T);
                lanes.enter(Tile::<R, T> { panel, x, token, from, sums: some });
                token += T;
            }
            for (token, sums) in (token..tokens.end).zip(sums.chunks_exact_mut(1)) {
                lanes.enter(Tile::<R, 1> { panel, x, token, from, sums });
            }
        }
        for (token, sums) in tokens.clone().zip(&sums) {
            for (r, sum) in sums.iter().enumerate() {
                if r * stream + index < count {
                    put(r * stream + index, token, lanes.sum(lanes.load(&sum.0)));
                }
            }
        }
    }
}

/// A panel of `R` rows against the `T` vectors from `token` on: adds their products to `sums`, from chunk `from` on.
/// A kernel of its own, as it is the same for every encoding.
struct Tile<'a, const R: usize, const T: usize> {
    panel: [&'a [Line]; R],
    x: &'a PackedInputs<'a>,
    token: usize,
    from: usize,
    sums: &'a mut [[Line; R]],
}

impl<const R: usize, const T: usize> Kernel for Tile<'_, R, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let depth = self.panel[0].len();
        let mut rows = [[].as_slice(); R];
        for (row, panel) in rows.iter_mut().zip(self.panel) {
            *row = &panel[..depth];
        }
        let mut vectors = [[].as_slice(); T];
        for (t, vector) in vectors.iter_mut().enumerate() {
            *vector = &self.x.token(self.token + t)[self.from..self.from + depth];
        }
        let sums = &mut self.sums[..T];
        let mut tile = [[lanes.splat(0.0); R]; T];
        for t in 0..T {
            for r in 0..R {
                tile[t][r] = lanes.load(&sums[t][r].0);
            }
        }
        for k in 0..depth {
            let mut weights = [lanes.splat(0.0); R];
            for r in 0..R {
                weights[r] = lanes.load(&rows[r][k].0);
            }
            for t in 0..T {
                let x = lanes.load(&vectors[t][k].0);
                for r in 0..R {
                    tile[t][r] = lanes.mul_add(weights[r], x, tile[t][r]);
                }
            }
        }
        for t in 0..T {
            for r in 0..R {
                lanes.store(tile[t][r], &mut sums[t][r].0);
            }
        }
    }
}
