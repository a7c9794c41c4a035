//! What the predictors cost: per layer, in neurons loaded for every size of cache, and in perplexity.

use super::amounts::passes;
use super::collect;
use super::quality::Measuring;
use super::train::{MadeLayer, Training};
use super::{CalibrateEvent, CalibrateOptions};
use crate::CalibrateError;
use flint_bundle::{Calibration, GroupCalibration, LoadsPerToken};
use flint_dram_cache::{Admission, CacheConfig, PolicyKind, SlotCache};
use flint_engine::{Mode, read_predictor};
use flint_geometry::{UnitKey, UnitSet};
use flint_predictor::{Activity, Predictor, States};

/// Hottest neurons that are kept per layer, as a share of its neurons: what a first token finds in memory.
pub(super) const HOT_SHARE: usize = 4;

/// Tokens whose predicted sets are replayed for the curve of loads.
const REPLAYED: usize = 512;

/// Sizes of cache on the curve, in percent of all neurons.
const CURVE: [u64; 12] = [2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 90];

impl Training<'_> {
    /// What is stored of each layer, and the loads per token.
    pub(super) fn measure(&self, made: &[MadeLayer]) -> Result<Calibration, CalibrateError> {
        let neurons = self.files.architecture().most_neurons();
        let mut groups = Vec::new();
        for (layer, made) in made.iter().enumerate() {
            let mut states = collect::states(self.files, self.work, layer)?;
            let rows = super::layer::LayerRows::read(self.files, layer, self.compute)?;
            let activity = Activity::observe(self.compute, &rows.deciding()?, &mut states)?;
            let train = self.split.train.clone();
            groups.push(GroupCalibration {
                active_mean: made.found.active_mean() as f32,
                predicted_mean: made.found.predicted_mean() as f32,
                recall: made.found.score.recall() as f32,
                precision: made.found.score.precision() as f32,
                hot: activity.hottest(train, neurons / HOT_SHARE),
            });
        }
        let blobs = made.iter().map(|layer| layer.blob.clone());
        let kind = self.options.kind.name();
        let mut predictor = read_predictor(kind, self.files.architecture(), blobs)?;
        Ok(Calibration {
            tokens: self.split.held_out.len() as u64,
            groups,
            perplexity_exact: None,
            perplexity_sparse: None,
            loads_per_token: self.loads(&mut *predictor)?,
        })
    }

    /// Replays the predicted sets of consecutive tokens through caches of every size.
    pub(super) fn loads(
        &self,
        predictor: &mut dyn Predictor,
    ) -> Result<Vec<LoadsPerToken>, CalibrateError> {
        let neurons = self.files.architecture().most_neurons() as u32;
        load_curve(&self.predicted_sets(predictor)?, neurons)
    }

    /// For each layer, what is predicted for each replayed token.
    fn predicted_sets(
        &self,
        predictor: &mut dyn Predictor,
    ) -> Result<Vec<Vec<UnitSet>>, CalibrateError> {
        let architecture = self.files.architecture();
        let mut all = Vec::new();
        for layer in 0..architecture.layers {
            let mut states = collect::states(self.files, self.work, layer)?;
            let first = self.split.held_out.start;
            let count = REPLAYED.min(states.tokens() - first);
            let mut input = vec![0.0; count * architecture.hidden];
            let read = states.read(first, &mut input);
            read.map_err(|cause| self.work.error(&self.work.file("states"), cause))?;
            let mut sets = vec![UnitSet::new(); count];
            let rows = input.chunks(architecture.hidden);
            for (set, row) in sets.iter_mut().zip(rows) {
                predictor.predict(self.compute, layer, row, std::slice::from_mut(set))?;
            }
            all.push(sets);
        }
        Ok(all)
    }
}

/// The curve that a bundle stores: what caches of every size load of consecutive tokens. `sets` holds, for each
/// layer of `neurons` neurons, what each token needs.
///
/// # Errors
/// When the cache refuses its sizes.
pub fn load_curve(
    sets: &[Vec<UnitSet>],
    neurons: u32,
) -> Result<Vec<LoadsPerToken>, CalibrateError> {
    let config = CacheConfig {
        groups: vec![neurons; sets.len()],
        slot_bytes: 1,
        policy: PolicyKind::default(),
    };
    let all = sets.len() as u64 * u64::from(neurons);
    let point = |percent: u64| {
        let slots = (all * percent / 100).max(1);
        let mut cache = SlotCache::new(&config, config.bytes_for(slots as u32))?;
        Ok(LoadsPerToken { slots, loads: loads_per_token(&mut cache, sets)? })
    };
    CURVE.into_iter().map(point).collect()
}

/// Loads per token of the second half of the tokens; the first half fills the cache. `sets` holds, for each
/// group, what each token needs.
fn loads_per_token(cache: &mut SlotCache, sets: &[Vec<UnitSet>]) -> Result<f64, CalibrateError> {
    let tokens = sets.first().map_or(0, Vec::len);
    let mut before = 0;
    for token in 0..tokens {
        for (group, sets) in (0u32..).zip(sets) {
            replay(cache, group, &sets[token])?;
        }
        cache.end_token();
        if token == tokens / 2 {
            before = cache.counters().misses;
        }
    }
    let counted = tokens.saturating_sub(tokens / 2 + 1).max(1);
    Ok((cache.counters().misses - before) as f64 / counted as f64)
}

fn replay(cache: &mut SlotCache, group: u32, needed: &UnitSet) -> Result<(), CalibrateError> {
    let mut admission = Admission::new();
    for part in needed.as_slice().chunks(cache.capacity()) {
        let Some(part) = UnitSet::from_sorted(part.to_vec()) else { continue };
        cache.admit(group, &part, &mut admission)?;
        for missing in admission.missing.drain(..) {
            cache.fill(UnitKey { group, neuron: missing.neuron }, missing.lease);
        }
    }
    Ok(())
}

/// Measures perplexity in both modes on what was not trained on. (The thresholds did see the first part of it, a
/// tenth of the tokens collected.)
pub(super) fn perplexity(
    options: &CalibrateOptions,
    unseen: &[u32],
    calibration: &mut Calibration,
    listen: &mut dyn FnMut(CalibrateEvent),
) -> Result<(), CalibrateError> {
    if unseen.len() < 2 {
        return Ok(());
    }
    let mut measuring = Measuring::new(options, unseen, passes(options));
    let exact = measuring.read(Mode::Exact, None, listen)?;
    listen(exact.event(Mode::Exact.name()));
    let sparse = measuring.read(Mode::Sparse, None, listen)?;
    listen(sparse.event(Mode::Sparse.name()));
    calibration.perplexity_exact = Some(exact.perplexity());
    calibration.perplexity_sparse = Some(sparse.perplexity());
    Ok(())
}
