//! Two stages: a low-rank predictor names candidates, and a low-bit copy of the rows that decide tells which of them are
//! to be believed.
//!
//! The first stage reads little memory and names two or three neurons for each active one; the copy is nearly exact, but
//! to multiply all of it for every token would cost a good part of the dense matrices. Together they cost what the
//! candidates do, a tenth of the copy, and name little that is not active: fewer neurons to read, compute and keep.

use crate::blob::{Blob, Expected, HEADER, Header};
use crate::low_rank::body as low_rank_body;
use crate::{
    Activity, BlobFault, Calibrated, Curve, LowRank, LowRankGroup, PredictorError,
    QuantizedGateLayer, States, ThresholdLayer, ThresholdPredictor, calibrate,
};
use flint_kernels::Compute;
use std::ops::Range;

/// A cascade for every group.
pub type Cascade = ThresholdPredictor<CascadeGroup>;

const MAGIC: [u8; 4] = *b"FLca";

/// Of the active neurons that the whole may miss, the share that the first stage may: a little more than half, chosen and
/// not tuned.
const FIRST_MISSES: f64 = 0.6;

/// The predictor of one group: the score of a candidate is that of its copied row, others have none.
#[derive(Debug, Clone, PartialEq)]
pub struct CascadeGroup {
    first: LowRankGroup,
    /// What the first stage must give a neuron to make it a candidate: less than the threshold it has when alone.
    candidates: f32,
    second: QuantizedGateLayer,
}

impl CascadeGroup {
    /// Bits per weight of second stages as they are made: nearly exact, 1.06 to 1.12 predicted per active neuron in the
    /// layers of synthetic models.
    pub const BITS: usize = 4;

    /// Puts two stages together; all neurons are candidates until it is calibrated.
    ///
    /// # Panics
    /// When the stages are of groups of other sizes.
    pub fn new(first: LowRankGroup, second: QuantizedGateLayer) -> CascadeGroup {
        let sizes = (second.width(), second.neurons());
        assert_eq!((first.width(), first.neurons()), sizes, "two stages of one group");
        CascadeGroup { first, candidates: f32::MIN, second }
    }

    /// The first stage with the threshold it has when alone.
    pub fn first(&self) -> &LowRankGroup {
        &self.first
    }

    /// Sets all three thresholds on `tokens`, which nothing should have been trained on: the first stage's alone and
    /// the last each find this share of the active neurons, and candidates are a little more of them.
    ///
    /// # Errors
    /// When the states cannot be read.
    ///
    /// # Panics
    /// When group, states and activity are not of one shape.
    pub fn calibrate(
        &mut self,
        compute: &Compute,
        states: &mut dyn States,
        activity: &Activity,
        tokens: Range<usize>,
        recall: f64,
    ) -> Result<Calibrated, PredictorError> {
        let curve = Curve::measure(compute, &self.first, states, activity, tokens.clone())?;
        self.first.set_threshold(curve.threshold(recall));
        self.candidates = curve.threshold(1.0 - FIRST_MISSES * (1.0 - recall));
        calibrate(compute, self, states, activity, tokens, recall)
    }

    /// Takes the candidates of each position that are `asked` about out of the first stage's `scores`, and leaves no score
    /// behind.
    fn candidates(
        &self,
        scores: &mut [f32],
        positions: usize,
        asked: &dyn Fn(u32) -> bool,
    ) -> Vec<Vec<u32>> {
        let mut candidates = vec![Vec::new(); positions];
        for (neuron, scores) in (0u32..).zip(scores.chunks_exact_mut(positions)) {
            for (candidates, score) in candidates.iter_mut().zip(scores) {
                if *score >= self.candidates && asked(neuron) {
                    candidates.push(neuron);
                }
                *score = f32::NEG_INFINITY;
            }
        }
        candidates
    }
}

