//! Records read as two halves from distant places: what the method costs without bundling.
//!
//! Only for measuring. The bytes are the right ones: all first halves of a batch are asked for before all second
//! halves, as if they lay in two matrices, and a second half is copied behind its first.

use crate::EngineError;
use crate::read_ahead::ONLY_FILE;
use flint_flash_io::{RecordDone, RecordRead, Urgency};
use flint_geometry::{Extent, SECTOR};
use flint_iobuf::{Lease, Pool};
use std::collections::HashMap;

/// Set in the tag of a second half.
const SECOND: u64 = 1 << 63;

/// Halves of records that are on their way.
pub(super) struct Halves {
    /// Bytes of the first half.
    first: u64,
    scratch: Pool,
    /// By tag: the half that came first.
    waiting: HashMap<u64, RecordDone>,
}

impl Halves {
    /// Cuts records of `rows` rows of `row_bytes`; at most `most` are read at once, in leases of `lease_bytes`.
    pub(super) fn new(
        rows: usize,
        row_bytes: usize,
        most: usize,
        lease_bytes: usize,
    ) -> Result<Halves, EngineError> {
        let first = (rows.div_ceil(2) * row_bytes) as u64;
        let scratch = Pool::new(most as u32, lease_bytes)?;
        Ok(Halves { first: first.next_multiple_of(SECTOR), scratch, waiting: HashMap::new() })
    }

    /// Cuts `reads` in two; the second halves are returned.
    fn cut(&mut self, reads: &mut [RecordRead]) -> Vec<RecordRead> {
        let cut = |read: &mut RecordRead| {
            let whole = read.extent;
            let first = self.first.min(whole.len());
            let second = Extent::new(whole.offset() + first, whole.len() - first);
            let (Some(begin), Some(extent), Some(into)) =
                (Extent::new(whole.offset(), first), second, self.scratch.take())
            else {
                unreachable!("no more reads than scratch places, parts of a checked extent")
            };
            read.extent = begin;
            RecordRead { tag: read.tag | SECOND, file: ONLY_FILE, extent, into }
        };
        reads.iter_mut().map(cut).collect()
    }

    /// Takes one half; when both are there, the whole record.
    pub(super) fn join(&mut self, done: RecordDone) -> Option<RecordDone> {
        let tag = done.tag & !SECOND;
        let Some(other) = self.waiting.remove(&tag) else {
            self.waiting.insert(tag, done);
            return None;
        };
        let (mut first, second) = if done.tag == tag { (done, other) } else { (other, done) };
        let from = first.at.end;
        let bytes: &[u8] = &second.into[second.at.clone()];
        if first.result.is_ok() && second.result.is_ok() {
            first.into[from..from + bytes.len()].copy_from_slice(bytes);
        }
        first.at.end = from + bytes.len();
        first.result = first.result.and(second.result);
        Some(first)
    }

    /// The lease of a record that was given up, once its first half comes back.
    pub(super) fn lease_of(done: RecordDone) -> Option<(u64, Lease)> {
        (done.tag & SECOND == 0).then_some((done.tag, done.into))
    }

    /// Forgets halves that wait; `each` gets the leases of their records.
    pub(super) fn give_up(&mut self, mut each: impl FnMut(u64, Lease)) {
        for (_, done) in self.waiting.drain() {
            if let Some((tag, lease)) = Halves::lease_of(done) {
                each(tag, lease);
            }
        }
    }

    /// Asks for first halves, then for second ones.
    pub(super) fn submit(
        &mut self,
        reader: &mut flint_flash_io::Reader,
        reads: &mut Vec<RecordRead>,
        urgency: Urgency,
    ) {
        let mut seconds = self.cut(reads);
        reader.submit(reads, urgency);
        reader.submit(&mut seconds, urgency);
    }
}
