//! Only predicted neurons are computed: those in slots at once, the missing ones as they are read.
//!
//! The union of what all positions need is computed in rounds of ascending neurons, and the reads of a round
//! begin before the round ahead of it is computed. A predictor may stand in for those that it does not name; what it adds comes
//! first. Before the attention of a layer its missing neurons may be guessed,
//! so that the disk does not idle meanwhile; a guess only moves reads ahead and never changes a set.

mod guesses;
mod round;
mod slots;
mod trials;

use super::{NeuronMath, count_active};
use crate::plan::{MAX_NEURONS_PER_ROUND, PREFETCH_SHARE};
use crate::reads::Reads;
use crate::records::RecordFile;
use crate::stats::PassCounters;
use crate::{Ablation, CancelToken, EngineError, Prefetching};
use candle_core::Tensor;
use flint_dram_cache::{Slot, SlotCache};
use flint_geometry::{UnitKey, UnitSet};
use flint_kernels::{SeqId, ops};
use flint_model::{Batch, ModelError};
use flint_predictor::Predictor;
use guesses::Prefetches;
use round::Round;
use slots::{Arrival, Slots};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use trials::PrefetchTuner;

/// Most rows whose neurons are guessed: each costs a prediction.
const MOST_GUESSED_ROWS: usize = 8;

/// The neurons of sparse mode.
pub(crate) struct SparseNeurons {
    effort: PassCounters,
    math: NeuronMath,
    predictor: Box<dyn Predictor>,
    slots: Slots,
    guesses: Prefetches,
    trials: Option<PrefetchTuner>,
    /// Whether any layer of this pass could be guessed, and when the one under way began.
    tried: bool,
    began: Option<Instant>,
    /// The rows of this pass that are the last of their sequences.
    last_rows: Vec<usize>,
    /// Whether reads of a pass that ended early may be under way.
    unsettled: bool,
    /// The predicted neurons of each position, for the layer that was begun last.
    sets: Vec<UnitSet>,
    /// Those that any position needs.
    union: UnitSet,
    /// What a layer would need of what is not there, if its attention added nothing.
    guess: UnitSet,
    guesses_by_row: Vec<UnitSet>,
    round: Round,
    ready: Vec<(u32, Slot)>,
    arrivals: Vec<Arrival>,
    acts: Vec<f32>,
    no_overlap: bool,
}

impl SparseNeurons {
    /// Neurons of `file`, read by `reads` into the slots of `cache`; guesses, if any, must be possible in that many.
    pub(crate) fn new(
        math: NeuronMath,
        file: Arc<RecordFile>,
        predictor: Box<dyn Predictor>,
        cache: SlotCache,
        reads: Reads,
        guess: Prefetching,
        ablation: Ablation,
    ) -> SparseNeurons {
        let layers = file.bundle().shape().layers;
        let limit = cache.capacity() / PREFETCH_SHARE;
        SparseNeurons {
            effort: PassCounters::default(),
            math,
            predictor,
            slots: Slots::new(file, cache, reads, ablation),
            guesses: Prefetches::new(guess != Prefetching::Never, layers, limit),
            trials: (guess == Prefetching::Tried).then(|| PrefetchTuner::new(layers)),
            tried: false,
            began: None,
            last_rows: Vec::new(),
            unsettled: false,
            sets: Vec::new(),
            union: UnitSet::new(),
            guess: UnitSet::new(),
            guesses_by_row: Vec::new(),
            round: Round::default(),
            ready: Vec::new(),
            arrivals: Vec::new(),
            acts: Vec::new(),
            no_overlap: ablation.no_overlap,
        }
    }

    pub(super) fn reads(&self) -> &Reads {
        self.slots.reads()
    }

    /// What was done so far, but for what the reader counts.
    pub(super) fn effort(&self) -> PassCounters {
        PassCounters {
            cache: self.slots.time,
            neurons_loaded: self.slots.loaded,
            guesses: self.guesses.read,
            guesses_right: self.guesses.right,
            ..self.effort
        }
    }

    pub(super) fn end_pass(&mut self) {
        self.slots.end_token();
        if std::mem::take(&mut self.tried)
            && let Some(trials) = &mut self.trials
        {
            trials.end_token();
        }
    }

