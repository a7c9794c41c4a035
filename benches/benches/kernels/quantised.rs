//! Products with quantised weights: one row of activations beside the plain read of memory, and many.

use super::{COLS, id, numbers, read_memory, weights};
use criterion::{BenchmarkId, Criterion, Throughput};
use flint_kernels::{Arithmetic, Compute, DType, Isa, MatrixView, matmul};
use std::hint::black_box;
use std::time::Duration;

/// Rows of a matrix: with all its columns more than a cache holds in most types.
const ROWS: usize = 11_008;

/// Bytes of weights that are taken in turn.
const MEMORY: usize = 512 << 20;

/// Activations of a chunk of a prompt.
const CHUNK: usize = 128;

fn quantised() -> impl Iterator<Item = DType> {
    DType::ALL.into_iter().filter(|dtype| dtype.is_quantised())
}

fn bytes(dtype: DType, rows: usize) -> usize {
    rows * COLS / dtype.block_len() * dtype.block_bytes()
}

/// Gives scales that are powers of two the sizes that they have in models: CPUs are slow with numbers below the normal ones.
fn keep_normal(dtype: DType, memory: &mut [u8]) {
    if dtype == DType::Mxfp4 {
        memory.iter_mut().step_by(dtype.block_bytes()).for_each(|exponent| *exponent = 120);
    }
}

fn computes() -> [Compute; 2] {
    [1, 2].map(|threads| Compute::new(Isa::best(), threads).unwrap())
}

/// One row's product with a matrix, by type and arithmetic, and the plain read of as much.
pub(super) fn one_row(criterion: &mut Criterion) {
    let mut memory = weights(MEMORY);
    let x = numbers(COLS);
    let mut out = vec![0.0; ROWS];
    for dtype in quantised() {
        keep_normal(dtype, &mut memory);
        let bytes = bytes(dtype, ROWS);
        let mut turn = memory.chunks_exact(bytes).cycle();
        let mut group = criterion.benchmark_group(format!("one row {dtype} {ROWS}x{COLS}"));
        group.throughput(Throughput::BytesDecimal(bytes as u64)).sample_size(20);
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        for c in computes() {
            let name = BenchmarkId::new("plain read", format!("x{}", c.threads()));
            group.bench_function(name, |b| {
                b.iter(|| read_memory::read(turn.next().unwrap(), c.threads()));
            });
            for arithmetic in Arithmetic::ALL {
                group.bench_function(id(arithmetic.name(), &c), |b| {
                    b.iter(|| {
                        let w = MatrixView::new(dtype, ROWS, COLS, turn.next().unwrap()).unwrap();
                        let w = w.with_arithmetic(arithmetic);
                        matmul(&c, w, black_box(&x), None, &mut out);
                    });
                });
            }
        }
    }
}

/// A chunk of a prompt, by type and arithmetic; elements are operations on numbers.
pub(super) fn many_rows(criterion: &mut Criterion) {
    let mut memory = weights(bytes(DType::Q8_0, COLS));
    let x = numbers(CHUNK * COLS);
    let mut out = vec![0.0; CHUNK * COLS];
    for dtype in quantised() {
        keep_normal(dtype, &mut memory);
        let memory = &memory[..bytes(dtype, COLS)];
        let name = format!("{CHUNK} rows {dtype} {COLS}x{COLS}");
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements((2 * CHUNK * COLS * COLS) as u64)).sample_size(10);
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        for c in computes() {
            for arithmetic in Arithmetic::ALL {
                let w = MatrixView::new(dtype, COLS, COLS, memory).unwrap();
                let w = w.with_arithmetic(arithmetic);
                group.bench_function(id(arithmetic.name(), &c), |b| {
                    b.iter(|| matmul(&c, w, black_box(&x), None, &mut out));
                });
            }
        }
    }
}