impl Cascade {
    /// The first stages alone of what was stored: the low-rank predictor that this would be without copies.
    ///
    /// # Errors
    /// Names the first group whose blob is not a cascade of this size.
    pub fn first_stage<B: AsRef<[u8]>>(
        width: usize,
        neurons: usize,
        blobs: impl IntoIterator<Item = Option<B>>,
    ) -> Result<LowRank, PredictorError> {
        LowRank::parse(width, neurons, blobs, |bytes| {
            let Stages { first, .. } = Stages::split(width, neurons, bytes)?;
            LowRankGroup::from_bytes(width, neurons, first)
        })
    }
}

/// The parts of a stored group.
struct Stages<'a> {
    first: &'a [u8],
    candidates: f32,
    second: &'a [u8],
}

impl<'a> Stages<'a> {
    fn split(width: usize, neurons: usize, bytes: &'a [u8]) -> Result<Stages<'a>, BlobFault> {
        let parameter = ("the rank of the first stage", 1..=width.min(neurons));
        let expected = Expected { magic: MAGIC, width, neurons, parameter };
        let first = |rank| low_rank_body(width, neurons, rank)?.checked_add(HEADER as u64);
        // How long the second stage is, it says itself.
        let rest = bytes.len().saturating_sub(HEADER);
        let body = |rank| Some(first(rank)?.max(rest as u64));
        let mut blob = Blob::open(bytes, &expected, body)?;
        let first = first(blob.parameter as u64).map_or(rest, |first| first as usize);
        let candidates = blob.threshold;
        let (first, second) = (blob.bytes(first), blob.bytes(rest - first));
        Ok(Stages { first, candidates, second })
    }
}

impl ThresholdLayer for CascadeGroup {
    const KIND: &'static str = "cascade";

    fn width(&self) -> usize {
        self.first.width()
    }

    fn neurons(&self) -> usize {
        self.first.neurons()
    }

    fn scores(&self, compute: &Compute, input: &[f32], scores: &mut [f32]) {
        self.scores_among(compute, input, &|_| true, scores);
    }

    fn scores_among(
        &self,
        compute: &Compute,
        input: &[f32],
        asked: &dyn Fn(u32) -> bool,
        scores: &mut [f32],
    ) {
        self.first.scores(compute, input, scores);
        let positions = input.len() / self.width();
        if positions == 0 {
            return;
        }
        let mut exact = Vec::new();
        let candidates = self.candidates(scores, positions, asked);
        let inputs = input.chunks_exact(self.width());
        for (position, (candidates, input)) in candidates.iter().zip(inputs).enumerate() {
            exact.resize(candidates.len(), 0.0);
            self.second.scores_of(compute, candidates, input, &mut exact);
            for (&neuron, &score) in candidates.iter().zip(&exact) {
                scores[neuron as usize * positions + position] = score;
            }
        }
    }

    fn threshold(&self) -> f32 {
        self.second.threshold()
    }

    fn set_threshold(&mut self, threshold: f32) {
        self.second.set_threshold(threshold);
    }

    fn bytes(&self) -> u64 {
        self.first.bytes() + self.second.bytes()
    }

    /// The header has the rank of the first stage and the threshold of candidates; both stages follow, as they are stored
    /// alone.
    fn to_bytes(&self) -> Vec<u8> {
        let (first, second) = (self.first.to_bytes(), self.second.to_bytes());
        let mut bytes = Header {
            magic: MAGIC,
            width: self.width(),
            neurons: self.neurons(),
            parameter: self.first.rank(),
            threshold: self.candidates,
        }
        .write();
        bytes.extend(first);
        bytes.extend(second);
        bytes
    }

    fn from_bytes(width: usize, neurons: usize, bytes: &[u8]) -> Result<CascadeGroup, BlobFault> {
        let Stages { first, candidates, second } = Stages::split(width, neurons, bytes)?;
        Ok(CascadeGroup {
            first: LowRankGroup::from_bytes(width, neurons, first)?,
            candidates,
            second: QuantizedGateLayer::from_bytes(width, neurons, second)?,
        })
    }
}
