//! A client of the model's one reader whose waits end: when the request is cancelled, and when the device is silent
//! for too long.

use crate::{CancelToken, EngineError};
use flint_flash_io::{Counters, Priority, Reader, RecordDone, RecordRead, Wait};
use flint_iobuf::Lease;
use std::time::Duration;

/// How often a wait looks whether it was cancelled.
const POLL: Duration = Duration::from_millis(20);

/// What one part of the engine reads.
pub(crate) struct Reads {
    reader: Reader,
    cancel: CancelToken,
    timeout: Duration,
}

impl Reads {
    /// Waits end after `timeout` of silence.
    pub(crate) fn new(reader: Reader, timeout: Duration) -> Reads {
        Reads { reader, cancel: CancelToken::default(), timeout }
    }

    /// The same for another part of the engine.
    pub(crate) fn client(&self) -> Reads {
        Reads::new(self.reader.client(), self.timeout)
    }

    /// Waits from now on are for whoever holds `cancel`.
    pub(crate) fn begin_pass(&mut self, cancel: &CancelToken) {
        self.cancel = cancel.clone();
    }

    /// Ends the pass where its end was asked for.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        self.cancel.check()
    }

    /// Where the reads are made, for questions of size and place.
    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(crate) fn counters(&self) -> Counters {
        self.reader.counters()
    }

    pub(crate) fn submit(&mut self, batch: &mut Vec<RecordRead>, priority: Priority) {
        self.reader.submit(batch, priority);
    }

    /// Takes back what no device was given.
    pub(crate) fn cancel(&mut self, priority: Priority, each: impl FnMut(u64, Lease)) {
        self.reader.cancel(priority, each);
    }

    /// A record that is there, if any.
    pub(crate) fn try_next(&mut self) -> Option<RecordDone> {
        self.reader.try_next()
    }

    /// The next record, waited for; `None` when nothing is queued or in flight. After an error what is in flight still is.
    pub(crate) fn next(&mut self) -> Result<Option<RecordDone>, EngineError> {
        let mut silent = Duration::ZERO;
        loop {
            self.cancel.check()?;
            match self.reader.wait(POLL)? {
                Wait::Done(done) => return Ok(Some(done)),
                Wait::Idle => return Ok(None),
                Wait::TimedOut => silent += POLL,
            }
            if silent >= self.timeout
                && let Some(stalled) = self.reader.stalled(silent)
            {
                return Err(stalled.into());
            }
        }
    }
}
