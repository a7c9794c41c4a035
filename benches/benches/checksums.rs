//! The checksum of a piece of a streamed matrix, and what it takes to put it behind another.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const SIZES: [usize; 4] = [70_000, 256 << 10, 512 << 10, 1 << 20];

fn checksums(criterion: &mut Criterion) {
    let bytes = vec![7u8; 1 << 20];
    let mut group = criterion.benchmark_group("crc32c");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("append {size}"), |b| {
            b.iter(|| crc32c::crc32c_append(black_box(3), &bytes[..size]));
        });
        group.bench_function(format!("combine {size}"), |b| {
            b.iter(|| crc32c::crc32c_combine(black_box(3), black_box(5), size));
        });
    }
    group.finish();
}

criterion_group!(benches, checksums);
criterion_main!(benches);