    /// Waits for what a pass that ended early left in flight.
    pub(super) fn begin_pass(
        &mut self,
        batch: &Batch,
        cancel: &CancelToken,
    ) -> Result<(), EngineError> {
        self.slots.begin_pass(cancel);
        if self.unsettled {
            self.slots.settle()?;
            self.unsettled = false;
        }
        self.note_rows(batch);
        Ok(())
    }

    /// Notes which rows are the last of their sequences.
    pub(super) fn note_rows(&mut self, batch: &Batch) {
        let ends = batch.spans().iter().map(|span| (span.seq, span.first + span.rows - 1));
        let ends: HashMap<SeqId, usize> = ends.collect();
        let rows = batch.rows().iter().enumerate();
        let last = rows.filter(|(_, row)| ends.get(&row.seq) == Some(&row.position));
        self.last_rows.clear();
        self.last_rows.extend(last.map(|(index, _)| index));
    }

    pub(super) fn abandon_pass(&mut self) {
        (self.tried, self.began) = (false, None);
        if let Some(trials) = &mut self.trials {
            trials.abandon();
        }
        self.unsettled = true;
    }

    /// Slots of the cache.
    pub(crate) fn slots(&self) -> usize {
        self.slots.capacity()
    }

    /// Reads neurons into slots before the first token.
    pub(crate) fn preload(&mut self, layer: u32, neurons: &UnitSet) -> Result<(), EngineError> {
        for some in neurons.as_slice().chunks(MAX_NEURONS_PER_ROUND) {
            let some = UnitSet::from_unsorted(some.to_vec());
            self.slots.admit(layer, &some, &UnitSet::new())?;
            self.wait_for_all()?;
        }
        Ok(())
    }

    /// A few rows of as many sequences are guessed. A chunk of a prompt keeps the disk busy by itself.
    pub(super) fn wants_prefetch(&self, rows: usize) -> bool {
        rows <= MOST_GUESSED_ROWS && rows == self.last_rows.len() && self.guesses.enabled()
    }

    pub(super) fn prefetch(&mut self, layer: usize, input: &Tensor) -> Result<(), ModelError> {
        let (started, group) = (Instant::now(), layer as u32);
        self.tried = true;
        let Some(most) = self.guesses.worth(group) else { return Ok(()) };
        self.began = Some(started);
        if self.trials.as_ref().is_some_and(|trials| !trials.asks_for(group)) {
            return Ok(());
        }
        let slots = &self.slots;
        let missing = |neuron| !slots.holds(UnitKey { group, neuron });
        let (predictor, compute) = (&mut self.predictor, &self.math.compute);
        let (rows, width) = input.dims2()?;
        let sets = &mut self.guesses_by_row;
        sets.resize(rows, UnitSet::new());
        ops::with_slice(input, |x| {
            let mut rows = x.chunks_exact(width).zip(sets.iter_mut());
            rows.try_for_each(|(x, set)| predictor.predict_among(compute, layer, x, &missing, set))
        })?
        .map_err(|error| ModelError::supplier(EngineError::from(error)))?;
        self.guess = union(sets);
        let took = started.elapsed();
        self.effort.predictor += took;
        self.effort.guessing += took;
        let asked = self.guesses.begin(group);
        self.slots.guess(group, &self.guess, most, asked);
        Ok(())
    }

    /// Predicts, and begins the reads of the first round.
    pub(super) fn begin(&mut self, layer: usize, input: &Tensor) -> Result<(), ModelError> {
        let started = Instant::now();
        self.sets.resize(input.dim(0)?, UnitSet::new());
        predict(&mut *self.predictor, &self.math, layer, input, &mut self.sets)?;
        self.union = union(&self.sets);
        self.effort.predictor += started.elapsed();
        self.effort.neurons_predicted += self.sets.iter().map(|set| set.len() as u64).sum::<u64>();
        self.settle_guesses(layer as u32);
        if let Some(first) = self.part(0) {
            self.admit(layer as u32, &first, &UnitSet::new()).map_err(ModelError::supplier)?;
        }
        Ok(())
    }

    /// Asks for what is missing of a round.
    fn admit(&mut self, layer: u32, needed: &UnitSet, beside: &UnitSet) -> Result<(), EngineError> {
        while let Err(error) = self.slots.admit(layer, needed, beside) {
            // Prefetches that are late hold slots until they arrive.
            self.slots.wait(&self.math.compute, &mut self.arrivals)?;
            if self.arrivals.is_empty() {
                return Err(error);
            }
            let arrivals = std::mem::take(&mut self.arrivals);
            arrivals
                .into_iter()
                .filter(|a| self.awaits(layer, a.key))
                .try_for_each(|a| a.result)?;
        }
        if self.no_overlap { self.wait_for_all() } else { Ok(()) }
    }

