//! Reads a cycle of segments in the order of computation, ahead of it, over layers and tokens.
//!
//! Every forward pass takes every segment of the schedule exactly once, in order. So the next read is
//! always known and never waits for a decision.

use crate::reads::Reads;
use crate::{CancelToken, EngineError};
use flint_flash_io::{Priority, RecordDone, RecordRead, Segment};
use flint_iobuf::{Lease, Pool};
use std::collections::VecDeque;
use std::ops::{Deref, Range};

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

    /// Bytes that lie somewhere in a lease.
    pub(crate) fn new(lease: Lease, at: Range<usize>) -> Loaded {
        Loaded { lease, at }
    }

    /// The result of a read.
    pub(crate) fn from_done(done: RecordDone) -> Result<Loaded, EngineError> {
        done.result?;
        Ok(Loaded { lease: done.into, at: done.at })
    }
}

impl Deref for Loaded {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

/// A schedule of segments and the reads that run ahead in it.
pub(crate) struct ReadAhead {
    reads: Reads,
    schedule: Vec<Segment>,
    pool: Pool,
    /// Reads end with this many: with the first lap, or never.
    end: u64,
    /// The next segment to ask for, counted on over all passes.
    next_read: u64,
    /// The next one to hand out.
    next_taken: u64,
    /// Those asked for and not handed out; the front is `next_taken`.
    ahead: VecDeque<Option<RecordDone>>,
    /// Whether reads of an earlier place in the cycle are to be waited for first.
    draining: bool,
    batch: Vec<RecordRead>,
}

impl ReadAhead {
    /// Reads `schedule` again and again through the places of `pool`; nothing is asked for yet.
    pub(crate) fn cycle(reads: Reads, schedule: Vec<Segment>, pool: Pool) -> ReadAhead {
        ReadAhead {
            reads,
            schedule,
            pool,
            end: u64::MAX,
            next_read: 0,
            next_taken: 0,
            ahead: VecDeque::new(),
            draining: false,
            batch: Vec::new(),
        }
    }

    /// The same, once.
    pub(crate) fn once(reads: Reads, schedule: Vec<Segment>, pool: Pool) -> ReadAhead {
        let end = schedule.len() as u64;
        ReadAhead { end, ..ReadAhead::cycle(reads, schedule, pool) }
    }

    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(crate) fn begin_pass(&mut self, cancel: &CancelToken) {
        self.reads.begin_pass(cancel);
    }

    /// Asks for as many of the next segments as there are free places.
    pub(crate) fn go_on(&mut self) {
        if self.schedule.is_empty() || self.draining {
            return;
        }
        while self.next_read < self.end
            && let Some(into) = self.pool.take()
        {
            let index = (self.next_read % self.schedule.len() as u64) as usize;
            let Segment { file, extent } = self.schedule[index];
            self.batch.push(RecordRead::new(self.next_read, file, extent, into));
            self.next_read += 1;
            self.ahead.push_back(None);
        }
        self.reads.submit(&mut self.batch, Priority::ReadAhead);
    }

    /// Waits for the segment at `index` of the schedule, which is the next one unless a pass ended early.
    pub(crate) fn take(&mut self, index: usize) -> Result<Loaded, EngineError> {
        self.seek(index as u64)?;
        self.go_on();
        // Sort in whatever has arrived, then wait for the front alone.
        self.poll();
        while !matches!(self.ahead.front(), Some(Some(_))) {
            let Some(done) = self.reads.next()? else {
                unreachable!("read {} was asked for", self.next_taken)
            };
            self.arrived(done);
        }
        let Some(Some(done)) = self.ahead.pop_front() else { unreachable!("the front arrived") };
        self.next_taken += 1;
        Loaded::from_done(done)
    }

    /// The segment after the one that was taken last, if it is there. Never waits, and asks for nothing: whoever holds
    /// several segments holds them back from the ring.
    pub(crate) fn try_take(&mut self) -> Result<Option<Loaded>, EngineError> {
        self.poll();
        let Some(done) = self.ahead.pop_front_if(|front| front.is_some()).flatten() else {
            return Ok(None);
        };
        self.next_taken += 1;
        Loaded::from_done(done).map(Some)
    }

    fn poll(&mut self) {
        while let Some(done) = self.reads.try_next() {
            self.arrived(done);
        }
    }

    /// After a pass that ended early the cycle stands elsewhere: start again at `index`, once everything is back.
    fn seek(&mut self, index: u64) -> Result<(), EngineError> {
        if !self.draining && self.next_taken % self.schedule.len() as u64 == index {
            return Ok(());
        }
        // Also where this very wait ends early.
        self.draining = true;
        self.ahead.clear();
        self.reads.cancel(Priority::ReadAhead, |_, lease| drop(lease));
        while self.reads.next()?.is_some() {}
        (self.next_taken, self.next_read, self.draining) = (index, index, false);
        Ok(())
    }

    fn arrived(&mut self, done: RecordDone) {
        let index = (done.tag - self.next_taken) as usize;
        self.ahead[index] = Some(done);
    }
}
