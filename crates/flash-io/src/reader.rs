//! The reader: from records to device reads and back. Belongs to one thread; the work is done by others.

mod failure;
mod plan;

use crate::backend::{self, Backend, Start};
use crate::{
    Counters, DeviceDone, DeviceRead, Failure, FileSet, MergePolicy, OpenMode, Options, PathReport,
    Piece, ReadError, RecordDone, RecordPiece, RecordRead, Urgency,
};
use flint_geometry::{Extent, SECTOR};
use flint_iobuf::Lease;
use plan::Planner;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// What a reader must know of the device behind its backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Names of the files for errors, in the order of their [`FileId`](crate::FileId)s.
    pub paths: Vec<PathBuf>,
    /// Reads start and end on multiples of this many bytes; a power of two.
    pub alignment: u32,
    /// Whether reads go past the page cache.
    pub direct: bool,
    /// Why the path to the device is not the best one.
    pub reasons: Vec<String>,
}

/// Reads records of files into leases.
pub struct Reader {
    backend: Box<dyn Backend>,
    device: Device,
    planner: Planner,
    /// Records that are finished but not handed out.
    ready: VecDeque<RecordDone>,
    /// Device reads that have not come back.
    outstanding: usize,
    /// Guesses that were just taken back; kept for its memory.
    recalled: Vec<DeviceRead>,
    counters: Counters,
}

impl Reader {
    /// Opens `paths` and starts the threads that read them.
    ///
    /// # Errors
    /// When a file cannot be opened, or a backend that was asked for by name cannot be started.
    ///
    /// # Panics
    /// When `max_requests` is zero or `min_alignment` is not a power of two.
    pub fn open(paths: &[PathBuf], options: Options) -> Result<Reader, ReadError> {
        Reader::open_on(paths, &options, backend::URING)
    }

    /// A reader over any backend, such as a simulated device.
    ///
    /// # Panics
    /// When the alignment is not a power of two.
    pub fn with_backend(backend: Box<dyn Backend>, device: Device, merge: MergePolicy) -> Reader {
        Reader {
            backend,
            planner: Planner::new(device.alignment, merge),
            device,
            ready: VecDeque::new(),
            outstanding: 0,
            recalled: Vec::new(),
            counters: Counters::default(),
        }
    }

    fn open_on(paths: &[PathBuf], options: &Options, uring: Start) -> Result<Reader, ReadError> {
        let mode = OpenMode { direct: options.direct, min_alignment: options.min_alignment };
        let files = Arc::new(FileSet::open(paths, mode)?);
        let mut reasons = files.reasons().to_vec();
        let backend = backend::start(&files, options, uring, &mut reasons)?;
        let device = Device {
            paths: files.paths().to_vec(),
            alignment: files.alignment(),
            direct: files.is_direct(),
            reasons,
        };
        Ok(Reader::with_backend(backend, device, options.merge))
    }

    /// How long a lease must be for a record of `extent_len` bytes at any 512-byte sector: the record rounded
    /// up to the alignment, and up to one block more where the alignment is coarser than a sector.
    pub fn lease_bytes(&self, extent_len: usize) -> usize {
        let alignment = self.device.alignment as usize;
        let worst_head = alignment.saturating_sub(SECTOR as usize);
        (extent_len + worst_head).next_multiple_of(alignment)
    }

    /// Where in its lease the record of `extent` will lie.
    pub fn place(&self, extent: Extent) -> Range<usize> {
        self.planner.place(extent)
    }

    /// Queues a batch of records and leaves the vector empty. Never waits for the device.
    ///
    /// Neighbours in the batch become one device read, so a batch should be as large as is known at once.
    ///
    /// # Panics
    /// When a lease is shorter than its widened extent or less aligned than the device, or a file is
    /// none of the reader's.
    pub fn submit(&mut self, batch: &mut Vec<RecordRead>, urgency: Urgency) {
        for read in batch.iter() {
            let known = (read.file.0 as usize) < self.device.paths.len();
            assert!(known, "{:?} is none of the {} files", read.file, self.device.paths.len());
        }
        let reads = self.planner.plan(batch, |refused| {
            let result = if refused.extent.is_empty() {
                Ok(())
            } else {
                // No file reaches that far.
                Err(self.device.error(refused.file, refused.extent, 0, Failure::EndOfFile))
            };
            self.ready.push_back(RecordDone {
                tag: refused.tag,
                into: refused.into,
                at: 0..0,
                result,
            });
        });
        self.outstanding += reads.len();
        if !reads.is_empty() {
            self.backend.submit(reads, urgency);
        }
    }

