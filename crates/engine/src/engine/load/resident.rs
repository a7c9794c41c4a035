//! Reads whole tensors: past the page cache, many parts at a time, each checked while the next ones are read.

use crate::EngineError;
use crate::checksum::append_shared;
use crate::read_ahead::Loaded;
use crate::reads::Reads;
use crate::tensors::{StoredTensor, Tensors};
use crate::touch::touch;
use flint_flash_io::{Priority, RecordDone, RecordRead, Segment, Segments};
use flint_iobuf::{Lease, PAGE};
use flint_kernels::Compute;
use std::ops::Range;

/// Weights that do not start on a multiple of this are moved: a vector register would straddle cache lines with every load.
const ALIGNED: usize = 64;

/// Tensors on their way, and those that read them.
pub(super) struct ResidentLoader<'a> {
    pub(super) tensors: &'a Tensors,
    pub(super) compute: &'a Compute,
    pub(super) reads: Reads,
}

/// A tensor of which some records are not there yet.
struct Coming<'a> {
    tensor: &'a StoredTensor,
    /// Its records, in order: what each reads, and what came of it.
    records: Vec<(Segments, Option<RecordDone>)>,
    left: usize,
}

impl ResidentLoader<'_> {
    /// Reads `wanted` and hands each over as soon as it is there, with its place in the list.
    ///
    /// # Errors
    /// When a read fails or a tensor does not check, memory cannot be had, or `each` fails.
    pub(super) fn read(
        &mut self,
        wanted: &[&StoredTensor],
        each: &mut dyn FnMut(usize, Loaded) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let mut coming = Vec::with_capacity(wanted.len());
        for (index, tensor) in wanted.iter().enumerate() {
            coming.push(self.ask(index, tensor)?);
            while let Some(done) = self.reads.try_next() {
                self.arrived(&mut coming, done, each)?;
            }
        }
        while let Some(done) = self.reads.next()? {
            self.arrived(&mut coming, done, each)?;
        }
        Ok(())
    }

    /// Sorts in a record; hands its tensor over where it was the last one.
    fn arrived(
        &mut self,
        coming: &mut [Coming<'_>],
        done: RecordDone,
        each: &mut dyn FnMut(usize, Loaded) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let (index, record) = ((done.tag >> 32) as usize, done.tag as u32 as usize);
        let coming = &mut coming[index];
        coming.records[record].1 = Some(done);
        coming.left -= 1;
        if coming.left > 0 {
            return Ok(());
        }
        let (tensor, records) = (coming.tensor, std::mem::take(&mut coming.records));
        let bytes = self.whole(records)?;
        let checksum = || append_shared(self.compute, 0, &bytes, &mut Vec::new());
        self.tensors.check_bytes(tensor, checksum)?;
        each(index, bytes)
    }

    /// Asks for all of a tensor.
    fn ask<'a>(
        &mut self,
        index: usize,
        tensor: &'a StoredTensor,
    ) -> Result<Coming<'a>, EngineError> {
        let file = tensor.file;
        let segments = tensor.runs.iter().map(|&extent| Segment { file, extent });
        let segments: Vec<Segment> = segments.collect();
        let records: Vec<Segments> =
            segments.chunks(Segments::MOST).filter_map(Segments::new).collect();
        let sizes = records.iter().map(|record| self.reads.reader().lease_bytes_of(record));
        let sizes: Vec<usize> = sizes.collect();
        let mut rest = Lease::alone(sizes.iter().sum::<usize>().max(PAGE))?;
        touch(self.compute, &mut rest);
        let mut batch = Vec::with_capacity(records.len());
        for (record, (segments, bytes)) in records.iter().zip(sizes).enumerate() {
            let behind = rest.split_off(bytes);
            let into = std::mem::replace(&mut rest, behind);
            let tag = (index as u64) << 32 | record as u64;
            batch.push(RecordRead { tag, segments: segments.clone(), into });
        }
        self.reads.submit(&mut batch, Priority::Demand);
        let (left, records) = (records.len(), records.into_iter().map(|it| (it, None)).collect());
        Ok(Coming { tensor, records, left })
    }

    /// The bytes of all records, one behind the other.
    fn whole(&self, records: Vec<(Segments, Option<RecordDone>)>) -> Result<Loaded, EngineError> {
        let mut whole: Option<Lease> = None;
        let mut places: Vec<Range<usize>> = Vec::new();
        for (segments, done) in records {
            let done = done.unwrap_or_else(|| unreachable!("every record is there"));
            done.result?;
            let before = whole.as_ref().map_or(0, |lease| lease.len());
            let own = self.reads.reader().places(&segments).into_iter();
            places.extend(own.map(|at| before + at.start..before + at.end));
            match &mut whole {
                None => whole = Some(done.into),
                Some(lease) => lease.join(done.into),
            }
        }
        let mut lease = whole.unwrap_or_else(|| unreachable!("a tensor has a run"));
        if let [at] = places.as_slice()
            && at.start.is_multiple_of(ALIGNED)
        {
            return Ok(Loaded::new(lease, at.clone()));
        }
        let mut end = 0;
        for at in places {
            let bytes = at.len();
            lease.copy_within(at, end);
            end += bytes;
        }
        Ok(Loaded::new(lease, 0..end))
    }
}
