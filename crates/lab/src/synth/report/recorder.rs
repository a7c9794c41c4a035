//! A predictor that answers as another one does and remembers some of the questions and answers.

use flint_geometry::UnitSet;
use flint_kernels::Compute;
use flint_predictor::{Predictor, PredictorError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The remembered tokens of a layer, in order.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    /// tokens x width.
    pub(super) states: Vec<f32>,
    pub(super) predicted: Vec<UnitSet>,
    seen: usize,
}

impl Sampled {
    /// What another predictor says of the same states of `layer`.
    pub(super) fn ask(
        &self,
        other: &mut dyn Predictor,
        layer: usize,
        compute: &Compute,
    ) -> Result<Vec<UnitSet>, PredictorError> {
        let mut sets = vec![UnitSet::new(); self.predicted.len()];
        other.predict(compute, layer, &self.states, &mut sets)?;
        Ok(sets)
    }
}

/// What was heard, layer by layer.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    layers: Arc<Mutex<Vec<Sampled>>>,
    skipped: usize,
    every: usize,
}

impl Heard {
    /// Remembers one token of `every` after the first `skipped` ones.
    pub(super) fn new(layers: usize, skipped: usize, every: usize) -> Heard {
        let layers = (0..layers).map(|_| Sampled::default()).collect();
        Heard { layers: Arc::new(Mutex::new(layers)), skipped, every }
    }

    /// All of it.
    pub(super) fn take(&self) -> Vec<Sampled> {
        std::mem::take(&mut *self.lists())
    }

    fn lists(&self) -> MutexGuard<'_, Vec<Sampled>> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, layer: usize, input: &[f32], sets: &[UnitSet]) {
        let mut lists = self.lists();
        let Some(sampled) = lists.get_mut(layer) else { return };
        let width = input.len() / sets.len().max(1);
        for (state, set) in input.chunks_exact(width.max(1)).zip(sets) {
            let counted = sampled.seen.checked_sub(self.skipped);
            if counted.is_some_and(|counted| counted % self.every == 0) {
                sampled.states.extend_from_slice(state);
                sampled.predicted.push(set.clone());
            }
            sampled.seen += 1;
        }
    }
}

/// The predictor.
pub(super) struct Recorder {
    inner: Box<dyn Predictor>,
    heard: Heard,
}

impl Recorder {
    pub(super) fn new(inner: Box<dyn Predictor>, heard: Heard) -> Recorder {
        Recorder { inner, heard }
    }
}

impl Predictor for Recorder {
    fn predict(
        &mut self,
        compute: &Compute,
        group: usize,
        input: &[f32],
        sets: &mut [UnitSet],
    ) -> Result<(), PredictorError> {
        self.inner.predict(compute, group, input, sets)?;
        self.heard.hear(group, input, sets);
        Ok(())
    }

    fn add_others(
        &mut self,
        compute: &Compute,
        group: usize,
        sets: &[UnitSet],
        sum: &mut [f32],
    ) -> Result<(), PredictorError> {
        self.inner.add_others(compute, group, sets, sum)
    }

    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }

    fn kind(&self) -> &'static str {
        self.inner.kind()
    }
}
