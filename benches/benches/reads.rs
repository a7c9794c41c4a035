//! Random record reads per backend, by size and depth, beside a bare loop of pread.
//!
//! Every read is direct where the disk of the temporary directory allows it, so the state of the page cache does not
//! matter; other users of the disk do. Only ratios within one run mean anything.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flint_flash_io::{
    BackendChoice, FileId, MergePolicy, Options, Priority, Reader, RecordRead, TIMEOUT,
};
use flint_geometry::Extent;
use flint_iobuf::{Lease, Pool};
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FILE_BYTES: u64 = 512 << 20;
const SIZES: [usize; 3] = [4 << 10, 16 << 10, 64 << 10];
const DEPTHS: [usize; 3] = [1, 16, 64];

/// Places that a seed replays: every contestant reads the same sequence.
struct Places(u64);

impl Places {
    fn next(&mut self, bytes: usize) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % (FILE_BYTES / bytes as u64) * bytes as u64
    }
}

fn data(directory: &Path) -> PathBuf {
    let path = directory.join("data");
    let mut file = File::create(&path).expect("a temporary file");
    let mut places = Places(88_172_645_463_325_252);
    let block: Vec<u8> = (0..1 << 20).map(|_| places.next(1) as u8).collect();
    for _ in 0..FILE_BYTES >> 20 {
        file.write_all(&block).expect("room for the file");
    }
    file.sync_all().expect("a disk that keeps the file");
    path
}

/// `reads` reads of `bytes`, `depth` of them in flight.
fn through_reader(
    path: &Path,
    backend: BackendChoice,
    bytes: usize,
    depth: usize,
    reads: u64,
) -> Option<Duration> {
    let merge = MergePolicy::NEVER;
    let options = Options { backend, merge, max_requests: depth, ..Options::default() };
    let mut reader = Reader::open(&[path.to_owned()], options).ok()?;
    let pool = Pool::new(depth as u32, reader.lease_bytes(bytes)).expect("memory");
    let (mut places, mut left) = (Places(88_172_645_463_325_252), reads);
    let mut batch = Vec::new();
    let mut ask = |batch: &mut Vec<RecordRead>, into| {
        if left > 0 {
            left -= 1;
            let extent = Extent::new(places.next(bytes), bytes as u64).expect("inside the file");
            batch.push(RecordRead::new(0, FileId(0), extent, into));
        }
    };
    let begin = Instant::now();
    // All places at once: one that goes back unused must not be handed out again.
    let leases: Vec<Lease> = std::iter::from_fn(|| pool.take()).collect();
    for lease in leases {
        ask(&mut batch, lease);
    }
    reader.submit(&mut batch, Priority::Demand);
    while let Some(done) = reader.next_within(TIMEOUT).expect("a healthy disk") {
        done.result.expect("a healthy disk");
        ask(&mut batch, done.into);
        while let Some(done) = reader.try_next() {
            done.result.expect("a healthy disk");
            ask(&mut batch, done.into);
        }
        reader.submit(&mut batch, Priority::Demand);
    }
    Some(begin.elapsed())
}

fn bare_loop(path: &Path, bytes: usize, reads: u64) -> Duration {
    let mut options = OpenOptions::new();
    let direct = options.read(true).custom_flags(OFlags::DIRECT.bits() as i32).open(path);
    let file = direct.or_else(|_| File::open(path)).expect("the file just written");
    let mut lease = Lease::alone(bytes).expect("memory");
    let mut places = Places(88_172_645_463_325_252);
    let begin = Instant::now();
    for _ in 0..reads {
        file.read_exact_at(&mut lease[..bytes], places.next(bytes)).expect("a healthy disk");
    }
    begin.elapsed()
}

fn random_reads(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = data(directory.path());
    for bytes in SIZES {
        let mut group = criterion.benchmark_group(format!("random reads of {} KiB", bytes >> 10));
        group.throughput(Throughput::Bytes(bytes as u64)).sample_size(10);
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        group.bench_function("bare pread", |bencher| {
            bencher.iter_custom(|reads| bare_loop(&path, bytes, reads));
        });
        for depth in DEPTHS {
            for backend in [BackendChoice::Uring, BackendChoice::Threads] {
                if through_reader(&path, backend, bytes, depth, 1).is_none() {
                    continue;
                }
                let id = BenchmarkId::new(format!("{backend:?}"), depth);
                group.bench_function(id, |bencher| {
                    bencher.iter_custom(|reads| {
                        through_reader(&path, backend, bytes, depth, reads).expect("as above")
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, random_reads);
criterion_main!(benches);
