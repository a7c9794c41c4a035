//! Records read as two halves by two requests: what the method costs without bundling.
//!
//! The bytes are the right ones: all first halves of a batch are asked for before all second halves, as if they lay in
//! two matrices.

use flint_engine::Devices;
use flint_flash_io::{
    Backend, ClientId, Device, DeviceDone, DeviceRead, Failure, FileId, Options, PartOf, Piece,
    Priority, ReadError, Reader, RecordPiece, WorkerLost,
};
use flint_iobuf::Lease;
use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// The files of the system, with records of neurons read in halves. For runs that merge no reads.
#[derive(Debug)]
pub(super) struct HalvedRecords;

impl Devices for HalvedRecords {
    fn open(&self, paths: &[PathBuf], options: Options) -> Result<Reader, ReadError> {
        let (inner, device) = Device::open(paths, &options)?;
        let is_neurons = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("neurons"))
        };
        let file = paths.iter().position(is_neurons).map(|index| FileId(index as u32));
        let halves = Halves::new(inner, file, u64::from(device.alignment));
        Ok(Reader::with_backend(Box::new(halves), device, options.merge))
    }
}

/// A backend that makes two reads of each read of one file.
struct Halves {
    inner: Box<dyn Backend>,
    file: Option<FileId>,
    alignment: u64,
    /// By the number of the read.
    waiting: HashMap<u64, Whole>,
}

/// A read whose halves are not both back.
struct Whole {
    client: ClientId,
    file: FileId,
    offset: u64,
    /// Its only piece, without the lease.
    tag: u64,
    part: Option<PartOf>,
    bytes: usize,
    at: Range<usize>,
    halves: [Option<Lease>; 2],
    failure: Option<Failure>,
}

impl Halves {
    fn new(inner: Box<dyn Backend>, file: Option<FileId>, alignment: u64) -> Halves {
        Halves { inner, file, alignment, waiting: HashMap::new() }
    }

    /// Cuts a read in two, or gives it back where it is not to be cut.
    fn cut(&mut self, mut read: DeviceRead) -> Result<[DeviceRead; 2], DeviceRead> {
        let (blocks, alone) = (read.bytes() as u64 / self.alignment, read.pieces_mut().len() == 1);
        if Some(read.file()) != self.file || !alone || blocks < 2 {
            return Err(read);
        }
        let (client, id) = (read.client(), read.id());
        let (file, offset) = (read.file(), read.offset());
        let Some(Piece::Record(RecordPiece { tag, part, mut into, bytes, at })) =
            read.into_pieces().pop()
        else {
            unreachable!("a read begins with a record")
        };
        let first = (blocks.div_ceil(2) * self.alignment) as usize;
        let rest = into.split_off(first);
        let half = |index, from: usize, into, bytes| {
            let at = at.start.max(from) - from..at.end.min(from + bytes).max(from) - from;
            let piece = RecordPiece { tag: index, part: None, into, bytes, at };
            let pieces = vec![Piece::Record(piece)];
            let mut read = DeviceRead::new(file, offset + from as u64, self.alignment, pieces);
            read.assign(client, id);
            read
        };
        let halves = [half(0, 0, into, first), half(1, first, rest, bytes - first)];
        let whole = Whole {
            client,
            file,
            offset,
            tag,
            part,
            bytes,
            at,
            halves: [None, None],
            failure: None,
        };
        self.waiting.insert(id, whole);
        Ok(halves)
    }

    /// Takes a half; the read when both are there, and what is no half as it is.
    fn join(&mut self, done: DeviceDone) -> Option<DeviceDone> {
        let DeviceDone { read, failure } = done;
        let id = read.id();
        let Some(whole) = self.waiting.get_mut(&id) else {
            return Some(DeviceDone { read, failure });
        };
        let Some(Piece::Record(piece)) = read.into_pieces().pop() else {
            unreachable!("a half is a record")
        };
        whole.halves[piece.tag as usize] = Some(piece.into);
        whole.failure = whole.failure.or(failure);
        if whole.halves.iter().any(Option::is_none) {
            return None;
        }
        let Whole { client, file, offset, tag, part, bytes, at, halves, failure } =
            self.waiting.remove(&id)?;
        let [Some(mut into), Some(rest)] = halves else { unreachable!("both are there") };
        into.join(rest);
        let pieces = vec![Piece::Record(RecordPiece { tag, part, into, bytes, at })];
        let mut read = DeviceRead::new(file, offset, self.alignment, pieces);
        read.assign(client, id);
        read.set_requests(2);
        Some(DeviceDone { read, failure })
    }
}

