//! What the clients of a reader share: the device, and the way from records to device reads and back.

use super::Device;
use super::parts::{Assembled, Assembly};
use super::plan::{Planner, Refusal};
use crate::{
    Backend, ClientId, Counters, DeviceDone, DeviceRead, Failure, FileId, MergePolicy, PathReport,
    Piece, Priority, ReadError, RecordDone, RecordPiece, RecordRead, WorkerLost,
};
use flint_geometry::{Extent, SECTOR};
use flint_iobuf::Lease;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// The device and everybody's reads.
pub(super) struct Shared {
    backend: Box<dyn Backend>,
    device: Device,
    planner: Planner,
    /// `None`: a client that is gone.
    clients: Vec<Option<Client>>,
    /// Device reads that have not come back, by their numbers, which ascend.
    outstanding: HashMap<u64, InFlight>,
    assemblies: HashMap<u64, Assembly>,
    next_number: u64,
    /// Reads that were just taken back; kept for its memory.
    cancelled: Vec<DeviceRead>,
}

/// One user of the device.
#[derive(Default)]
struct Client {
    /// Records that are finished but not handed out.
    ready: VecDeque<RecordDone>,
    /// Device reads that have not come back.
    outstanding: usize,
    counters: Counters,
}

/// What an error says of a read that does not come back.
struct InFlight {
    client: ClientId,
    file: FileId,
    offset: u64,
    bytes: u64,
}

impl Shared {
    pub(super) fn new(backend: Box<dyn Backend>, device: Device, merge: MergePolicy) -> Shared {
        Shared {
            backend,
            planner: Planner::new(device.alignment, merge),
            device,
            clients: Vec::new(),
            outstanding: HashMap::new(),
            assemblies: HashMap::new(),
            next_number: 0,
            cancelled: Vec::new(),
        }
    }

    pub(super) fn join(&mut self) -> ClientId {
        self.clients.push(Some(Client::default()));
        (self.clients.len() - 1) as ClientId
    }

    /// What the device has not begun is dropped now, what it works on when it comes back.
    pub(super) fn leave(&mut self, client: ClientId) {
        for priority in [Priority::Demand, Priority::ReadAhead, Priority::Speculative] {
            self.cancel(client, priority, &mut |_, _| {});
        }
        self.clients[client as usize] = None;
    }

    pub(super) fn submit(
        &mut self,
        client: ClientId,
        batch: &mut Vec<RecordRead>,
        priority: Priority,
    ) {
        for file in batch.iter().flat_map(|read| read.segments.iter().map(|it| it.file)) {
            let known = (file.0 as usize) < self.device.paths.len();
            assert!(known, "{file:?} is not one of the {} files", self.device.paths.len());
        }
        for read in batch.drain(..) {
            if let Some(refusal) = self.planner.refusal(&read) {
                let result = match refusal {
                    Refusal::Empty => Ok(()),
                    Refusal::TooFar(it) => {
                        Err(self.device.error(it.file, it.extent, 0, Failure::EndOfFile))
                    }
                };
                let RecordRead { tag, into, .. } = read;
                let ready = &mut client_mut(&mut self.clients, client).ready;
                ready.push_back(RecordDone { tag, into, at: 0..0, result });
                continue;
            }
            let number = self.next_number;
            if let Some(assembly) = self.planner.add(client, read, number) {
                self.next_number += 1;
                self.assemblies.insert(number, assembly);
            }
        }
        let reads = self.planner.plan();
        if reads.is_empty() {
            return;
        }
        for read in &mut *reads {
            let (file, offset, bytes) = (read.file(), read.offset(), read.bytes() as u64);
            self.outstanding.insert(self.next_number, InFlight { client, file, offset, bytes });
            read.assign(client, self.next_number);
            self.next_number += 1;
        }
        client_mut(&mut self.clients, client).outstanding += reads.len();
        self.backend.submit(reads, priority);
    }

    pub(super) fn cancel(
        &mut self,
        client: ClientId,
        priority: Priority,
        each: &mut dyn FnMut(u64, Lease),
    ) {
        let mut cancelled = std::mem::take(&mut self.cancelled);
        self.backend.cancel(client, priority, &mut cancelled);
        for read in cancelled.drain(..) {
            self.outstanding.remove(&read.id());
            client_mut(&mut self.clients, client).outstanding -= 1;
            let (file, mut offset) = (read.file(), read.offset());
            let mut pieces = read.into_pieces();
            for piece in pieces.drain(..) {
                let (at, bytes) = (offset, piece.bytes());
                offset += bytes as u64;
                let Piece::Record(RecordPiece { tag, part, into, .. }) = piece else { continue };
                let Some(part) = part else {
                    each(tag, into);
                    continue;
                };
                let path = self.device.paths[file.0 as usize].clone();
                let error = ReadError::Cancelled { path, offset: at };
                match self.put(part.record, part.index, into, Err(error)) {
                    Some(Assembled { done, cancelled: true, .. }) => each(done.tag, done.into),
                    Some(whole) => self.deliver(whole.client, whole.done),
                    None => {}
                }
            }
            self.planner.recycle(pieces);
        }
        self.cancelled = cancelled;
    }

