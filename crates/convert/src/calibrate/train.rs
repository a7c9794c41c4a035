//! A predictor per layer: ranks planned over all layers, then each layer trained and its threshold set.

mod ranks;

use super::layer::LayerRows;
use super::work::WorkDirectory;
use super::{CalibrateEvent, CalibrateOptions, LayerReport, PredictorKind, Split, collect};
use crate::CalibrateError;
use flint_engine::OpenModel;
use flint_kernels::Compute;
use flint_predictor::train::{FineTuning, Regression, fine_tune};
use flint_predictor::{
    Activity, Calibrated, CascadeGroup, DENSE_SHARE, GateRows, LowRankGroup, QuantizedGateLayer,
    States, ThresholdLayer, calibrate, evaluate,
};
use std::ops::ControlFlow;

/// Bits per weight that a low-bit copy may have, best first.
const COPY_BITS: [usize; 3] = [4, 3, 2];

/// Share of the budget that the first stage of a cascade takes: it only has to name candidates, and on models of true
/// size the paper's ranks, which name three neurons per active one, come to 2 % of the neurons, a quarter of 8 %.
pub(super) const FIRST_STAGE: f64 = 0.25;

/// Start of every random number: the same text gives the same predictors.
const SEED: u64 = 0;

/// The predictor of one layer.
pub(super) struct MadeLayer {
    /// As stored; `None` when the layer is read whole.
    pub(super) blob: Option<Vec<u8>>,
    /// Rank or bits.
    size: usize,
    /// On text that it was not trained on.
    pub(super) found: Calibrated,
}

/// What training works with.
pub(super) struct Training<'a> {
    pub(super) options: &'a CalibrateOptions,
    pub(super) files: &'a OpenModel,
    pub(super) work: &'a WorkDirectory,
    pub(super) split: &'a Split,
    pub(super) compute: &'a Compute,
}

