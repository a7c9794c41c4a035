//! Where the records of predicted neurons are: in slots, on their way into one, or on flash.

use super::halves::Halves;
use crate::plan::MAX_NEURONS_PER_ROUND;
use crate::read_ahead::ONLY_FILE;
use crate::records::RecordFile;
use crate::{Ablation, EngineError};
use flint_dram_cache::{Admission, Missing, Slot, SlotCache};
use flint_flash_io::{Reader, RecordDone, RecordRead, Urgency};
use flint_geometry::{NeuronKey, NeuronSet};
use flint_kernels::Compute;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The cache, and the reads that fill it.
pub(super) struct Slots {
    file: Arc<RecordFile>,
    cache: SlotCache,
    reader: Reader,
    admission: Admission,
    reads: Vec<RecordRead>,
    /// Reads that have ended and are not looked at yet.
    done: Vec<RecordDone>,
    /// Where records are read in halves.
    halves: Option<Halves>,
    /// Whether nothing is kept from token to token.
    forgetful: bool,
    /// Time for finding and freeing slots.
    pub(super) time: Duration,
    /// Records that were asked for, less guesses that were taken back.
    pub(super) loaded: u64,
}

/// A read that ended.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) key: NeuronKey,
    /// On an error the record is absent again.
    pub(super) result: Result<(), EngineError>,
}

