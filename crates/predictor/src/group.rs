//! What the predictors with a score and a threshold share: one number per neuron, and those that reach the
//! threshold are predicted.

use crate::{BlobFault, Predictor, PredictorError};
use flint_geometry::UnitSet;
use flint_kernels::Compute;

/// The predictor of one group.
pub trait ThresholdLayer: Sized + Send {
    /// Name of the encoding of [`ThresholdLayer::to_bytes`], and of the predictor in reports.
    const KIND: &'static str;

    /// Numbers per input vector.
    fn width(&self) -> usize;

    /// Neurons of the group.
    fn neurons(&self) -> usize;

    /// Writes neurons x positions scores; `input` is positions x width.
    ///
    /// A score depends on its own position's numbers alone, and its bits on nothing else.
    ///
    /// # Panics
    /// When the sizes do not agree.
    fn scores(&self, compute: &Compute, input: &[f32], scores: &mut [f32]);

    /// The same, but neurons that are not `asked` about may get minus infinity, which is not a score.
    ///
    /// # Panics
    /// As for [`ThresholdLayer::scores`].
    fn scores_among(
        &self,
        compute: &Compute,
        input: &[f32],
        asked: &dyn Fn(u32) -> bool,
        scores: &mut [f32],
    ) {
        let _ = asked; // This kind saves nothing.
        self.scores(compute, input, scores);
    }

    /// [`ThresholdLayer::scores`], and in `values` (positions x neurons) about what the column of each neuron is multiplied with,
    /// where the layer stands in for neurons that it does not predict; they stay empty elsewhere.
    ///
    /// # Panics
    /// As for [`ThresholdLayer::scores`].
    fn scores_and_values(
        &self,
        compute: &Compute,
        input: &[f32],
        scores: &mut [f32],
        values: &mut Vec<f32>,
    ) {
        values.clear();
        self.scores(compute, input, scores);
    }

    /// Whether it does.
    fn stands_in(&self) -> bool {
        false
    }

    /// Adds columns times `values` (positions x neurons) to `sum` (positions x width), by what the layer has of the columns.
    fn add_values(&self, compute: &Compute, values: &[f32], sum: &mut [f32]) {
        let _ = (compute, values, sum); // It has nothing.
    }

    /// A neuron with this score or more is predicted.
    fn threshold(&self) -> f32;

    /// Moves the threshold.
    fn set_threshold(&mut self, threshold: f32);

    /// DRAM that it holds, in bytes.
    fn bytes(&self) -> u64;

    /// It as stored.
    fn to_bytes(&self) -> Vec<u8>;

    /// It from what was stored for a group of this width and number of neurons.
    ///
    /// # Errors
    /// When the bytes are not such a predictor.
    fn from_bytes(width: usize, neurons: usize, bytes: &[u8]) -> Result<Self, BlobFault>;
}

/// A predictor of scored groups; a group without one is read whole.
#[derive(Debug)]
pub struct ThresholdPredictor<G> {
    width: usize,
    neurons: usize,
    groups: Vec<Option<G>>,
    scores: Vec<f32>,
    /// What columns are multiplied with, and of which group where they are known.
    values: Vec<f32>,
    valued: Option<usize>,
}

impl<G: ThresholdLayer> ThresholdPredictor<G> {
    /// A predictor for groups of `neurons` neurons over vectors of `width` numbers; of a group that is
    /// `None` all neurons are predicted.
    ///
    /// # Panics
    /// When a group has another size.
    pub fn new(width: usize, neurons: usize, groups: Vec<Option<G>>) -> ThresholdPredictor<G> {
        for group in groups.iter().flatten() {
            assert_eq!((group.width(), group.neurons()), (width, neurons), "all groups are alike");
        }
        ThresholdPredictor::of(width, neurons, groups)
    }

    fn of(width: usize, neurons: usize, groups: Vec<Option<G>>) -> ThresholdPredictor<G> {
        let (scores, values) = (Vec::new(), Vec::new());
        ThresholdPredictor { width, neurons, groups, scores, values, valued: None }
    }

    /// The same from what was stored, one blob per group.
    ///
    /// # Errors
    /// Names the first group whose blob is not a predictor of this kind and size.
    pub fn from_blobs<B: AsRef<[u8]>>(
        width: usize,
        neurons: usize,
        blobs: impl IntoIterator<Item = Option<B>>,
    ) -> Result<ThresholdPredictor<G>, PredictorError> {
        let parse = |bytes: &[u8]| G::from_bytes(width, neurons, bytes);
        ThresholdPredictor::parse(width, neurons, blobs, parse)
    }

