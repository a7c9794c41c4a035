//! Only predicted neurons are computed: those in slots at once, the missing ones as they are read.

mod round;

use super::{NeuronMath, TOGETHER, count_active};
use crate::RuntimeError;
use crate::read_ahead::ONLY_FILE;
use crate::records::RecordFile;
use crate::stats::Effort;
use candle_core::Tensor;
use flint_dram_cache::{Admission, Slot, SlotCache};
use flint_flash_io::{Reader, RecordDone, RecordRead, Urgency};
use flint_geometry::{NeuronKey, NeuronSet};
use flint_kernels::ops;
use flint_model::ModelError;
use flint_predictor::Predictor;
use round::Round;
use std::sync::Arc;
use std::time::Instant;

/// The neurons of sparse mode.
pub(crate) struct SparseNeurons {
    pub(super) effort: Effort,
    math: NeuronMath,
    file: Arc<RecordFile>,
    predictor: Box<dyn Predictor>,
    cache: SlotCache,
    reader: Reader,
    admission: Admission,
    reads: Vec<RecordRead>,
    /// The predicted neurons of each position, for the layer that was begun last.
    sets: Vec<NeuronSet>,
    round: Round,
}

impl SparseNeurons {
    pub(crate) fn new(
        math: NeuronMath,
        file: Arc<RecordFile>,
        predictor: Box<dyn Predictor>,
        cache: SlotCache,
        reader: Reader,
    ) -> SparseNeurons {
        SparseNeurons {
            effort: Effort::default(),
            math,
            file,
            predictor,
            cache,
            reader,
            admission: Admission::new(),
            reads: Vec::new(),
            sets: Vec::new(),
            round: Round::default(),
        }
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(super) fn end_pass(&mut self) {
        let started = Instant::now();
        self.cache.end_token();
        self.effort.cache += started.elapsed();
    }

    /// Slots of the cache.
    pub(crate) fn slots(&self) -> usize {
        self.cache.capacity()
    }

    /// Reads neurons into slots before the first token.
    pub(crate) fn preload(&mut self, layer: u32, neurons: &NeuronSet) -> Result<(), RuntimeError> {
        self.admit(layer, neurons)?;
        while self.await_read()?.is_some() {}
        Ok(())
    }

    /// Predicts.
    pub(super) fn begin(&mut self, layer: usize, input: &Tensor) -> Result<(), ModelError> {
        let started = Instant::now();
        self.sets.resize(input.dim(0)?, NeuronSet::new());
        let (predictor, sets) = (&mut self.predictor, &mut self.sets);
        ops::with_slice(input, |x| predictor.predict(&self.math.compute, layer, x, sets))?
            .map_err(|error| ModelError::supplier(RuntimeError::from(error)))?;
        self.effort.predictor += started.elapsed();
        Ok(())
    }

    pub(super) fn finish(&mut self, layer: usize, input: &Tensor) -> Result<Tensor, ModelError> {
        let positions = input.dim(0)?;
        let mut sum = vec![0.0; positions * self.math.layout.width()];
        ops::with_slice(input, |x| self.sum(layer as u32, x, &mut sum))?
            .map_err(ModelError::supplier)?;
        Ok(ops::from_vec(sum, (positions, self.math.layout.width()))?)
    }

    /// Goes through the union of all positions' sets in rounds that fit the cache and are not too large. Rounds ascend, so every
    /// position adds its neurons in ascending order, whatever the size of the cache.
    fn sum(&mut self, layer: u32, x: &[f32], sum: &mut [f32]) -> Result<(), RuntimeError> {
        let union = union(&self.sets);
        self.effort.neurons_predicted += self.sets.iter().map(|set| set.len() as u64).sum::<u64>();
        for neurons in union.as_slice().chunks(self.cache.capacity().min(TOGETHER)) {
            let Some(neurons) = NeuronSet::from_sorted(neurons.to_vec()) else {
                unreachable!("a part of an ascending list ascends")
            };
            self.compute_round(layer, neurons, x, sum)?;
        }
        Ok(())
    }

    fn compute_round(
        &mut self,
        layer: u32,
        neurons: NeuronSet,
        x: &[f32],
        sum: &mut [f32],
    ) -> Result<(), RuntimeError> {
        let positions = self.sets.len();
        self.admit(layer, &neurons)?;
        self.round.start(neurons, positions);
        let mut ready = std::mem::take(&mut self.admission.resident);
        self.activate(layer, &ready, x);
        while let Some(first) = self.await_read()? {
            ready.clear();
            ready.push(first);
            while let Some(done) = self.reader.try_next() {
                ready.push(self.keep(done)?);
            }
            ready.sort_unstable();
            self.activate(layer, &ready, x);
        }
        self.admission.resident = ready;
        self.round.keep_predicted(&self.sets);
        self.effort.neurons_active += count_active(self.round.acts());
        let records: Vec<&[u8]> = self
            .round
            .slots()
            .map(|(neuron, slot)| self.record(NeuronKey { group: layer, neuron }, slot))
            .collect();
        self.math.add_down(&records, self.round.acts(), sum);
        Ok(())
    }

    /// Splits `neurons` into resident and missing, and asks for the missing ones.
    fn admit(&mut self, layer: u32, neurons: &NeuronSet) -> Result<(), RuntimeError> {
        let started = Instant::now();
        self.cache.admit(layer, neurons, &mut self.admission)?;
        self.effort.neurons_loaded += self.admission.missing.len() as u64;
        for missing in self.admission.missing.drain(..) {
            let key = NeuronKey { group: layer, neuron: missing.neuron };
            let (extent, into) = (self.file.record_extent(key), missing.lease);
            self.reads.push(RecordRead { tag: tag_of(key), file: ONLY_FILE, extent, into });
        }
        self.effort.cache += started.elapsed();
        self.reader.submit(&mut self.reads, Urgency::Exact);
        Ok(())
    }

    /// Waits for a read; `None` when none is under way.
    fn await_read(&mut self) -> Result<Option<(u32, Slot)>, RuntimeError> {
        match self.reader.next() {
            Some(done) => self.keep(done).map(Some),
            None => Ok(None),
        }
    }

    /// Checks a record that was read and makes it resident.
    fn keep(&mut self, done: RecordDone) -> Result<(u32, Slot), RuntimeError> {
        let key = key_of(done.tag);
        let checked = match done.result {
            Ok(()) => self.file.check(key, &done.into[done.at]),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = checked {
            self.cache.abandon(key, Some(done.into));
            self.abandon_reads();
            return Err(error);
        }
        self.cache.fill(key, done.into);
        let Some(slot) = self.cache.lookup(key) else { unreachable!("{key:?} was just filled") };
        Ok((key.neuron, slot))
    }

    /// After an error: takes back what is still being read, so that the cache stays whole.
    fn abandon_reads(&mut self) {
        while let Some(done) = self.reader.next() {
            self.cache.abandon(key_of(done.tag), Some(done.into));
        }
    }

    /// The payload of the record of `key`, which lies in `slot`.
    fn record(&self, key: NeuronKey, slot: Slot) -> &[u8] {
        let at = self.reader.place(self.file.record_extent(key));
        &self.cache.bytes(slot)[at]
    }

    /// Computes the activations of neurons, ascending, whose records are in slots.
    fn activate(&mut self, layer: u32, ready: &[(u32, Slot)], x: &[f32]) {
        if ready.is_empty() {
            return;
        }
        let records: Vec<&[u8]> = ready
            .iter()
            .map(|&(neuron, slot)| self.record(NeuronKey { group: layer, neuron }, slot))
            .collect();
        let biases = &self.math.biases[layer as usize];
        let gather = |bias: &Option<Vec<f32>>| {
            let bias = bias.as_ref()?;
            Some(ready.iter().map(|&(neuron, _)| bias[neuron as usize]).collect::<Vec<f32>>())
        };
        let (gate, up) = (gather(&biases.gate), gather(&biases.up));
        let mut acts = vec![0.0; self.sets.len() * ready.len()];
        self.math.activate(&records, (gate.as_deref(), up.as_deref()), x, &mut acts);
        self.round.put(ready, &acts);
    }
}

/// The neurons that any position needs.
fn union(sets: &[NeuronSet]) -> NeuronSet {
    match sets {
        [one] => one.clone(),
        many => NeuronSet::from_unsorted(many.iter().flat_map(|set| set.iter()).collect()),
    }
}

fn tag_of(key: NeuronKey) -> u64 {
    u64::from(key.group) << 32 | u64::from(key.neuron)
}

fn key_of(tag: u64) -> NeuronKey {
    NeuronKey { group: (tag >> 32) as u32, neuron: tag as u32 }
}