impl Slots {
    pub(super) fn new(
        file: Arc<RecordFile>,
        cache: SlotCache,
        reader: Reader,
        ablation: Ablation,
    ) -> Result<Slots, EngineError> {
        let record = file.bundle().shape().record;
        let halves = || {
            let lease = reader.lease_bytes(record.payload_bytes());
            // Two rounds are on their way at most.
            let most = cache.capacity().min(2 * MAX_NEURONS_PER_ROUND);
            Halves::new(record.rows(), record.row_bytes(), most, lease)
        };
        let halves = ablation.unbundled.then(halves).transpose()?;
        Ok(Slots {
            file,
            cache,
            reader,
            admission: Admission::new(),
            reads: Vec::new(),
            done: Vec::new(),
            halves,
            forgetful: ablation.no_reuse,
            time: Duration::ZERO,
            loaded: 0,
        })
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(super) fn capacity(&self) -> usize {
        self.cache.capacity()
    }

    /// Asks for those of `needed` that are not there, while those of `beside` are still in use.
    pub(super) fn admit(
        &mut self,
        layer: u32,
        needed: &NeuronSet,
        beside: &NeuronSet,
    ) -> Result<(), EngineError> {
        let started = Instant::now();
        self.cache.admit_beside(layer, needed, beside, &mut self.admission)?;
        self.time += started.elapsed();
        self.submit(layer, Urgency::Exact);
        Ok(())
    }

    /// Asks for at most `most` of `wanted`, none of which is there, as a guess; `asked` gets them. What else this layer
    /// has is not protected: it is visited next, so among equals its records leave last.
    pub(super) fn guess(
        &mut self,
        layer: u32,
        wanted: &NeuronSet,
        most: usize,
        asked: &mut Vec<u32>,
    ) {
        debug_assert!(wanted.iter().all(|neuron| !self.holds(NeuronKey { group: layer, neuron })));
        let started = Instant::now();
        self.cache.reserve(layer, wanted, most, &mut self.admission);
        asked.extend(self.admission.missing.iter().map(|missing| missing.neuron));
        self.time += started.elapsed();
        self.submit(layer, Urgency::Guess);
    }

    /// Takes back guesses that no device has begun; `each` gets them.
    pub(super) fn recall_guesses(&mut self, mut each: impl FnMut(NeuronKey)) {
        let (cache, loaded) = (&mut self.cache, &mut self.loaded);
        self.reader.recall_guesses(|tag, lease| {
            *loaded -= 1;
            cache.abandon(key_of(tag), Some(lease));
            each(key_of(tag));
        });
    }

    fn submit(&mut self, layer: u32, urgency: Urgency) {
        for Missing { neuron, lease: into, .. } in self.admission.missing.drain(..) {
            let key = NeuronKey { group: layer, neuron };
            let extent = self.file.record_extent(key);
            self.reads.push(RecordRead { tag: tag_of(key), file: ONLY_FILE, extent, into });
        }
        self.loaded += self.reads.len() as u64;
        match &mut self.halves {
            None => self.reader.submit(&mut self.reads, urgency),
            Some(halves) => halves.submit(&mut self.reader, &mut self.reads, urgency),
        }
    }

    /// Waits for a read, and takes whatever else has ended by then; nothing when none is under way.
    pub(super) fn wait(&mut self, compute: &Compute, arrivals: &mut Vec<Arrival>) {
        arrivals.clear();
        while self.done.is_empty() {
            let Some(done) = self.reader.next() else { return };
            let whole = self.whole(done);
            self.done.extend(whole);
        }
        self.take(compute, arrivals);
    }

    /// Takes the reads that have ended.
    pub(super) fn take(&mut self, compute: &Compute, arrivals: &mut Vec<Arrival>) {
        while let Some(done) = self.reader.try_next() {
            let whole = self.whole(done);
            self.done.extend(whole);
        }
        self.keep(compute, arrivals);
    }

    fn whole(&mut self, done: RecordDone) -> Option<RecordDone> {
        match &mut self.halves {
            None => Some(done),
            Some(halves) => halves.join(done),
        }
    }

    /// Checks the records that were read, on all threads, and makes them resident.
    fn keep(&mut self, compute: &Compute, arrivals: &mut Vec<Arrival>) {
        let file = &self.file;
        arrivals.clear();
        arrivals
            .extend(self.done.iter().map(|done| Arrival { key: key_of(done.tag), result: Ok(()) }));
        let bytes = self.done.iter().map(|done| done.at.len()).sum();
        compute.share(bytes, self.done.iter().zip(&mut *arrivals), |(done, arrival)| {
            if done.result.is_ok() {
                arrival.result = file.check(arrival.key, &done.into[done.at.clone()]);
            }
        });
        for (done, arrival) in self.done.drain(..).zip(arrivals) {
            if let Err(error) = done.result {
                arrival.result = Err(error.into());
            }
            match arrival.result {
                Ok(()) => self.cache.fill(arrival.key, done.into),
                Err(_) => self.cache.abandon(arrival.key, Some(done.into)),
            }
        }
    }

    /// Takes back everything that is still being read, so that the cache stays whole after an error.
    pub(super) fn abandon_reads(&mut self) {
        let cache = &mut self.cache;
        let mut give_up = |tag, lease| cache.abandon(key_of(tag), Some(lease));
        if let Some(halves) = &mut self.halves {
            halves.give_up(&mut give_up);
        }
        while let Some(done) = self.reader.next() {
            if let Some((tag, lease)) = Halves::lease_of(done) {
                give_up(tag, lease);
            }
        }
    }

    /// Whether a record is there or on its way.
    pub(super) fn holds(&self, key: NeuronKey) -> bool {
        self.cache.holds(key)
    }

    /// The slot of a record that is there.
    pub(super) fn lookup(&self, key: NeuronKey) -> Option<Slot> {
        self.cache.lookup(key)
    }

    /// The payload of the record of `key`, which lies in `slot`.
    pub(super) fn record(&self, key: NeuronKey, slot: Slot) -> &[u8] {
        let at = self.reader.place(self.file.record_extent(key));
        &self.cache.bytes(slot)[at]
    }

    /// What the last position of a prompt used outlasts what the others did.
    pub(super) fn expect(&mut self, layer: u32, used: &NeuronSet) {
        let started = Instant::now();
        self.cache.expect(layer, used);
        self.time += started.elapsed();
    }

    pub(super) fn end_token(&mut self) {
        let started = Instant::now();
        self.cache.end_token();
        if self.forgetful {
            self.cache.clear();
        }
        self.time += started.elapsed();
    }
}

fn tag_of(key: NeuronKey) -> u64 {
    u64::from(key.group) << 32 | u64::from(key.neuron)
}

fn key_of(tag: u64) -> NeuronKey {
    NeuronKey { group: (tag >> 32) as u32, neuron: tag as u32 }
}