    /// The same where `parse` takes a group from its blob.
    pub(crate) fn parse<B: AsRef<[u8]>>(
        width: usize,
        neurons: usize,
        blobs: impl IntoIterator<Item = Option<B>>,
        parse: impl Fn(&[u8]) -> Result<G, BlobFault>,
    ) -> Result<ThresholdPredictor<G>, PredictorError> {
        let one = |(group, blob): (usize, Option<B>)| {
            let parsed = blob.map(|blob| parse(blob.as_ref())).transpose();
            parsed.map_err(|fault| PredictorError::Blob { group, fault })
        };
        let groups = blobs.into_iter().enumerate().map(one).collect::<Result<_, _>>()?;
        Ok(ThresholdPredictor::of(width, neurons, groups))
    }

    /// The groups, in order.
    pub fn groups(&self) -> &[Option<G>] {
        &self.groups
    }

    /// The same, to move thresholds.
    pub(crate) fn groups_mut(&mut self) -> &mut [Option<G>] {
        &mut self.groups
    }

    /// Predicts by scores, of neurons that are `asked` about alone where there is such a question.
    fn predict_by_scores(
        &mut self,
        compute: &Compute,
        group: usize,
        input: &[f32],
        asked: Option<&dyn Fn(u32) -> bool>,
        sets: &mut [UnitSet],
    ) -> Result<(), PredictorError> {
        self.valued = None;
        let known = self.groups.len();
        let found = self.groups.get(group).ok_or(PredictorError::UnknownGroup { group, known })?;
        let (positions, width) = (sets.len(), self.width);
        if input.len() != positions * width {
            return Err(PredictorError::InputSize { got: input.len(), positions, width });
        }
        let number = group;
        let Some(group) = found else {
            sets.fill(UnitSet::full(self.neurons as u32));
            return Ok(());
        };
        self.scores.resize(self.neurons * positions, 0.0);
        match asked {
            Some(asked) => group.scores_among(compute, input, asked, &mut self.scores),
            None => {
                group.scores_and_values(compute, input, &mut self.scores, &mut self.values);
                self.valued = Some(number);
            }
        }
        let threshold = group.threshold();
        sets.iter_mut().for_each(UnitSet::clear);
        for (neuron, scores) in (0u32..).zip(self.scores.chunks_exact(positions.max(1))) {
            for (set, &score) in sets.iter_mut().zip(scores) {
                // What is no number is no reason to do without a neuron.
                if score >= threshold || score.is_nan() {
                    set.push(neuron);
                }
            }
        }
        Ok(())
    }
}

impl<G: ThresholdLayer> Predictor for ThresholdPredictor<G> {
    fn predict(
        &mut self,
        compute: &Compute,
        group: usize,
        input: &[f32],
        sets: &mut [UnitSet],
    ) -> Result<(), PredictorError> {
        self.predict_by_scores(compute, group, input, None, sets)
    }

    fn predict_among(
        &mut self,
        compute: &Compute,
        group: usize,
        input: &[f32],
        asked: &dyn Fn(u32) -> bool,
        set: &mut UnitSet,
    ) -> Result<(), PredictorError> {
        self.predict_by_scores(compute, group, input, Some(asked), std::slice::from_mut(set))?;
        set.retain(asked);
        Ok(())
    }

    fn add_others(
        &mut self,
        compute: &Compute,
        group: usize,
        sets: &[UnitSet],
        sum: &mut [f32],
    ) -> Result<(), PredictorError> {
        let known = self.groups.len();
        let found = self.groups.get(group).ok_or(PredictorError::UnknownGroup { group, known })?;
        let Some(layer) = found.as_ref().filter(|layer| layer.stands_in()) else { return Ok(()) };
        let positions = sets.len();
        let agrees = self.values.len() == positions * self.neurons;
        if self.valued != Some(group) || !agrees || sum.len() != positions * self.width {
            return Err(PredictorError::OtherPositions { group, positions });
        }
        for (values, set) in self.values.chunks_exact_mut(self.neurons).zip(sets) {
            set.iter().for_each(|neuron| values[neuron as usize] = 0.0);
        }
        layer.add_values(compute, &self.values, sum);
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.groups.iter().flatten().map(ThresholdLayer::bytes).sum()
    }

    fn kind(&self) -> &'static str {
        G::KIND
    }
}