    /// Whether the layer that was begun needs this record.
    fn awaits(&self, layer: u32, key: UnitKey) -> bool {
        key.group == layer && self.union.contains(key.neuron)
    }

    fn wait_for_all(&mut self) -> Result<(), EngineError> {
        loop {
            self.slots.wait(&self.math.compute, &mut self.arrivals)?;
            if self.arrivals.is_empty() {
                return Ok(());
            }
            std::mem::take(&mut self.arrivals).into_iter().try_for_each(|a| a.result)?;
        }
    }

    /// Sorts in what was guessed, and takes back what no device has begun.
    fn settle_guesses(&mut self, layer: u32) {
        if !self.guesses.enabled() {
            return;
        }
        let mut recalled = Vec::new();
        self.slots.cancel_speculative(|key| recalled.push(key));
        self.guesses.judge(layer, &self.union, &mut recalled);
        // A guess that failed is absent again: whoever needs it asks again.
        self.slots.take(&self.math.compute, &mut self.arrivals);
    }

    pub(super) fn finish(&mut self, layer: usize, input: &Tensor) -> Result<Tensor, ModelError> {
        let positions = input.dim(0)?;
        let mut sum = vec![0.0; positions * self.math.layout.width()];
        // While what is missing is read.
        let started = Instant::now();
        self.predictor
            .add_others(&self.math.compute, layer, &self.sets, &mut sum)
            .map_err(|error| ModelError::supplier(EngineError::from(error)))?;
        self.effort.predictor += started.elapsed();
        ops::with_slice(input, |x| self.sum(layer as u32, x, &mut sum))?
            .map_err(ModelError::supplier)?;
        if let (Some(trials), Some(began)) = (&mut self.trials, self.began.take()) {
            trials.layer_took(layer as u32, began.elapsed().as_secs_f64());
        }
        Ok(ops::from_vec(sum, (positions, self.math.layout.width()))?)
    }

    /// Goes through the union in rounds. Rounds ascend, so every position adds its neurons in ascending
    /// order, whatever the size of the cache.
    fn sum(&mut self, layer: u32, x: &[f32], sum: &mut [f32]) -> Result<(), EngineError> {
        let mut next = self.part(0);
        for index in 1.. {
            let Some(neurons) = next else { break };
            next = self.part(index);
            let ahead = self.two_rounds_fit();
            if let Some(next) = next.as_ref().filter(|_| ahead) {
                self.admit(layer, next, &neurons)?;
            }
            self.compute(layer, neurons, x, sum)?;
            if let Some(next) = next.as_ref().filter(|_| !ahead) {
                self.admit(layer, next, &UnitSet::new())?;
            }
        }
        self.expect(layer);
        Ok(())
    }

    /// In a chunk, what the last row of a sequence used outlasts what the others did: it is needed again soonest.
    fn expect(&mut self, layer: u32) {
        match self.last_rows.as_slice() {
            rows if rows.len() == self.sets.len() => {}
            &[row] => self.slots.expect(layer, &self.sets[row]),
            rows => {
                let last: Vec<UnitSet> = rows.iter().map(|&row| self.sets[row].clone()).collect();
                self.slots.expect(layer, &union(&last));
            }
        }
    }

    /// The neurons of the round at `index`; `None` past the last.
    fn part(&self, index: usize) -> Option<UnitSet> {
        let part = self.union.as_slice().chunks(self.round_size()).nth(index)?.to_vec();
        UnitSet::from_sorted(part)
    }

    /// One round where that fits, else two at a time: one is read while the other is computed.
    fn round_size(&self) -> usize {
        let one = self.most_together().min(MAX_NEURONS_PER_ROUND);
        if self.union.len() <= one {
            one
        } else {
            MAX_NEURONS_PER_ROUND.min(self.most_together() / 2).max(1)
        }
    }

    fn two_rounds_fit(&self) -> bool {
        2 * self.round_size() <= self.most_together()
    }

    /// Slots that do not wait for the guesses of a layer.
    fn most_together(&self) -> usize {
        let capacity = self.slots.capacity();
        if self.guesses.enabled() { capacity - capacity / PREFETCH_SHARE } else { capacity }
    }

