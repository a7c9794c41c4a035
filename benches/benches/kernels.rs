//! The kernels in GB/s and GFLOP/s, beside the best prefetched read of memory on as many threads.
//!
//! Weights are taken in turn from more memory than any cache holds, so that they come from memory.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "kernels/quantised.rs"]
mod quantised;
#[path = "kernels/read_memory.rs"]
mod read_memory;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flint_geometry::{DType, RecordLayout};
use flint_iobuf::Lease;
use flint_kernels::{
    Activation, AttentionSpec, Compute, Isa, KvElement, KvRow, KvShape, KvStore, MatrixView,
    PagedKv, accumulate_down, activate, attention, matmul, multiply_add_peak,
};
use std::hint::black_box;

/// Rows and columns of the largest matrix of a 7B model.
const ROWS: usize = 11_008;
const COLS: usize = 4096;

/// Bytes of weights that are taken in turn.
const MEMORY: usize = 2 << 30;

/// Neurons of a layer of OPT-6.7B, and how many of them a token needs.
const NEURONS: usize = 16_384;
const ACTIVE: usize = NEURONS / 10;

/// Memory full of small f16 numbers.
fn weights(bytes: usize) -> Lease {
    let mut memory = Lease::alone(bytes).unwrap();
    let (pairs, _) = memory.as_chunks_mut::<2>();
    for (i, pair) in pairs.iter_mut().enumerate() {
        // Exponents around 2^-4, any mantissa and sign.
        *pair = (0x2c00 | (i.wrapping_mul(40_503) >> 3) as u16 & 0x83ff).to_le_bytes();
    }
    memory
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i % 17) as f32 / 17.0 - 0.4).collect()
}

fn computes() -> impl Iterator<Item = Compute> {
    let pairs = Isa::available().into_iter().flat_map(|isa| [1, 2].map(|n| (isa, n)));
    pairs.filter(|(isa, _)| *isa != Isa::Scalar).map(|(isa, n)| Compute::new(isa, n).unwrap())
}

fn id(name: &str, c: &Compute) -> BenchmarkId {
    BenchmarkId::new(name, format!("{} x{}", c.isa(), c.threads()))
}

/// One token's product with a matrix, and the plain read of as much.
fn gemv(criterion: &mut Criterion) {
    let memory = weights(MEMORY);
    let bytes = ROWS * COLS * 2;
    let mut turn = memory.chunks_exact(bytes).cycle();
    let x = numbers(COLS);
    let mut out = vec![0.0; ROWS];
    let mut group = criterion.benchmark_group("gemv f16 11008x4096");
    group.throughput(Throughput::BytesDecimal(bytes as u64)).sample_size(30);
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new("plain read", format!("x{threads}")), |b| {
            b.iter(|| read_memory::read(turn.next().unwrap(), threads));
        });
    }
    for c in computes() {
        group.bench_function(id("matmul", &c), |b| {
            b.iter(|| {
                let bytes = turn.next().unwrap();
                let w = MatrixView::new(DType::F16, ROWS, COLS, bytes).unwrap();
                matmul(&c, w, black_box(&x), None, &mut out);
            });
        });
    }
}

/// One token through a tenth of a layer's neurons, all of which are active.
fn feed_forward(criterion: &mut Criterion) {
    let layout = RecordLayout::new(DType::F16, COLS as u32, false).unwrap();
    let memory = weights(MEMORY);
    let layers: Vec<Vec<&[u8]>> = memory
        .chunks_exact(NEURONS * layout.payload_bytes())
        .map(|layer| {
            let records = layer.chunks_exact(layout.payload_bytes()).enumerate();
            let needed = |index: usize| index.wrapping_mul(2_654_435_761) >> 8 & 0xffff < 6554;
            records.filter(|(i, _)| needed(*i)).map(|(_, record)| record).take(ACTIVE).collect()
        })
        .collect();
    let mut turn = layers.iter().cycle();
    let x = numbers(COLS);
    // Large biases keep every neuron active.
    let bias = vec![1e3; NEURONS];
    let (mut acts, mut out) = (vec![0.0; NEURONS], vec![0.0; COLS]);
    let mut group = criterion.benchmark_group("feed-forward f16 width 4096");
    let bytes = layers[0].len() * layout.payload_bytes();
    group.throughput(Throughput::BytesDecimal(bytes as u64)).sample_size(30);
    for c in computes() {
        group.bench_function(id("sparse", &c), |b| {
            b.iter(|| {
                let records = turn.next().unwrap();
                let (bias, acts) = (&bias[..records.len()], &mut acts[..records.len()]);
                let relu = Activation::Relu;
                activate(&c, &layout, relu, records, None, Some(bias), black_box(&x), acts);
                accumulate_down(&c, &layout, records, acts, &mut out);
            });
        });
    }
}

