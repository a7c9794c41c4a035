//! Test beds: the same files behind every backend.

use flint_flash_io::{
    BackendChoice, Device, Faults, FileId, Options, Priority, Reader, RecordDone, RecordRead,
    SimulatedDevice, TIMEOUT,
};
use flint_geometry::Extent;
use flint_iobuf::Lease;
use std::path::PathBuf;

/// A way to reach the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bed {
    Threads,
    Uring,
    Simulated,
}

/// A reader and the directory of its files, which is removed with it.
pub(crate) struct Ready {
    pub(crate) reader: Reader,
    pub(crate) paths: Vec<PathBuf>,
    _directory: tempfile::TempDir,
}

/// Misfortune that a reader must hide.
pub(crate) const HARMLESS: Faults =
    Faults { delay_micros: 50, short: 200, again: 200, stall: 10, eio: 0, corrupt: 0, hang: 0 };

impl Bed {
    /// A reader over `files`; `None` where this machine denies io_uring.
    pub(crate) fn open(self, files: &[Vec<u8>], options: Options) -> Option<Ready> {
        let directory = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> =
            (0..files.len()).map(|index| directory.path().join(format!("data-{index}"))).collect();
        for (path, bytes) in paths.iter().zip(files) {
            std::fs::write(path, bytes).unwrap();
        }
        let reader = match self {
            Bed::Simulated => simulated(files, &paths, &options, HARMLESS, 1),
            Bed::Threads => {
                Reader::open(&paths, Options { backend: BackendChoice::Threads, ..options })
                    .unwrap()
            }
            Bed::Uring => {
                let auto = Options { backend: BackendChoice::Auto, ..options };
                let reader = Reader::open(&paths, auto).unwrap();
                if reader.report().backend != "uring" {
                    let reasons = &reader.report().reasons;
                    flint_fixtures::skip(format_args!("not over io_uring: {reasons:?}"));
                    return None;
                }
                reader
            }
        };
        Some(Ready { reader, paths, _directory: directory })
    }
}

/// A reader over a simulated device.
pub(crate) fn simulated(
    files: &[Vec<u8>],
    paths: &[PathBuf],
    options: &Options,
    faults: Faults,
    seed: u64,
) -> Reader {
    let alignment = options.min_alignment.unwrap_or(512);
    let budgets = (options.max_requests, options.max_bytes);
    let backend = SimulatedDevice::new(files.to_vec(), alignment, budgets, faults, seed);
    let device = Device { paths: paths.to_vec(), alignment, direct: true, reasons: Vec::new() };
    Reader::with_backend(Box::new(backend), device, options.merge)
}

/// Bytes in which every place is recognisable.
pub(crate) fn content(bytes: usize, salt: u64) -> Vec<u8> {
    (0..bytes as u64)
        .map(|place| (place.wrapping_add(salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect()
}

/// A record of file 0 with a lease of its own, its offset as tag.
pub(crate) fn record(reader: &Reader, offset: u64, len: u64) -> RecordRead {
    let extent = Extent::new(offset, len).unwrap();
    // One sector more than a record on a sector needs, for records that are on none.
    let into = Lease::alone(reader.lease_bytes(len as usize + 512)).unwrap();
    RecordRead::new(offset, FileId(0), extent, into)
}

/// The next record, from a device that answers.
pub(crate) fn next(reader: &mut Reader) -> Option<RecordDone> {
    reader.next_within(TIMEOUT).unwrap()
}

/// Reads `records` of file 0 and returns them in order of their tags.
pub(crate) fn read_all(reader: &mut Reader, records: &[(u64, u64)]) -> Vec<RecordDone> {
    let mut batch = records.iter().map(|&(offset, len)| record(reader, offset, len)).collect();
    reader.submit(&mut batch, Priority::Demand);
    assert!(batch.is_empty());
    let mut done: Vec<RecordDone> = std::iter::from_fn(|| next(reader)).collect();
    done.sort_by_key(|done| done.tag);
    done
}