    /// Takes back the guesses that the device was not given yet: `each` gets their tags and leases. Those
    /// that it is working on come out of [`Reader::next`] like any other.
    pub fn recall_guesses(&mut self, mut each: impl FnMut(u64, Lease)) {
        self.backend.recall(&mut self.recalled);
        self.outstanding -= self.recalled.len();
        for read in self.recalled.drain(..) {
            let mut pieces = read.into_pieces();
            for piece in pieces.drain(..) {
                if let Piece::Record(RecordPiece { tag, into, .. }) = piece {
                    each(tag, into);
                }
            }
            self.planner.recycle(pieces);
        }
    }

    /// The next finished record, in any order; waits for it. `None` when nothing is queued or in flight.
    #[expect(clippy::should_implement_trait, reason = "no iterator: reads are submitted meanwhile")]
    pub fn next(&mut self) -> Option<RecordDone> {
        if let Some(done) = self.try_next() {
            return Some(done);
        }
        let before = Instant::now();
        while self.ready.is_empty() && self.outstanding > 0 {
            let done = self.backend.next();
            self.settle(done);
        }
        self.counters.wait += before.elapsed();
        self.hand_out()
    }

    /// A finished record, if there is one. Never waits.
    pub fn try_next(&mut self) -> Option<RecordDone> {
        while self.ready.is_empty() && self.outstanding > 0 {
            let done = self.backend.try_next()?;
            self.settle(done);
        }
        self.hand_out()
    }

    /// Which path reads take, and why not a better one.
    pub fn report(&self) -> PathReport {
        PathReport {
            backend: self.backend.name(),
            direct: self.device.direct,
            alignment: self.device.alignment,
            widened: u64::from(self.device.alignment) > SECTOR,
            reasons: self.device.reasons.clone(),
        }
    }

    /// What has been done so far. Reads count when they come back.
    pub fn counters(&self) -> Counters {
        Counters { busy: self.backend.busy(), ..self.counters }
    }

    fn hand_out(&mut self) -> Option<RecordDone> {
        let done = self.ready.pop_front()?;
        self.counters.records += 1;
        Some(done)
    }

    /// Turns a device read back into its records. A record whose bytes had arrived is good even where the
    /// read failed behind it, as if it had been read by itself.
    fn settle(&mut self, done: DeviceDone) {
        let DeviceDone { read, failure } = done;
        self.outstanding -= 1;
        self.counters.device_reads += 1;
        self.counters.bytes_read += read.bytes() as u64;
        let (file, offset, got) = (read.file(), read.offset(), read.got());
        let mut pieces = read.into_pieces();
        let mut start = 0;
        for piece in pieces.drain(..) {
            let bytes = piece.bytes();
            if let Piece::Record(RecordPiece { tag, into, at, .. }) = piece {
                let record = start + at.start..start + at.end;
                let result = match failure {
                    Some(failure) if record.end > got => {
                        let arrived = got.saturating_sub(record.start) as u64;
                        let extent = Extent::new(offset + record.start as u64, at.len() as u64);
                        let extent =
                            extent.unwrap_or_else(|| unreachable!("the planner refused it"));
                        Err(self.device.error(file, extent, arrived, failure))
                    }
                    _ => Ok(()),
                };
                self.ready.push_back(RecordDone { tag, into, at, result });
            }
            start += bytes;
        }
        self.planner.recycle(pieces);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BackendChoice;

    fn denied(_: &Arc<FileSet>, _: &Options) -> Result<Box<dyn Backend>, ReadError> {
        Err(ReadError::UringRefused { cause: std::io::Error::from_raw_os_error(libc::EPERM) })
    }

    fn open_denied(backend: BackendChoice) -> (tempfile::NamedTempFile, Result<Reader, ReadError>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [5; 9000]).unwrap();
        let options = Options { backend, ..Options::default() };
        let reader = Reader::open_on(&[file.path().to_owned()], &options, denied);
        (file, reader)
    }

    #[test]
    fn where_io_uring_is_denied_threads_read_and_the_report_says_why() {
        let (_file, reader) = open_denied(BackendChoice::Auto);
        let mut reader = reader.unwrap();
        let report = reader.report();
        assert_eq!(report.backend, "threads");
        assert!(report.reasons.iter().any(|why| why.contains("seccomp")), "{report:?}");
        let extent = Extent::new(8000, 1000).unwrap();
        let into = Lease::alone(16 << 10).unwrap();
        let mut batch = vec![RecordRead { tag: 3, file: crate::FileId(0), extent, into }];
        reader.submit(&mut batch, Urgency::Exact);
        let done = reader.next().unwrap();
        done.result.unwrap();
        assert_eq!(done.into[done.at], [5; 1000]);
    }

    #[test]
    fn io_uring_by_name_is_an_error_where_it_is_denied() {
        let (_file, reader) = open_denied(BackendChoice::Uring);
        assert!(matches!(reader, Err(ReadError::UringRefused { .. })));
    }
}
