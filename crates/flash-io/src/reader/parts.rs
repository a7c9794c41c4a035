//! A record that several device reads bring: its parts wait here for each other.

use crate::{ClientId, ReadError, RecordDone};
use flint_iobuf::Lease;
use std::ops::Range;

/// The parts of a record that are back, and how many are not.
pub(super) struct Assembly {
    client: ClientId,
    tag: u64,
    parts: Vec<Option<Lease>>,
    left: usize,
    /// What of the lease no part needs.
    rest: Lease,
    /// Where the record lies.
    at: Range<usize>,
    /// Of the parts that failed the first in memory.
    failed: Option<(u32, ReadError)>,
    cancelled: usize,
}

/// A record whose parts are all back.
pub(super) struct Assembled {
    pub(super) client: ClientId,
    pub(super) done: RecordDone,
    /// Whether none of it was read: all was taken back.
    pub(super) cancelled: bool,
}

impl Assembly {
    /// Waits for `parts` parts.
    pub(super) fn new(
        client: ClientId,
        tag: u64,
        parts: u32,
        rest: Lease,
        at: Range<usize>,
    ) -> Assembly {
        let left = parts as usize;
        let parts = (0..parts).map(|_| None).collect();
        Assembly { client, tag, parts, left, rest, at, failed: None, cancelled: 0 }
    }

    /// Takes a part. Whether it was the last one.
    pub(super) fn put(&mut self, index: u32, part: Lease, result: Result<(), ReadError>) -> bool {
        self.left -= 1;
        self.parts[index as usize] = Some(part);
        if let Err(error) = result {
            self.cancelled += usize::from(matches!(error, ReadError::Cancelled { .. }));
            if self.failed.as_ref().is_none_or(|&(first, _)| index < first) {
                self.failed = Some((index, error));
            }
        }
        self.left == 0
    }

    /// The whole record.
    pub(super) fn finish(self) -> Assembled {
        let cancelled = self.cancelled == self.parts.len();
        let parts = self.parts.into_iter().flatten().chain([self.rest]);
        let whole = parts.reduce(|mut whole, part| {
            whole.join(part);
            whole
        });
        let into = whole.unwrap_or_else(|| unreachable!("the rest is always there"));
        let result = self.failed.map_or(Ok(()), |(_, error)| Err(error));
        let done = RecordDone { tag: self.tag, into, at: self.at, result };
        Assembled { client: self.client, done, cancelled }
    }
}