    /// A finished record of `client`, without looking at the device.
    pub(super) fn hand_out(&mut self, client: ClientId) -> Option<RecordDone> {
        let client = client_mut(&mut self.clients, client);
        let done = client.ready.pop_front()?;
        client.counters.records += 1;
        Some(done)
    }

    /// Whether nothing of `client` is queued or in flight.
    pub(super) fn is_idle(&self, client: ClientId) -> bool {
        self.clients[client as usize].as_ref().is_none_or(|client| client.outstanding == 0)
    }

    /// Sorts in a read that has ended, whose ever it is. `false` when there is none.
    pub(super) fn poll(&mut self) -> bool {
        let done = self.backend.try_next();
        done.map(|done| self.settle(done)).is_some()
    }

    /// The same, waiting for `limit` at most.
    pub(super) fn wait(&mut self, limit: Duration) -> Result<bool, WorkerLost> {
        let done = self.backend.wait(limit)?;
        Ok(done.map(|done| self.settle(done)).is_some())
    }

    pub(super) fn waited(&mut self, client: ClientId, time: Duration) {
        client_mut(&mut self.clients, client).counters.wait += time;
    }

    /// The error of a device that was silent for `waited`.
    pub(super) fn stalled(&self, client: ClientId, waited: Duration) -> Option<ReadError> {
        let own = self.outstanding.iter().filter(|(_, read)| read.client == client);
        let (_, read) = own.min_by_key(|(number, _)| **number)?;
        let path = self.device.paths[read.file.0 as usize].clone();
        Some(ReadError::Stalled { path, offset: read.offset, bytes: read.bytes, waited })
    }

    pub(super) fn report(&self) -> PathReport {
        PathReport {
            backend: self.backend.name(),
            direct: self.device.direct,
            alignment: self.device.alignment,
            widened: u64::from(self.device.alignment) > SECTOR,
            reasons: self.device.reasons.clone(),
        }
    }

    pub(super) fn counters(&self, client: ClientId) -> Counters {
        let counters = self.clients[client as usize].as_ref().map(|client| client.counters);
        Counters { busy: self.backend.busy(), ..counters.unwrap_or_default() }
    }

    /// Turns a device read back into its records. A record whose bytes had arrived is good even where the
    /// read failed behind it, as if it had been read by itself.
    fn settle(&mut self, done: DeviceDone) {
        let DeviceDone { read, failure } = done;
        let client = read.client();
        self.outstanding.remove(&read.id());
        if let Some(client) = &mut self.clients[client as usize] {
            client.outstanding -= 1;
            client.counters.device_reads += u64::from(read.requests());
            client.counters.bytes_read += read.bytes() as u64;
        }
        let (file, offset, got) = (read.file(), read.offset(), read.got());
        let mut pieces = read.into_pieces();
        let mut start = 0;
        for piece in pieces.drain(..) {
            let bytes = piece.bytes();
            if let Piece::Record(RecordPiece { tag, part, into, at, .. }) = piece {
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
                match part {
                    None => self.deliver(client, RecordDone { tag, into, at, result }),
                    Some(part) => {
                        let whole = self.put(part.record, part.index, into, result);
                        whole.into_iter().for_each(|it| self.deliver(it.client, it.done));
                    }
                }
            }
            start += bytes;
        }
        self.planner.recycle(pieces);
    }

    /// Takes a part of a record; the record where it was the last.
    fn put(
        &mut self,
        record: u64,
        index: u32,
        into: Lease,
        result: Result<(), ReadError>,
    ) -> Option<Assembled> {
        let assembly = self.assemblies.get_mut(&record)?;
        let last = assembly.put(index, into, result);
        if last { self.assemblies.remove(&record).map(Assembly::finish) } else { None }
    }

    /// What is for a client that is gone is dropped.
    fn deliver(&mut self, client: ClientId, done: RecordDone) {
        if let Some(client) = &mut self.clients[client as usize] {
            client.ready.push_back(done);
        }
    }
}

fn client_mut(clients: &mut [Option<Client>], client: ClientId) -> &mut Client {
    let client = clients[client as usize].as_mut();
    client.unwrap_or_else(|| unreachable!("a client leaves when its reader is dropped"))
}
