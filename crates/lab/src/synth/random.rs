//! Random numbers that do not depend on the order in which they are made: each row has a stream of its own.

use super::normal;
use half::f16;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a row of random numbers is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Signs,
    Topic,
    Token,
    Walk,
    Dense,
    Factor,
    Noise,
    Up,
    Down,
    Heat,
    Subspace,
}

/// One row: `part` is a layer or a tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) purpose: Purpose,
    pub(super) part: usize,
    pub(super) index: usize,
}

/// Makes rows. ChaCha gives the same bytes on every platform and version.
#[derive(Debug)]
pub(super) struct Random {
    start: ChaCha8Rng,
    /// The normal distribution in steps of equal probability: 16 random bits choose one.
    steps: Vec<f32>,
}

/// Steps of the normal distribution.
const STEPS: usize = 1 << 16;

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        let quantile = |step| normal::quantile((step as f64 + 0.5) / STEPS as f64) as f32;
        Random { start: ChaCha8Rng::seed_from_u64(seed), steps: (0..STEPS).map(quantile).collect() }
    }

    /// The stream of a row.
    pub(super) fn stream(&self, row: Row) -> ChaCha8Rng {
        let Row { purpose, part, index } = row;
        let mut stream = self.start.clone();
        stream.set_stream((purpose as u64) << 56 | (part as u64) << 40 | index as u64);
        stream
    }

    /// Fills a row with normal numbers of deviation one.
    pub(super) fn normals(&self, row: Row, out: &mut [f32]) {
        let mut bits = vec![0; 2 * out.len()];
        self.stream(row).fill_bytes(&mut bits);
        for (number, &bits) in out.iter_mut().zip(bits.as_chunks::<2>().0) {
            *number = self.steps[usize::from(u16::from_le_bytes(bits))];
        }
    }

    /// The steps at another deviation, as stored.
    pub(super) fn coded(&self, deviation: f32) -> CodedNormals {
        let code = |&step: &f32| f16::from_f32(step * deviation).to_le_bytes();
        CodedNormals { steps: self.steps.iter().map(code).collect() }
    }

    /// Fills a row of f16 with what `normals` stands for.
    pub(super) fn coded_row(&self, row: Row, normals: &CodedNormals, out: &mut [u8]) {
        self.stream(row).fill_bytes(out);
        for bytes in out.as_chunks_mut::<2>().0 {
            *bytes = normals.steps[usize::from(u16::from_le_bytes(*bytes))];
        }
    }
}

/// Normal numbers as little-endian f16.
#[derive(Debug)]
pub(super) struct CodedNormals {
    steps: Vec<[u8; 2]>,
}

/// Hands pieces of `out`, each `rows` rows of `row` items (the last may be shorter), to `fill` with the index
/// of their first row, on all threads.
pub(super) fn in_rows<T: Send>(
    out: &mut [T],
    row: usize,
    threads: usize,
    fill: impl Fn(usize, &mut [T]) + Sync,
) {
    let rows = (out.len() / row).div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for (piece, out) in out.chunks_mut(rows * row).enumerate() {
            let fill = &fill;
            scope.spawn(move || fill(piece * rows, out));
        }
    });
}
