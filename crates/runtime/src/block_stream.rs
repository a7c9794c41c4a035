//! Streams blocks in the order of computation, reading ahead over layers and tokens.
//!
//! The schedule is a cycle: every forward pass takes every streamed block exactly once, in order. So the
//! next block is always known, and reads never wait for a decision.

use crate::RuntimeError;
use crate::plan::Block;
use crate::records::RecordFile;
use flint_flash_io::{Reader, RecordDone, RecordRead, Urgency};
use flint_iobuf::{Lease, Pool};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// A block whose bytes are in memory.
#[derive(Debug)]
pub(crate) struct LoadedBlock {
    pub(crate) block: Block,
    pub(crate) lease: Lease,
    /// Where in the lease the first record starts and the last one ends.
    pub(crate) at: Range<usize>,
}

/// The read-ahead of exact mode.
pub(crate) struct BlockStream {
    reader: Reader,
    file: Arc<RecordFile>,
    schedule: Vec<Block>,
    pool: Pool,
    /// Index into the schedule, counted on over all passes, of the next block to ask for.
    next_read: u64,
    /// The next block to hand out.
    next_taken: u64,
    /// Blocks asked for and not handed out; the front is `next_taken`.
    ahead: VecDeque<Option<RecordDone>>,
    batch: Vec<RecordRead>,
}

impl BlockStream {
    /// A stream over `schedule` through the places of `pool`.
    pub(crate) fn new(
        reader: Reader,
        file: Arc<RecordFile>,
        schedule: Vec<Block>,
        pool: Pool,
    ) -> BlockStream {
        BlockStream {
            reader,
            file,
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

    /// Asks for as many of the next blocks as there are free places.
    pub(crate) fn read_ahead(&mut self) {
        if self.schedule.is_empty() {
            return;
        }
        while let Some(into) = self.pool.take() {
            let block = self.scheduled(self.next_read);
            let extent = self.file.block_extent(block);
            let file = self.file.id();
            self.batch.push(RecordRead { tag: self.next_read, file, extent, into });
            self.next_read += 1;
            self.ahead.push_back(None);
        }
        self.reader.submit(&mut self.batch, Urgency::Exact);
    }

    /// Waits for the next block, which must be `expected`. Dropping what it returns frees its place.
    pub(crate) fn take(&mut self, expected: Block) -> Result<LoadedBlock, RuntimeError> {
        self.seek(expected);
        self.read_ahead();
        while !matches!(self.ahead.front(), Some(Some(_))) {
            let Some(done) = self.reader.next() else {
                unreachable!("block {} was asked for", self.next_taken)
            };
            self.arrived(done);
        }
        // Sort in what else has arrived, so that its place is known to be filled.
        while let Some(done) = self.reader.try_next() {
            self.arrived(done);
        }
        let Some(Some(done)) = self.ahead.pop_front() else {
            unreachable!("the front has arrived")
        };
        self.next_taken += 1;
        done.result?;
        self.file.check_block(expected, &done.into[done.at.clone()])?;
        Ok(LoadedBlock { block: expected, lease: done.into, at: done.at })
    }

    /// After a pass that ended early the stream stands elsewhere: start again at `expected`.
    fn seek(&mut self, expected: Block) {
        if self.scheduled(self.next_taken) == expected {
            return;
        }
        while self.ahead.iter().any(Option::is_none) {
            let Some(done) = self.reader.next() else { break };
            self.arrived(done);
        }
        self.ahead.clear();
        let found = self.schedule.iter().position(|&block| block == expected);
        let Some(index) = found else { unreachable!("{expected:?} is not streamed") };
        self.next_taken = index as u64;
        self.next_read = index as u64;
    }

    fn scheduled(&self, index: u64) -> Block {
        self.schedule[(index % self.schedule.len() as u64) as usize]
    }

    fn arrived(&mut self, done: RecordDone) {
        let index = (done.tag - self.next_taken) as usize;
        self.ahead[index] = Some(done);
    }
}