impl Backend for Halves {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn submit(&mut self, reads: &mut Vec<DeviceRead>, priority: Priority) {
        let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
        for read in reads.drain(..) {
            match self.cut(read) {
                Ok([first, second]) => {
                    firsts.push(first);
                    seconds.push(second);
                }
                Err(whole) => firsts.push(whole),
            }
        }
        self.inner.submit(&mut firsts, priority);
        self.inner.submit(&mut seconds, priority);
    }

    fn cancel(&mut self, client: ClientId, priority: Priority, reads: &mut Vec<DeviceRead>) {
        let mut halves = Vec::new();
        self.inner.cancel(client, priority, &mut halves);
        let mut times: HashMap<u64, u32> = HashMap::new();
        halves.iter().for_each(|half| *times.entry(half.id()).or_default() += 1);
        let whole = |half: &DeviceRead| times[&half.id()] == 2;
        let (both, mut begun): (Vec<_>, Vec<_>) = halves
            .into_iter()
            .partition(|half| whole(half) || !self.waiting.contains_key(&half.id()));
        // Half of it is being read.
        self.inner.submit(&mut begun, priority);
        let joined =
            both.into_iter().filter_map(|read| self.join(DeviceDone { read, failure: None }));
        reads.extend(joined.map(|done| done.read).collect::<Vec<_>>());
    }

    fn try_next(&mut self) -> Option<DeviceDone> {
        loop {
            let done = self.inner.try_next()?;
            if let Some(whole) = self.join(done) {
                return Some(whole);
            }
        }
    }

    fn wait(&mut self, limit: Duration) -> Result<Option<DeviceDone>, WorkerLost> {
        loop {
            let Some(done) = self.inner.wait(limit)? else { return Ok(None) };
            if let Some(whole) = self.join(done) {
                return Ok(Some(whole));
            }
        }
    }

    fn busy(&self) -> Duration {
        self.inner.busy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flint_flash_io::{Faults, MergePolicy, RecordRead, SimulatedDevice, TIMEOUT};
    use flint_geometry::Extent;

    /// Bytes of each lease: room for 3000 from any offset on.
    const LEASE: usize = 4096;

    #[test]
    fn halves_come_back_as_wholes_that_took_two_requests() {
        let file: Vec<u8> = (0..200_000u32).map(|place| ((place * 7919) >> 8) as u8).collect();
        let faults = Faults { delay_micros: 30, short: 100, ..Faults::NONE };
        let files = vec![file.clone(), file.clone()];
        let inner = SimulatedDevice::new(files, 512, (2, 1 << 20), faults, 5);
        let halves = Halves::new(Box::new(inner), Some(FileId(1)), 512);
        let (paths, reasons) = (vec![PathBuf::from("dense"), PathBuf::from("neurons")], Vec::new());
        let device = Device { paths, alignment: 512, direct: true, reasons };
        let mut reader = Reader::with_backend(Box::new(halves), device, MergePolicy::NEVER);
        let read = |n: u64, file| {
            let extent = Extent::new(n * 5000 + 300, 3000).unwrap();
            let into = Lease::alone(LEASE).unwrap();
            RecordRead::new(n, FileId(file), extent, into)
        };
        let mut batch: Vec<RecordRead> = (0..20).map(|n| read(n, 1)).collect();
        reader.submit(&mut batch, Priority::Speculative);
        batch.extend((20..30).map(|n| read(n, 0)));
        reader.submit(&mut batch, Priority::Demand);
        let mut left = 30;
        reader.cancel(Priority::Speculative, |_, lease| {
            assert_eq!(lease.len(), LEASE);
            left -= 1;
        });
        assert!(left < 30, "a device that reads two at a time had begun all");
        let mut second = 0;
        while let Some(done) = reader.next_within(TIMEOUT).unwrap() {
            done.result.unwrap();
            let from = done.tag as usize * 5000 + 300;
            assert_eq!(done.into[done.at.clone()], file[from..from + 3000]);
            second += u64::from(done.tag < 20);
            left -= 1;
        }
        assert_eq!((left, reader.counters().device_reads), (0, 10 + 2 * second));
        assert!(second > 0);
    }
}
