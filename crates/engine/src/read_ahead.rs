//! Reads a cycle of extents in the order of computation, ahead of it, over layers and tokens.
//!
//! Every forward pass takes every extent of the schedule exactly once, in order. So the next read is
//! always known and never waits for a decision.

use crate::EngineError;
use flint_flash_io::{FileId, Reader, RecordDone, RecordRead, Urgency};
use flint_geometry::Extent;
use flint_iobuf::{Lease, Pool};
use std::collections::VecDeque;
use std::ops::Range;

/// Bytes that were read.
#[derive(Debug)]
pub(crate) struct Loaded {
    lease: Lease,
    at: Range<usize>,
}

impl Loaded {
    /// What was read. Dropping the value frees its place.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.lease[self.at.clone()]
    }

    /// The result of a read.
    pub(crate) fn from_done(done: RecordDone) -> Result<Loaded, EngineError> {
        done.result?;
        Ok(Loaded { lease: done.into, at: done.at })
    }
}

/// The only file of a reader.
pub(crate) const ONLY_FILE: FileId = FileId(0);

/// A cycle of extents and the reads that run ahead in it.
pub(crate) struct ReadAhead {
    reader: Reader,
    schedule: Vec<(FileId, Extent)>,
    pool: Pool,
    /// The next extent to ask for, counted on over all passes.
    next_read: u64,
    /// The next one to hand out.
    next_taken: u64,
    /// Those asked for and not handed out; the front is `next_taken`.
    ahead: VecDeque<Option<RecordDone>>,
    batch: Vec<RecordRead>,
}

impl ReadAhead {
    /// Reads `schedule` through the places of `pool`; nothing is asked for yet.
    pub(crate) fn new(reader: Reader, schedule: Vec<(FileId, Extent)>, pool: Pool) -> ReadAhead {
        ReadAhead {
            reader,
            schedule,
            pool,
            next_read: 0,
            next_taken: 0,
            ahead: VecDeque::new(),
            batch: Vec::new(),
        }
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Asks for as many of the next extents as there are free places.
    pub(crate) fn go_on(&mut self) {
        if self.schedule.is_empty() {
            return;
        }
        while let Some(into) = self.pool.take() {
            let index = (self.next_read % self.schedule.len() as u64) as usize;
            let (file, extent) = self.schedule[index];
            self.batch.push(RecordRead { tag: self.next_read, file, extent, into });
            self.next_read += 1;
            self.ahead.push_back(None);
        }
        self.reader.submit(&mut self.batch, Urgency::Exact);
    }

    /// Waits for the extent at `index` of the schedule, which is the next one unless a pass ended early.
    pub(crate) fn take(&mut self, index: usize) -> Result<Loaded, EngineError> {
        self.seek(index as u64);
        self.go_on();
        // Sort in whatever has arrived, then wait for the front alone.
        self.poll();
        while !matches!(self.ahead.front(), Some(Some(_))) {
            let Some(done) = self.reader.next() else {
                unreachable!("read {} was asked for", self.next_taken)
            };
            self.arrived(done);
        }
        let Some(Some(done)) = self.ahead.pop_front() else { unreachable!("the front arrived") };
        self.next_taken += 1;
        Loaded::from_done(done)
    }

    /// The extent after the one that was taken last, if it is there. Never waits, and asks for nothing: whoever holds
    /// several extents holds them back from the ring.
    pub(crate) fn try_take(&mut self) -> Result<Option<Loaded>, EngineError> {
        self.poll();
        let Some(done) = self.ahead.pop_front_if(|front| front.is_some()).flatten() else {
            return Ok(None);
        };
        self.next_taken += 1;
        Loaded::from_done(done).map(Some)
    }

    fn poll(&mut self) {
        while let Some(done) = self.reader.try_next() {
            self.arrived(done);
        }
    }

    /// After a pass that ended early the cycle stands elsewhere: start again at `index`.
    fn seek(&mut self, index: u64) {
        if self.next_taken % self.schedule.len() as u64 == index {
            return;
        }
        while self.ahead.iter().any(Option::is_none) {
            let Some(done) = self.reader.next() else { break };
            self.arrived(done);
        }
        self.ahead.clear();
        self.next_taken = index;
        self.next_read = index;
    }

    fn arrived(&mut self, done: RecordDone) {
        let index = (done.tag - self.next_taken) as usize;
        self.ahead[index] = Some(done);
    }
}
