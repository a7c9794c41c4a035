//! Measures a device through the path that reads would take: time per read for each size and depth.

mod ground;

use crate::random::SplitMix;
use crate::{
    Counters, FileId, MergePolicy, Options, PathReport, Priority, ReadError, Reader, RecordRead,
    TIMEOUT,
};
use flint_geometry::Extent;
use flint_iobuf::Pool;
use ground::Ground;
use rustix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Random reads start on multiples of this many bytes: pages, as records and file systems do.
const GRAIN: u64 = 4096;
/// Bytes and depth of sequential reads.
const SEQUENTIAL: (usize, usize) = (1 << 20, 8);

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOptions {
    /// Bytes of the random reads.
    pub sizes: Vec<usize>,
    /// How many reads are kept in flight.
    pub depths: Vec<usize>,
    /// How long each point is measured.
    pub each: Duration,
    /// Bytes of the temporary file, where one is written.
    pub temporary_bytes: u64,
    /// How to read; its budgets and merging are set by each point.
    pub read: Options,
}

impl Default for ProbeOptions {
    fn default() -> ProbeOptions {
        ProbeOptions {
            sizes: vec![4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 256 << 10, 1 << 20],
            depths: vec![1, 4, 16, 64],
            each: Duration::from_millis(150),
            // Larger than the caches of most devices' controllers, and written in a second or two.
            temporary_bytes: 512 << 20,
            read: Options::default(),
        }
    }
}

/// How far a probe is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeProgress {
    /// Points measured.
    pub done: usize,
    /// Points in all.
    pub points: usize,
}

/// Reads of one size at one depth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbePoint {
    /// Bytes of each read.
    pub bytes: usize,
    /// Reads kept in flight.
    pub depth: usize,
    /// Reads that were measured.
    pub reads: u64,
    /// Elapsed microseconds per finished read: the price of one more read, not its latency.
    pub micros_per_read: f64,
    /// Microseconds of CPU per finished read, of all threads of this process.
    pub cpu_micros_per_read: f64,
    /// Throughput in units of 1e6 bytes.
    pub megabytes_per_second: f64,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeReport {
    /// Which path was measured, and why not a better one.
    pub path: PathReport,
    /// Bytes of the file that was read.
    pub file_bytes: u64,
    /// Random reads, size by size, each at every depth.
    pub random: Vec<ProbePoint>,
    /// Reads of consecutive bytes.
    pub sequential: ProbePoint,
}

/// Measures the device behind `path`: a file is read, in a directory a temporary file is written, read
/// and removed. `progress` is called before each point. Sizes larger than the file are left out.
///
/// # Errors
/// When the file cannot be opened, written or read, or is smaller than every size.
pub fn probe(
    path: &Path,
    options: &ProbeOptions,
    mut progress: impl FnMut(ProbeProgress),
) -> Result<ProbeReport, ReadError> {
    let ground = Ground::new(path, options.temporary_bytes)?;
    let sizes = ground.sizes_that_fit(&options.sizes)?;
    let (points, seed) = (sizes.len() * options.depths.len() + 1, fresh_seed());
    let mut random = Vec::new();
    for &bytes in &sizes {
        for &depth in &options.depths {
            progress(ProbeProgress { done: random.len(), points });
            let seed = seed.wrapping_add(random.len() as u64);
            random.push(random_point(&ground, options, bytes, depth, seed)?);
        }
    }
    progress(ProbeProgress { done: random.len(), points });
    let bytes = SEQUENTIAL.0.min(ground.bytes() as usize);
    let mut point = Point::new(&ground, options, bytes, SEQUENTIAL.1)?;
    let (mut next, places) = (0, ground.bytes() / bytes as u64);
    let sequential = point.measure(options.each, || {
        next += 1;
        (next - 1) % places * bytes as u64
    })?;
    let mut path = point.reader.report();
    path.reasons.iter_mut().for_each(|reason| *reason = ground.in_words(reason));
    Ok(ProbeReport { path, file_bytes: ground.bytes(), random, sequential })
}

/// A seed that no earlier run had: places that were read before may lie in some cache below the file system, and are then
/// read several times as fast.
pub fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_nanos() as u64)
}

/// Measures random reads of `bytes` at one depth from an existing file; of `options` only how long and how to
/// read count. Another `seed` reads other places.
///
/// # Errors
/// When the file cannot be read or is smaller than one read.
pub fn probe_random(
    file: &Path,
    bytes: usize,
    depth: usize,
    options: &ProbeOptions,
    seed: u64,
) -> Result<ProbePoint, ReadError> {
    let ground = Ground::new(file, options.temporary_bytes)?;
    ground.sizes_that_fit(&[bytes])?;
    random_point(&ground, options, bytes, depth, seed)
}

fn random_point(
    ground: &Ground,
    options: &ProbeOptions,
    bytes: usize,
    depth: usize,
    seed: u64,
) -> Result<ProbePoint, ReadError> {
    let mut random = SplitMix::new(seed.wrapping_add(1));
    let last = ground.bytes() - bytes as u64;
    let mut point = Point::new(ground, options, bytes, depth)?;
    point.measure(options.each, || random.up_to(last / GRAIN) * GRAIN)
}

/// A reader and the memory for one point.
struct Point {
    reader: Reader,
    pool: Pool,
    bytes: usize,
    depth: usize,
}

impl Point {
    fn new(
        ground: &Ground,
        options: &ProbeOptions,
        bytes: usize,
        depth: usize,
    ) -> Result<Point, ReadError> {
        let read = Options {
            max_requests: depth.max(1),
            max_bytes: usize::MAX,
            merge: MergePolicy::NEVER,
            ..options.read.clone()
        };
        let reader = Reader::open(&[ground.path().to_owned()], read)?;
        let pool = Pool::new(depth.max(1) as u32, reader.lease_bytes(bytes))?;
        Ok(Point { reader, pool, bytes, depth })
    }

    /// Keeps `depth` reads in flight for a while.
    fn measure(
        &mut self,
        time: Duration,
        mut offset: impl FnMut() -> u64,
    ) -> Result<ProbePoint, ReadError> {
        let mut batch = Vec::new();
        let (begin, cpu_before) = (Instant::now(), cpu_micros());
        let mut ask = |reader: &mut Reader, into| {
            let extent = Extent::new(offset(), self.bytes as u64)
                .unwrap_or_else(|| unreachable!("offsets lie in the file"));
            batch.push(RecordRead::new(0, FileId(0), extent, into));
            reader.submit(&mut batch, Priority::Demand);
        };
        while let Some(lease) = self.pool.take() {
            ask(&mut self.reader, lease);
        }
        while let Some(done) = self.reader.next_within(TIMEOUT)? {
            done.result?;
            if begin.elapsed() < time {
                ask(&mut self.reader, done.into);
            }
        }
        let seconds = begin.elapsed().as_secs_f64();
        let Counters { device_reads: reads, bytes_read, .. } = self.reader.counters();
        Ok(ProbePoint {
            bytes: self.bytes,
            depth: self.depth,
            reads,
            micros_per_read: seconds * 1e6 / reads as f64,
            cpu_micros_per_read: (cpu_micros() - cpu_before) / reads as f64,
            megabytes_per_second: bytes_read as f64 / 1e6 / seconds,
        })
    }
}

/// CPU that all threads of this process took so far, in microseconds.
fn cpu_micros() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
