//! The predictor of a made layer, and what it and the layer do on the tuning text.

use super::states::InMemory;
use flint_bundle::GroupCalibration;
use flint_convert::PredictorKind;
use flint_geometry::UnitSet;
use flint_kernels::{Activation, Compute, MatrixView};
use flint_predictor::{
    Activity, CascadeGroup, GateRows, LowRankGroup, Predictor, QuantizedGateLayer, Score, States,
    ThresholdLayer, ThresholdPredictor, calibrate,
};

/// One of this many neurons is kept on the list of hot ones: as many as calibration keeps.
const HOT: usize = 4;

/// Makes predictors.
pub(super) struct PredictorMaker<'a> {
    pub(super) compute: &'a Compute,
    /// What to make.
    pub(super) kind: PredictorKind,
    /// That of the layers.
    pub(super) activation: Activation,
    /// Share of the active neurons that thresholds must find.
    pub(super) recall: f64,
}

impl PredictorMaker<'_> {
    /// The predictor of a layer whose rows that decide are `rows`, with `first` as its first stage or its only one, and
    /// what it predicts for `states`.
    ///
    /// # Errors
    /// When sizes do not agree.
    pub(super) fn make(
        &self,
        mut first: LowRankGroup,
        rows: MatrixView<'_>,
        bias: Option<&[f32]>,
        states: &[f32],
    ) -> anyhow::Result<Predicts> {
        let (compute, recall) = (self.compute, self.recall);
        let deciding = GateRows::new(rows, bias, self.activation);
        let mut seen = InMemory { width: rows.cols(), numbers: states };
        let tokens = 0..seen.tokens();
        let activity = Activity::observe(compute, &deciding, &mut seen)?;
        if self.kind == PredictorKind::LowRank {
            calibrate(compute, &mut first, &mut seen, &activity, tokens, recall)?;
            let (blob, sets) = (first.to_bytes(), self.sets(first, states)?);
            return Ok(Predicts { blob: Some(blob), first: sets.clone(), sets });
        }
        let copy = QuantizedGateLayer::copy(compute, &deciding, CascadeGroup::BITS);
        let mut cascade = CascadeGroup::new(first, copy);
        cascade.calibrate(compute, &mut seen, &activity, tokens, recall)?;
        Ok(Predicts {
            blob: Some(cascade.to_bytes()),
            first: self.sets(cascade.first().clone(), states)?,
            sets: self.sets(cascade, states)?,
        })
    }

    /// What `group` predicts for each state.
    fn sets<G: ThresholdLayer>(&self, group: G, states: &[f32]) -> anyhow::Result<Vec<UnitSet>> {
        let (width, neurons) = (group.width(), group.neurons());
        let mut sets = vec![UnitSet::new(); states.len() / width];
        let mut predictor = ThresholdPredictor::new(width, neurons, vec![Some(group)]);
        predictor.predict(self.compute, 0, states, &mut sets)?;
        Ok(sets)
    }
}

/// A predictor, and what it predicts for each state.
pub(super) struct Predicts {
    /// As stored.
    pub(super) blob: Option<Vec<u8>>,
    /// What its first stage alone predicts; the same where it has no stages.
    pub(super) first: Vec<UnitSet>,
    pub(super) sets: Vec<UnitSet>,
}

impl Predicts {
    /// No predictor: every neuron is computed.
    pub(super) fn all(neurons: usize, tokens: usize) -> Predicts {
        let sets = vec![UnitSet::full(neurons as u32); tokens];
        Predicts { blob: None, first: sets.clone(), sets }
    }
}

pub(super) fn active_sets(acts: &[f32], neurons: usize) -> Vec<UnitSet> {
    let set = |acts: &[f32]| {
        let mut set = UnitSet::new();
        let active = (0u32..).zip(acts).filter(|(_, act)| **act != 0.0);
        active.for_each(|(neuron, _)| set.push(neuron));
        set
    };
    acts.chunks_exact(neurons).map(set).collect()
}

pub(super) fn score(predicted: &[UnitSet], active: &[UnitSet]) -> Score {
    let mut score = Score::default();
    predicted.iter().zip(active).for_each(|(predicted, active)| score.add(predicted, active));
    score
}

pub(super) fn calibration(
    predicted: &[UnitSet],
    active: &[UnitSet],
    neurons: usize,
) -> GroupCalibration {
    let (score, mut counts) = (score(predicted, active), vec![0u32; neurons]);
    active.iter().flat_map(UnitSet::iter).for_each(|neuron| counts[neuron as usize] += 1);
    let mut hot: Vec<u32> = (0..neurons as u32).filter(|&n| counts[n as usize] > 0).collect();
    hot.sort_by_key(|&neuron| std::cmp::Reverse(counts[neuron as usize]));
    hot.truncate(neurons / HOT);
    let tokens = active.len().max(1) as f64;
    GroupCalibration {
        active_mean: (score.active as f64 / tokens) as f32,
        predicted_mean: (score.predicted as f64 / tokens) as f32,
        recall: score.recall() as f32,
        precision: score.precision() as f32,
        hot,
    }
}
