//! The reader: what a client of the files sees. The work is done by other threads.

mod blocks;
mod failure;
mod parts;
mod plan;
mod shared;

use crate::backend::{self, Backend, Start};
use crate::{
    ClientId, Counters, FileSet, MergePolicy, OpenMode, Options, PathReport, Priority, ReadError,
    RecordDone, RecordRead, Segments,
};
use blocks::Blocks;
use flint_geometry::Extent;
use flint_iobuf::Lease;
use shared::Shared;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a wait keeps other clients, on other threads, from their records.
const SLICE: Duration = Duration::from_millis(5);

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

/// Reads records of files into leases: one of any number of clients of one device.
///
/// [`Reader::client`] makes another client. All share the threads, the limits on what is in flight, and the order
/// of priorities: what one of them waits for goes before what another one reads ahead. Each gets its own records back.
/// Dropping a client drops what it asked for.
pub struct Reader {
    shared: Arc<Mutex<Shared>>,
    client: ClientId,
    blocks: Blocks,
}

/// How a wait ended.
#[derive(Debug)]
pub enum Wait {
    /// With a record.
    Done(RecordDone),
    /// At once: nothing of this client is queued or in flight.
    Idle,
    /// The device was silent for as long as the caller waits.
    TimedOut,
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
        let blocks = Blocks::new(device.alignment);
        let mut shared = Shared::new(backend, device, merge);
        let client = shared.join();
        Reader { shared: Arc::new(Mutex::new(shared)), client, blocks }
    }

    fn open_on(paths: &[PathBuf], options: &Options, uring: Start) -> Result<Reader, ReadError> {
        let (backend, device) = open_on(paths, options, uring)?;
        Ok(Reader::with_backend(backend, device, options.merge))
    }

    /// Another client of the same device.
    pub fn client(&self) -> Reader {
        let client = self.lock().join();
        Reader { shared: Arc::clone(&self.shared), client, blocks: self.blocks }
    }

    /// How long a lease must be for a record of `extent_len` bytes at any 512-byte sector: the record rounded
    /// up to the alignment, and up to one block more where the alignment is coarser than a sector.
    pub fn lease_bytes(&self, extent_len: usize) -> usize {
        self.blocks.lease_bytes(extent_len)
    }

    /// How long a lease must be for a record of these segments: each takes whole blocks.
    pub fn lease_bytes_of(&self, segments: &Segments) -> usize {
        segments.iter().map(|segment| self.blocks.widened_bytes(segment.extent)).sum()
    }

    /// Where in its lease the record of `extent` will lie, if that is all of it.
    pub fn place(&self, extent: Extent) -> Range<usize> {
        self.blocks.place(extent)
    }

    /// Where in the lease of their record the segments will lie, in order.
    pub fn places(&self, segments: &Segments) -> Vec<Range<usize>> {
        let mut before = 0;
        let place = |extent: Extent| {
            let (at, start) = (self.blocks.place(extent), before);
            before += self.blocks.widened_bytes(extent);
            start + at.start..start + at.end
        };
        segments.iter().map(|segment| segment.extent).map(place).collect()
    }

    /// Queues a batch of records and leaves the vector empty. Never waits for the device.
    ///
    /// Neighbours in the batch become one device read, so a batch should be as large as is known at once. A record
    /// that is large becomes several, which are read at the same time.
    ///
    /// # Panics
    /// When a lease is shorter than its widened segments or less aligned than the device, or a file is
    /// none of the reader's.
    pub fn submit(&mut self, batch: &mut Vec<RecordRead>, priority: Priority) {
        self.lock().submit(self.client, batch, priority);
    }

    /// Takes back the reads of this client and `priority` that the device was not given yet: `each` gets their tags and
    /// leases. Those that it is working on come out of [`Reader::wait`] like any other; a record of which a part
    /// had begun as [`ReadError::Cancelled`].
    pub fn cancel(&mut self, priority: Priority, mut each: impl FnMut(u64, Lease)) {
        self.lock().cancel(self.client, priority, &mut each);
    }

    /// The next finished record, in any order. Waits for it until the device has been silent for `limit`.
    ///
    /// # Errors
    /// When what is queued or in flight will never end.
    pub fn wait(&mut self, limit: Duration) -> Result<Wait, ReadError> {
        if let Some(done) = self.try_next() {
            return Ok(Wait::Done(done));
        }
        if self.lock().is_idle(self.client) {
            return Ok(Wait::Idle);
        }
        let before = Instant::now();
        let waited = self.wait_in_slices(limit);
        self.lock().waited(self.client, before.elapsed());
        waited
    }

    /// The same for a caller with nothing else to do meanwhile; `None` when nothing is queued or in flight.
    ///
    /// # Errors
    /// [`ReadError::Stalled`] when the device has been silent for `limit`; as [`Reader::wait`] else.
    pub fn next_within(&mut self, limit: Duration) -> Result<Option<RecordDone>, ReadError> {
        match self.wait(limit)? {
            Wait::Done(done) => Ok(Some(done)),
            Wait::Idle => Ok(None),
            Wait::TimedOut => self.stalled(limit).map_or(Ok(None), Err),
        }
    }

    fn wait_in_slices(&mut self, limit: Duration) -> Result<Wait, ReadError> {
        let mut silent = Duration::ZERO;
        loop {
            let mut shared = self.lock();
            if let Some(done) = shared.hand_out(self.client) {
                return Ok(Wait::Done(done));
            }
            if shared.is_idle(self.client) {
                return Ok(Wait::Idle);
            }
            let slice = SLICE.min(limit.saturating_sub(silent));
            if slice.is_zero() {
                return Ok(Wait::TimedOut);
            }
            silent = if shared.wait(slice)? { Duration::ZERO } else { silent + slice };
        }
    }

    /// A finished record, if there is one. Never waits.
    pub fn try_next(&mut self) -> Option<RecordDone> {
        let mut shared = self.lock();
        loop {
            if let Some(done) = shared.hand_out(self.client) {
                return Some(done);
            }
            if shared.is_idle(self.client) || !shared.poll() {
                return None;
            }
        }
    }

    /// The error of a device that was silent for `waited`: it names this client's oldest read. `None` when it has none.
    pub fn stalled(&self, waited: Duration) -> Option<ReadError> {
        self.lock().stalled(self.client, waited)
    }

    /// Which path reads take, and why not a better one.
    pub fn report(&self) -> PathReport {
        self.lock().report()
    }

    /// What this client has done so far; its `busy` is that of the device, whoever kept it busy. Reads count when
    /// they come back.
    pub fn counters(&self) -> Counters {
        self.lock().counters(self.client)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device {
    /// Opens `paths` and starts what reads them, for a backend around the usual one.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open(
        paths: &[PathBuf],
        options: &Options,
    ) -> Result<(Box<dyn Backend>, Device), ReadError> {
        open_on(paths, options, backend::URING)
    }
}

fn open_on(
    paths: &[PathBuf],
    options: &Options,
    uring: Start,
) -> Result<(Box<dyn Backend>, Device), ReadError> {
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
    Ok((backend, device))
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.lock().leave(self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BackendChoice, TIMEOUT};

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
        let mut batch = vec![RecordRead::new(3, crate::FileId(0), extent, into)];
        reader.submit(&mut batch, Priority::Demand);
        let done = reader.next_within(TIMEOUT).unwrap().unwrap();
        done.result.unwrap();
        assert_eq!(done.into[done.at], [5; 1000]);
    }

    #[test]
    fn io_uring_by_name_is_an_error_where_it_is_denied() {
        let (_file, reader) = open_denied(BackendChoice::Uring);
        assert!(matches!(reader, Err(ReadError::UringRefused { .. })));
    }
}