    /// Computes a round that was admitted, and adds it to `sum`.
    fn compute(
        &mut self,
        layer: u32,
        neurons: UnitSet,
        x: &[f32],
        sum: &mut [f32],
    ) -> Result<(), EngineError> {
        self.round.start(neurons, self.sets.len());
        self.ready.clear();
        for neuron in self.round.neurons().iter() {
            let slot = self.slots.lookup(UnitKey { group: layer, neuron });
            self.ready.extend(slot.map(|slot| (neuron, slot)));
        }
        let mut waiting = self.round.neurons().len() - self.ready.len();
        self.activate(layer, x);
        while waiting > 0 {
            self.slots.reads().check()?;
            self.await_some(layer)?;
            waiting -= self.ready.len();
            self.activate(layer, x);
        }
        self.round.keep_predicted(&self.sets);
        self.effort.neurons_active += count_active(self.round.acts());
        let records: Vec<&[u8]> = self
            .round
            .slots()
            .map(|(neuron, slot)| self.slots.record(UnitKey { group: layer, neuron }, slot))
            .collect();
        self.math.add_down(&records, self.round.acts(), sum);
        Ok(())
    }

    /// Waits for reads; those of the round become ready, ascending.
    fn await_some(&mut self, layer: u32) -> Result<(), EngineError> {
        self.ready.clear();
        self.slots.wait(&self.math.compute, &mut self.arrivals)?;
        assert!(!self.arrivals.is_empty(), "every neuron of a round is there or asked for");
        let mut arrivals = std::mem::take(&mut self.arrivals);
        for arrival in arrivals.drain(..) {
            self.sort_in(layer, arrival)?;
        }
        self.arrivals = arrivals;
        self.ready.sort_unstable();
        Ok(())
    }

    /// What arrives may be of this round, of the next, or a guess that came true too late or never.
    fn sort_in(&mut self, layer: u32, arrival: Arrival) -> Result<(), EngineError> {
        let Arrival { key, result } = arrival;
        if !self.awaits(layer, key) {
            return Ok(());
        }
        result?;
        if self.round.neurons().contains(key.neuron) {
            let Some(slot) = self.slots.lookup(key) else { unreachable!("{key:?} has arrived") };
            self.ready.push((key.neuron, slot));
        }
        Ok(())
    }

    /// Computes the activations of the neurons that are ready, ascending.
    fn activate(&mut self, layer: u32, x: &[f32]) {
        if self.ready.is_empty() {
            return;
        }
        let records: Vec<&[u8]> = self
            .ready
            .iter()
            .map(|&(neuron, slot)| self.slots.record(UnitKey { group: layer, neuron }, slot))
            .collect();
        let biases = &self.math.biases[layer as usize];
        let gather = |bias: &Option<Vec<f32>>| {
            let bias = bias.as_ref()?;
            Some(self.ready.iter().map(|&(neuron, _)| bias[neuron as usize]).collect::<Vec<f32>>())
        };
        let (gate, up) = (gather(&biases.gate), gather(&biases.up));
        self.acts.clear();
        self.acts.resize(self.sets.len() * self.ready.len(), 0.0);
        self.math.activate(&records, (gate.as_deref(), up.as_deref()), x, &mut self.acts);
        self.round.put(&self.ready, &self.acts);
    }
}

/// The neurons of `layer` that each row of `input` needs.
fn predict(
    predictor: &mut dyn Predictor,
    math: &NeuronMath,
    layer: usize,
    input: &Tensor,
    sets: &mut [UnitSet],
) -> Result<(), ModelError> {
    ops::with_slice(input, |x| predictor.predict(&math.compute, layer, x, sets))?
        .map_err(|error| ModelError::supplier(EngineError::from(error)))
}

/// The neurons that any position needs.
fn union(sets: &[UnitSet]) -> UnitSet {
    let [first, rest @ ..] = sets else { return UnitSet::new() };
    if rest.is_empty() {
        return first.clone();
    }
    let end = sets.iter().filter_map(|set| set.as_slice().last()).max().map_or(0, |last| last + 1);
    let mut needed = vec![false; end as usize];
    for neuron in sets.iter().flat_map(|set| set.iter()) {
        needed[neuron as usize] = true;
    }
    let all = (0..end).filter(|&neuron| needed[neuron as usize]).collect();
    UnitSet::from_sorted(all).unwrap_or_else(|| unreachable!("a range ascends"))
}