impl Training<'_> {
    /// Trains what was not trained before.
    pub(super) fn run(
        &self,
        listen: &mut dyn FnMut(CalibrateEvent),
    ) -> Result<Vec<MadeLayer>, CalibrateError> {
        let layers = self.files.architecture().layers;
        let budget = self.files.bundle()?.shape().neuron_bytes() as f64 * self.options.share;
        let ranks = match self.options.kind {
            PredictorKind::LowRank => self.plan_ranks(budget as u64)?,
            PredictorKind::Cascade => self.first_stage_ranks((budget * FIRST_STAGE) as u64)?,
            PredictorKind::QuantizedGate => vec![None; layers],
        };
        let mut made = Vec::new();
        for (layer, rank) in ranks.into_iter().enumerate() {
            self.options.cancel.check()?;
            let one = match (self.options.kind, rank) {
                (PredictorKind::LowRank | PredictorKind::Cascade, rank) => {
                    self.trained(layer, rank)?
                }
                (PredictorKind::QuantizedGate, _) => {
                    self.copy(layer, budget as u64 / layers as u64)?
                }
            };
            let report = one.report(layer);
            made.push(one);
            listen(CalibrateEvent::Trained { done: layer + 1, layers, report });
        }
        Ok(made)
    }

    /// A predictor with a trained low-rank part: that alone, or as the first stage of a cascade.
    fn trained(&self, layer: usize, rank: Option<usize>) -> Result<MadeLayer, CalibrateError> {
        let Training { split, compute, options, .. } = self;
        let mut states = collect::states(self.files, self.work, layer)?;
        let rows = LayerRows::read(self.files, layer, compute)?;
        let deciding = rows.deciding()?;
        let activity = Activity::observe(compute, &deciding, &mut states)?;
        let Some(rank) = rank else { return Ok(MadeLayer::whole(&activity, split)) };
        let mut group = self.low_rank(layer, rank, &deciding, &mut states, &activity)?;
        let tokens = split.calibration.clone();
        if options.kind == PredictorKind::LowRank {
            calibrate(compute, &mut group, &mut states, &activity, tokens, options.recall)?;
            return self.judged(&group, rank, &mut states, &activity);
        }
        let copy = QuantizedGateLayer::copy(compute, &deciding, CascadeGroup::BITS);
        let mut group = CascadeGroup::new(group, copy);
        group.calibrate(compute, &mut states, &activity, tokens, options.recall)?;
        self.judged(&group, rank, &mut states, &activity)
    }

    /// A calibrated group with what it is worth: half of what was not trained on set its threshold, the other half judges.
    fn judged<G: ThresholdLayer>(
        &self,
        group: &G,
        size: usize,
        states: &mut dyn States,
        activity: &Activity,
    ) -> Result<MadeLayer, CalibrateError> {
        let tokens = self.split.held_out.clone();
        let found = evaluate(self.compute, group, states, activity, tokens)?;
        Ok(MadeLayer::of(group, size, found))
    }

    /// Trains, or takes what an earlier run trained.
    fn low_rank(
        &self,
        layer: usize,
        rank: usize,
        deciding: &GateRows<'_>,
        states: &mut dyn States,
        activity: &Activity,
    ) -> Result<LowRankGroup, CalibrateError> {
        let Training { split, compute, options, .. } = self;
        let name = format!("predictor-{layer}");
        if self.work.has(&name) {
            return self.parse(layer, &self.work.read(&name)?);
        }
        let train = split.train.clone();
        let regression = Regression::fit(compute, deciding, states, train.clone(), rank, SEED)?;
        let start = regression.factors(rank.min(regression.rank()));
        let how = FineTuning { recall: options.recall, seed: SEED, ..FineTuning::default() };
        let held_out = split.held_out.clone();
        let listen = &mut |epoch| {
            tracing::info!(layer, ?epoch, "trained");
            ControlFlow::Continue(())
        };
        let trained = fine_tune(compute, &start, states, activity, train, held_out, &how, listen)?;
        let group = LowRankGroup::quantise(&trained.factors);
        self.work.write(&name, &group.to_bytes())?;
        Ok(group)
    }

    /// A low-bit copy with as many bits as the budget of a layer allows, 2 at least.
    fn copy(&self, layer: usize, budget: u64) -> Result<MadeLayer, CalibrateError> {
        let Training { split, compute, options, .. } = self;
        let mut states = collect::states(self.files, self.work, layer)?;
        let rows = LayerRows::read(self.files, layer, compute)?;
        let deciding = rows.deciding()?;
        let activity = Activity::observe(compute, &deciding, &mut states)?;
        let (width, neurons) = (deciding.width(), deciding.neurons());
        let fits = |bits: &&usize| QuantizedGateLayer::bytes_of(width, neurons, **bits) <= budget;
        let bits = COPY_BITS.iter().find(fits).copied().unwrap_or(2);
        let mut group = QuantizedGateLayer::copy(compute, &deciding, bits);
        let tokens = split.calibration.clone();
        calibrate(compute, &mut group, &mut states, &activity, tokens, options.recall)?;
        self.judged(&group, bits, &mut states, &activity)
    }

    /// Reads a predictor that an earlier run finished.
    fn parse(&self, layer: usize, blob: &[u8]) -> Result<LowRankGroup, CalibrateError> {
        let architecture = self.files.architecture();
        let (width, neurons) = (architecture.hidden, architecture.most_neurons());
        LowRankGroup::from_bytes(width, neurons, blob)
            .map_err(|fault| flint_predictor::PredictorError::Blob { group: layer, fault }.into())
    }
}

impl MadeLayer {
    fn of<G: ThresholdLayer>(group: &G, size: usize, found: Calibrated) -> MadeLayer {
        let dense = found.predicted_share() > DENSE_SHARE;
        MadeLayer { blob: (!dense).then(|| group.to_bytes()), size, found }
    }

    /// A layer of which every neuron is computed.
    fn whole(activity: &Activity, split: &Split) -> MadeLayer {
        let tokens = split.held_out.clone();
        let (active, count) = (activity.count(tokens.clone()), tokens.len() as u64);
        let predicted = count * activity.neurons() as u64;
        let score = flint_predictor::Score { predicted, active, hit: active };
        let found = Calibrated { score, tokens: count, neurons: activity.neurons() };
        MadeLayer { blob: None, size: 0, found }
    }

    fn report(&self, layer: usize) -> LayerReport {
        LayerReport {
            layer,
            size: if self.blob.is_some() { self.size } else { 0 },
            bytes: self.blob.as_ref().map_or(0, |blob| blob.len() as u64),
            recall: self.found.score.recall(),
            predicted_per_active: self.found.score.predicted_per_active(),
        }
    }
}
