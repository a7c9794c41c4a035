//! Where experts are: in slots of the caches, on their way, or on flash. One visit of a layer at a time.
//!
//! All that a layer lacks is asked for at once, as soon as its router has spoken. What has a slot is read into it and stays;
//! where slots do not suffice, and for most of what a prompt sweeps over, experts pass through the places of a ring, so that a
//! prompt does not empty the cache that the tokens after it live on.

use crate::checksum::append_shared;
use crate::expert_units::{ExpertMatrix, ExpertUnit, ExpertUnits};
use crate::plan::ExpertPlan;
use crate::read_ahead::Loaded;
use crate::reads::Reads;
use crate::touch::touch;
use crate::{CancelToken, EngineError};
use flint_dram_cache::{Admission, SlotCache};
use flint_flash_io::{Priority, RecordDone, RecordRead};
use flint_geometry::{UnitKey, UnitSet};
use flint_iobuf::{Lease, Pool};
use flint_kernels::Compute;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Set in tags of reads through the ring.
const RING: u64 = 1 << 32;

/// The experts of a model, those in memory and the reads of the others.
pub(super) struct ExpertStore {
    compute: Compute,
    reads: Reads,
    units: ExpertUnits,
    paths: Vec<PathBuf>,
    verify: bool,
    /// By class and slot: whether anything was read into it. The system backs memory when it is first touched, which the one
    /// thread that reads does at a quarter of the rate of a disk: it took two thirds of the time of a run's first tokens.
    backed: Vec<Vec<bool>>,
    /// By class; none where not even one slot fits.
    caches: Vec<Option<SlotCache>>,
    /// By layer: its class, and its group in the cache of that.
    homes: Vec<Option<Home>>,
    ring: Option<Pool>,
    visit: Visit,
    admission: Admission,
    batch: Vec<RecordRead>,
    checks: Vec<u32>,
    /// Experts that visits needed, and those that were read for it.
    pub(super) touched: u64,
    pub(super) loaded: u64,
    /// Time for finding and freeing slots, and for having the system back new ones.
    pub(super) time: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Home {
    class: usize,
    group: u32,
    /// Layers that share the cache.
    layers: usize,
}

/// What a layer still waits for.
#[derive(Default)]
struct Visit {
    layer: usize,
    /// Experts that can be computed.
    ready: VecDeque<(u32, Option<Loaded>)>,
    /// Experts that no place of the ring was free for.
    waiting: VecDeque<u32>,
    in_flight: usize,
}

/// An expert that is in memory until the value is dropped or another visit begins.
pub(super) struct Ready {
    pub(super) expert: u32,
    /// Its bytes where it came through the ring.
    passing: Option<Loaded>,
}

impl Ready {
    /// Whether it holds a place of the ring.
    pub(super) fn is_passing(&self) -> bool {
        self.passing.is_some()
    }
}

/// What is needed of a layer.
pub(super) struct Needed<'a> {
    pub(super) layer: usize,
    pub(super) experts: &'a UnitSet,
    /// How many rows go through each of `experts`, in its order.
    pub(super) rows: &'a [u32],
}

impl ExpertStore {
    /// A store of `units` as planned, read by `reads`; nothing is in memory yet.
    ///
    /// # Errors
    /// When the system refuses memory.
    pub(super) fn new(
        compute: Compute,
        units: ExpertUnits,
        paths: Vec<PathBuf>,
        plan: &ExpertPlan,
        reads: Reads,
        verify: bool,
    ) -> Result<ExpertStore, EngineError> {
        let mut homes = vec![None; units.layers.len()];
        let mut caches = Vec::with_capacity(plan.caches.len());
        for (class, (own, bytes)) in plan.caches.iter().enumerate() {
            for (group, &layer) in (0..).zip(&own.layers) {
                homes[layer] = Some(Home { class, group, layers: own.layers.len() });
            }
            let fits = own.cache.slots_for(*bytes) > 0;
            caches.push(fits.then(|| SlotCache::new(&own.cache, *bytes)).transpose()?);
        }
        let ring = (plan.places > 0).then(|| Pool::new(plan.places, plan.place_bytes));
        Ok(ExpertStore {
            compute,
            reads,
            units,
            paths,
            verify,
            backed: caches.iter().map(|cache| vec![false; slots_of(cache)]).collect(),
            caches,
            homes,
            ring: ring.transpose()?,
            visit: Visit::default(),
            admission: Admission::new(),
            batch: Vec::new(),
            checks: Vec::new(),
            touched: 0,
            loaded: 0,
            time: Duration::ZERO,
        })
    }

    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Begins a pass that `cancel` may end early, once what an earlier one left in flight is back.
    ///
    /// # Errors
    /// When something does not come back: then this is to be called again.
    pub(super) fn begin_pass(&mut self, cancel: &CancelToken) -> Result<(), EngineError> {
        self.reads.begin_pass(cancel);
        self.settle()
    }