/// A few tokens' products with a matrix, as when a draft is verified.
fn few(criterion: &mut Criterion) {
    let memory = weights(MEMORY);
    let bytes = ROWS * COLS * 2;
    let mut turn = memory.chunks_exact(bytes).cycle();
    let mut group = criterion.benchmark_group("few tokens f16 11008x4096");
    group.throughput(Throughput::BytesDecimal(bytes as u64)).sample_size(20);
    let c = Compute::new(Isa::best(), 2).unwrap();
    for tokens in [1, 2, 4, 6, 8, 9, 10, 12, 16] {
        let x = numbers(tokens * COLS);
        let mut out = vec![0.0; tokens * ROWS];
        group.bench_function(id(&format!("{tokens} tokens"), &c), |b| {
            b.iter(|| {
                let bytes = turn.next().unwrap();
                let w = MatrixView::new(DType::F16, ROWS, COLS, bytes).unwrap();
                matmul(&c, w, black_box(&x), None, &mut out);
            });
        });
    }
}

/// Chunks of a prompt; elements are floating-point operations. Beside them multiply-adds on registers alone.
#[expect(clippy::print_stdout, reason = "a ceiling is a line of the results")]
fn gemm(criterion: &mut Criterion) {
    let memory = weights(COLS * COLS * 2);
    let w = MatrixView::new(DType::F16, COLS, COLS, &memory).unwrap();
    for tokens in [64, 512] {
        let x = numbers(tokens * COLS);
        let mut out = vec![0.0; tokens * COLS];
        let name = format!("gemm f16 4096x4096, {tokens} tokens");
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements((2 * tokens * COLS * COLS) as u64)).sample_size(10);
        for c in computes() {
            group.bench_function(id("matmul", &c), |b| {
                b.iter(|| matmul(&c, w, black_box(&x), None, &mut out));
            });
        }
    }
    for c in computes() {
        let peak = multiply_add_peak(&c) / 1e9;
        println!("peak of {} on {} threads: {peak:.0} GFLOP/s", c.isa(), c.threads());
    }
}

/// Matrices small enough that waking a thread could cost more than it gains.
fn small(criterion: &mut Criterion) {
    let memory = weights(1 << 20);
    let x = numbers(512);
    let mut out = vec![0.0; 1024];
    let mut group = criterion.benchmark_group("gemv f16, cached");
    for kib in [32, 64, 128, 256, 512, 1024] {
        let w = MatrixView::new(DType::F16, kib, 512, &memory[..kib << 10]).unwrap();
        group.throughput(Throughput::BytesDecimal((kib << 10) as u64));
        for threads in [1, 2] {
            let c = Compute::new(Isa::best(), threads).unwrap();
            group.bench_function(id(&format!("{kib} KiB"), &c), |b| {
                b.iter(|| matmul(&c, w, black_box(&x), None, &mut out[..kib]));
            });
        }
    }
}

/// One token's attention over 2048 positions of 32 heads of 128.
fn attend(criterion: &mut Criterion) {
    const POSITIONS: usize = 2048;
    let spec = AttentionSpec {
        heads: 32,
        kv_heads: 32,
        head_dim: 128,
        scale: 0.09,
        softcap: None,
        window: None,
        sinks: None,
    };
    let width = spec.heads * spec.head_dim;
    let shape = KvShape { layers: 1, kv_heads: 32, head_dim: 128, element: KvElement::F32 };
    let kv = numbers(POSITIONS * width);
    let q = numbers(width);
    let mut out = vec![0.0; width];
    let mut group = criterion.benchmark_group("attention f32, 2048 positions, 32 heads of 128");
    group.throughput(Throughput::BytesDecimal(PagedKv::bytes_for(&shape, POSITIONS, 1)));
    for page_tokens in [16, 64, POSITIONS] {
        let mut store = PagedKv::new(shape, page_tokens, POSITIONS / page_tokens);
        let seq = store.sequence();
        let rows: Vec<KvRow> = (0..POSITIONS).map(|position| KvRow { seq, position }).collect();
        store.append(0, &rows, &kv, &kv).unwrap();
        let last = &rows[POSITIONS - 1..];
        for c in computes() {
            group.bench_function(id(&format!("one row, pages of {page_tokens}"), &c), |b| {
                b.iter(|| attention(&c, &spec, black_box(&q), &store, 0, last, &mut out));
            });
        }
    }
}

criterion_group!(
    benches,
    gemv,
    feed_forward,
    few,
    gemm,
    small,
    attend,
    quantised::one_row,
    quantised::many_rows
);
criterion_main!(benches);
