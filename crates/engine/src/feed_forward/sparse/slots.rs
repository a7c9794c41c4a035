//! Where the records of predicted neurons are: in slots, on their way into one, or on flash.

use crate::reads::Reads;
use crate::records::RecordFile;
use crate::{Ablation, CancelToken, EngineError};
use flint_dram_cache::{Admission, Missing, Slot, SlotCache};
use flint_flash_io::{Priority, RecordDone, RecordRead};
use flint_geometry::{UnitKey, UnitSet};
use flint_kernels::Compute;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The cache, and the reads that fill it.
pub(super) struct Slots {
    file: Arc<RecordFile>,
    cache: SlotCache,
    reads: Reads,
    admission: Admission,
    batch: Vec<RecordRead>,
    /// Reads that have ended and are not looked at yet.
    done: Vec<RecordDone>,
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
    pub(super) key: UnitKey,
    /// On an error the record is absent again.
    pub(super) result: Result<(), EngineError>,
}

impl Slots {
    pub(super) fn new(
        file: Arc<RecordFile>,
        cache: SlotCache,
        reads: Reads,
        ablation: Ablation,
    ) -> Slots {
        Slots {
            file,
            cache,
            reads,
            admission: Admission::new(),
            batch: Vec::new(),
            done: Vec::new(),
            forgetful: ablation.no_reuse,
            time: Duration::ZERO,
            loaded: 0,
        }
    }

    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(super) fn begin_pass(&mut self, cancel: &CancelToken) {
        self.reads.begin_pass(cancel);
    }

    pub(super) fn capacity(&self) -> usize {
        self.cache.capacity()
    }

    /// Asks for those of `needed` that are not there, while those of `beside` are still in use.
    pub(super) fn admit(
        &mut self,
        layer: u32,
        needed: &UnitSet,
        beside: &UnitSet,
    ) -> Result<(), EngineError> {
        let started = Instant::now();
        self.cache.admit_beside(layer, needed, beside, &mut self.admission)?;
        self.time += started.elapsed();
        self.submit(layer, Priority::Demand);
        Ok(())
    }

    /// Asks for at most `most` of `wanted`, none of which is there, as a guess; `asked` gets them. What else this layer
    /// has is not protected: it is visited next, so among equals its records leave last.
    pub(super) fn guess(
        &mut self,
        layer: u32,
        wanted: &UnitSet,
        most: usize,
        asked: &mut Vec<u32>,
    ) {
        debug_assert!(wanted.iter().all(|neuron| !self.holds(UnitKey { group: layer, neuron })));
        let started = Instant::now();
        self.cache.reserve(layer, wanted, most, &mut self.admission);
        asked.extend(self.admission.missing.iter().map(|missing| missing.neuron));
        self.time += started.elapsed();
        self.submit(layer, Priority::Speculative);
    }

    /// Takes back guesses that no device has begun; `each` gets them.
    pub(super) fn cancel_speculative(&mut self, mut each: impl FnMut(UnitKey)) {
        let (cache, loaded) = (&mut self.cache, &mut self.loaded);
        self.reads.cancel(Priority::Speculative, |tag, lease| {
            *loaded -= 1;
            cache.abandon(key_of(tag), lease);
            each(key_of(tag));
        });
    }

    fn submit(&mut self, layer: u32, priority: Priority) {
        for Missing { neuron, lease: into, .. } in self.admission.missing.drain(..) {
            let key = UnitKey { group: layer, neuron };
            let extent = self.file.record_extent(key);
            self.batch.push(RecordRead::new(tag_of(key), self.file.file(), extent, into));
        }
        self.loaded += self.batch.len() as u64;
        self.reads.submit(&mut self.batch, priority);
    }

    /// Waits for a read, and takes whatever else has ended by then; nothing when none is under way.
    ///
    /// # Errors
    /// When the wait ends without a read; those under way still are.
    pub(super) fn wait(
        &mut self,
        compute: &Compute,
        arrivals: &mut Vec<Arrival>,
    ) -> Result<(), EngineError> {
        arrivals.clear();
        let Some(done) = self.reads.next()? else { return Ok(()) };
        self.done.push(done);
        self.take(compute, arrivals);
        Ok(())
    }

    /// Takes the reads that have ended.
    pub(super) fn take(&mut self, compute: &Compute, arrivals: &mut Vec<Arrival>) {
        self.done.extend(std::iter::from_fn(|| self.reads.try_next()));
        self.keep(compute, arrivals);
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
                Err(_) => self.cache.abandon(arrival.key, done.into),
            }
        }
    }

    /// Takes back everything that is still being read, so that the cache is whole again after a pass that ended early.
    ///
    /// # Errors
    /// When something does not come back: then this is to be called again.
    pub(super) fn settle(&mut self) -> Result<(), EngineError> {
        let cache = &mut self.cache;
        for priority in [Priority::Demand, Priority::Speculative] {
            let give_up = |tag, lease| cache.abandon(key_of(tag), lease);
            self.reads.cancel(priority, give_up);
        }
        while let Some(done) = self.reads.next()? {
            cache.abandon(key_of(done.tag), done.into);
        }
        Ok(())
    }

    /// Whether a record is there or on its way.
    pub(super) fn holds(&self, key: UnitKey) -> bool {
        self.cache.holds(key)
    }

    /// The slot of a record that is there.
    pub(super) fn lookup(&self, key: UnitKey) -> Option<Slot> {
        self.cache.lookup(key)
    }

    /// The payload of the record of `key`, which lies in `slot`.
    pub(super) fn record(&self, key: UnitKey, slot: Slot) -> &[u8] {
        let at = self.reads.reader().place(self.file.record_extent(key));
        &self.cache.bytes(slot)[at]
    }

    /// What the last position of a prompt used outlasts what the others did.
    pub(super) fn expect(&mut self, layer: u32, used: &UnitSet) {
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

fn tag_of(key: UnitKey) -> u64 {
    u64::from(key.group) << 32 | u64::from(key.neuron)
}

fn key_of(tag: u64) -> UnitKey {
    UnitKey { group: (tag >> 32) as u32, neuron: tag as u32 }
}