    /// Ends a pass: caches age in passes.
    pub(super) fn end_pass(&mut self) {
        self.caches.iter_mut().flatten().for_each(SlotCache::end_token);
    }

    /// Takes back everything that is still being read.
    fn settle(&mut self) -> Result<(), EngineError> {
        self.visit.ready.clear();
        self.visit.waiting.clear();
        let mut back = Vec::new();
        self.reads.cancel(Priority::Demand, |tag, lease| back.push((tag, lease)));
        back.into_iter().for_each(|(tag, lease)| self.give_up(tag, lease));
        while let Some(done) = self.reads.next()? {
            self.give_up(done.tag, done.into);
        }
        Ok(())
    }

    fn give_up(&mut self, tag: u64, lease: Lease) {
        self.visit.in_flight -= 1;
        if tag & RING == 0 {
            let (layer, expert) = (self.visit.layer, tag as u32);
            let (cache, key) = home(&self.homes, &mut self.caches, layer, expert);
            cache.abandon(key, lease);
        }
    }

    /// Begins the visit of a layer: finds what is resident, and asks for all else.
    ///
    /// # Errors
    /// When the cache has fewer places than it said.
    pub(super) fn begin(&mut self, needed: &Needed<'_>) -> Result<(), EngineError> {
        let started = Instant::now();
        debug_assert_eq!(self.visit.in_flight, 0, "one visit at a time");
        self.visit.layer = needed.layer;
        self.touched += needed.experts.len() as u64;
        let chosen = self.admitted(needed);
        for expert in needed.experts.iter().filter(|&expert| !chosen.contains(expert)) {
            self.visit.waiting.push_back(expert);
        }
        let Some(Home { class, group, .. }) = self.homes[needed.layer] else { return Ok(()) };
        if let (Some(cache), false) = (&mut self.caches[class], chosen.is_empty()) {
            cache.admit(group, &chosen, &mut self.admission)?;
            let there = self.admission.resident.iter().map(|&(expert, _)| (expert, None));
            self.visit.ready.extend(there);
            for missing in self.admission.missing.drain(..) {
                let segments = self.units.layers[needed.layer][missing.neuron as usize].segments();
                let (tag, mut into) = (u64::from(missing.neuron), missing.lease);
                let backed = &mut self.backed[class][missing.slot.index()];
                if !std::mem::replace(backed, true) {
                    touch(&self.compute, &mut into);
                }
                self.batch.push(RecordRead { tag, segments, into });
            }
        }
        self.time += started.elapsed();
        self.submit();
        self.fill_ring();
        Ok(())
    }

    /// Those of `needed` that are in slots, and those that get one. A sweep over most of a layer takes free slots only, no more
    /// than the layer's share, for the experts that most rows go through.
    fn admitted(&self, needed: &Needed<'_>) -> UnitSet {
        let layer = needed.layer;
        let Some(Home { class, group, layers }) = self.homes[layer] else { return UnitSet::new() };
        let Some(cache) = &self.caches[class] else { return UnitSet::new() };
        let there = |neuron: u32| cache.lookup(UnitKey { group, neuron }).is_some();
        let mut missing: Vec<(u32, u32)> = Vec::new();
        let mut chosen = Vec::new();
        for (expert, &rows) in needed.experts.iter().zip(needed.rows) {
            if there(expert) { chosen.push(expert) } else { missing.push((expert, rows)) }
        }
        let all = self.units.layers[layer].len();
        let sweep = 2 * needed.experts.len() > all && self.ring.is_some();
        let room = if sweep {
            let held = (0..all as u32).filter(|&expert| there(expert)).count();
            let share = (cache.capacity() / layers).saturating_sub(held);
            missing.sort_by_key(|&(expert, rows)| (std::cmp::Reverse(rows), expert));
            share.min(cache.capacity() - cache.resident())
        } else {
            cache.capacity() - chosen.len()
        };
        chosen.extend(missing.into_iter().take(room).map(|(expert, _)| expert));
        UnitSet::from_unsorted(chosen)
    }

    /// Asks for as many of the waiting experts as the ring has places.
    fn fill_ring(&mut self) {
        let Some(ring) = &self.ring else { return };
        while !self.visit.waiting.is_empty()
            && let Some(into) = ring.take()
        {
            let Some(expert) = self.visit.waiting.pop_front() else { break };
            let segments = self.units.layers[self.visit.layer][expert as usize].segments();
            self.batch.push(RecordRead { tag: u64::from(expert) | RING, segments, into });
        }
        self.submit();
    }

    fn submit(&mut self) {
        self.visit.in_flight += self.batch.len();
        self.loaded += self.batch.len() as u64;
        self.reads.submit(&mut self.batch, Priority::Demand);
    }

    /// The next expert of the visit that can be computed: those in memory first, then each as it arrives; `None` when all
    /// were handed out.
    ///
    /// # Errors
    /// When a read fails, what was read is not what was written, or the pass is to end.
    pub(super) fn next(&mut self) -> Result<Option<Ready>, EngineError> {
        self.reads.check()?;
        self.fill_ring();
        while self.visit.ready.is_empty() && self.visit.in_flight > 0 {
            let Some(done) = self.reads.next()? else { unreachable!("reads are in flight") };
            self.arrived(done)?;
        }
        let next = self.visit.ready.pop_front();
        Ok(next.map(|(expert, passing)| Ready { expert, passing }))
    }

    /// Whether [`ExpertStore::next`] has one without waiting.
    pub(super) fn has_ready(&self) -> bool {
        !self.visit.ready.is_empty()
    }

    fn arrived(&mut self, done: RecordDone) -> Result<(), EngineError> {
        let (layer, expert) = (self.visit.layer, done.tag as u32);
        let checked = match done.result {
            Ok(()) => self.check(layer, expert, &done.into),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = checked {
            self.give_up(done.tag, done.into);
            let cause = Box::new(error);
            return Err(EngineError::InExpert { layer, expert, cause });
        }
        self.visit.in_flight -= 1;
        let passing = if done.tag & RING == 0 {
            let (cache, key) = home(&self.homes, &mut self.caches, layer, expert);
            cache.fill(key, done.into);
            None
        } else {
            let whole = 0..done.into.len();
            Some(Loaded::new(done.into, whole))
        };
        self.visit.ready.push_back((expert, passing));
        Ok(())
    }

    /// Compares what was read with its checksums, where they are known.
    fn check(&mut self, layer: usize, expert: u32, bytes: &[u8]) -> Result<(), EngineError> {
        let unit = &self.units.layers[layer][expert as usize];
        if !self.verify {
            return Ok(());
        }
        let places = self.reads.reader().places(&unit.segments());
        for (matrix, at) in unit.matrices.iter().zip(places) {
            let Some(expected) = matrix.crc else { continue };
            let got = append_shared(&self.compute, 0, &bytes[at], &mut self.checks);
            if got != expected {
                return Err(corrupt(matrix, &self.paths, expected, got));
            }
        }
        Ok(())
    }

    /// The matrices of an expert, and where each lies in its bytes.
    pub(super) fn unit(&self, expert: u32) -> (&ExpertUnit, Vec<Range<usize>>) {
        let unit = &self.units.layers[self.visit.layer][expert as usize];
        (unit, self.reads.reader().places(&unit.segments()))
    }

    /// The bytes of an expert as read.
    pub(super) fn bytes<'a>(&'a self, ready: &'a Ready) -> &'a [u8] {
        if let Some(passing) = &ready.passing {
            return passing.bytes();
        }
        let home = self.homes[self.visit.layer];
        let Home { class, group, .. } = home.unwrap_or_else(|| unreachable!("a layer of experts"));
        let key = UnitKey { group, neuron: ready.expert };
        let cache = self.caches[class].as_ref();
        let found = cache.and_then(|cache| Some(cache.bytes(cache.lookup(key)?)));
        found.unwrap_or_else(|| unreachable!("{key:?} was ready"))
    }

    /// Reads all experts of `layer` into their slots.
    ///
    /// # Errors
    /// As for [`ExpertStore::next`].
    pub(super) fn preload(&mut self, layer: usize) -> Result<u64, EngineError> {
        let count = self.units.layers[layer].len() as u32;
        let (experts, rows) = (UnitSet::full(count), vec![1; count as usize]);
        self.begin(&Needed { layer, experts: &experts, rows: &rows })?;
        while self.next()?.is_some() {}
        Ok(self.units.layers[layer].iter().map(ExpertUnit::bytes).sum())
    }
}

fn slots_of(cache: &Option<SlotCache>) -> usize {
    cache.as_ref().map_or(0, SlotCache::capacity)
}

/// The cache of an expert's layer, and its key there.
fn home<'a>(
    homes: &[Option<Home>],
    caches: &'a mut [Option<SlotCache>],
    layer: usize,
    expert: u32,
) -> (&'a mut SlotCache, UnitKey) {
    let Some(Home { class, group, .. }) = homes[layer] else {
        unreachable!("layer {layer} has no experts")
    };
    let cache = caches[class].as_mut();
    let cache = cache.unwrap_or_else(|| unreachable!("an expert was given a slot"));
    (cache, UnitKey { group, neuron: expert })
}

fn corrupt(matrix: &ExpertMatrix, paths: &[PathBuf], expected: u32, got: u32) -> EngineError {
    EngineError::CorruptTensor {
        file: paths[matrix.segment.file.0 as usize].clone(),
        tensor: matrix.name.to_string(),
        offset: matrix.segment.extent.offset(),
        expected,
        got,
    }
}
