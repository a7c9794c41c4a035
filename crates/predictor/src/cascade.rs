//! Two stages: a low-rank predictor names candidates, and a low-bit copy of the rows that decide tells which of them are
//! to be believed.
//!
//! The first stage reads little memory and names two or three neurons for each active one; the copy is nearly exact, but
//! to multiply all of it for every token would cost a good part of the dense matrices. Together they cost what the
//! candidates do, a tenth of the copy, and name little that is not active: fewer neurons to read, compute and keep.

use crate::blob::{Blob, Expected, HEADER, Header};
use crate::{
    Activity, BlobFault, Calibrated, Curve, GateCopyGroup, LowRank, LowRankGroup, PredictorError,
    Scored, ScoredGroup, States, calibrate,
};
use flint_kernels::Compute;
use std::ops::Range;

/// A cascade for every group.
pub type Cascade = Scored<CascadeGroup>;

const MAGIC: [u8; 4] = *b"FLca";

/// The share of what a predictor may miss that its first stage misses; the rest is left to the second.
const FIRST_SHARE: f64 = 0.6;

/// The predictor of one group: the score of a candidate is that of its copied row, others have none.
#[derive(Debug, Clone, PartialEq)]
pub struct CascadeGroup {
    first: LowRankGroup,
    /// What the first stage must give a neuron to make it a candidate: less than the threshold it has when alone.
    candidates: f32,
    second: GateCopyGroup,
}

impl CascadeGroup {
    /// Puts two stages together; all neurons are candidates until it is calibrated.
    ///
    /// # Panics
    /// When the stages are of groups of other sizes.
    pub fn new(first: LowRankGroup, second: GateCopyGroup) -> CascadeGroup {
        let sizes = (second.width(), second.neurons());
        assert_eq!((first.width(), first.neurons()), sizes, "two stages of one group");
        CascadeGroup { first, candidates: f32::MIN, second }
    }

    /// The first stage with the threshold it has when alone.
    pub fn first(&self) -> &LowRankGroup {
        &self.first
    }

    /// Bits per weight of the second stage.
    pub fn bits(&self) -> usize {
        self.second.bits()
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
        self.candidates = curve.threshold(1.0 - FIRST_SHARE * (1.0 - recall));
        calibrate(compute, self, states, activity, tokens, recall)
    }

    /// Leaves of one position's first scores those of the candidates, as the copy gives them.
    fn refine(&self, compute: &Compute, input: &[f32], scores: &mut Column<'_>, work: &mut Work) {
        work.candidates.clear();
        for neuron in 0..self.neurons() {
            let score = scores.at(neuron);
            if *score >= self.candidates {
                work.candidates.push(neuron as u32);
            }
            *score = f32::NEG_INFINITY;
        }
        work.scores.resize(work.candidates.len(), 0.0);
        self.second.scores_of(compute, &work.candidates, input, &mut work.scores);
        for (&neuron, &score) in work.candidates.iter().zip(&work.scores) {
            *scores.at(neuron as usize) = score;
        }
    }
}

/// The scores of one position among those of several.
struct Column<'a> {
    scores: &'a mut [f32],
    position: usize,
    positions: usize,
}

impl Column<'_> {
    fn at(&mut self, neuron: usize) -> &mut f32 {
        &mut self.scores[neuron * self.positions + self.position]
    }
}

/// Memory that positions share.
#[derive(Default)]
struct Work {
    candidates: Vec<u32>,
    scores: Vec<f32>,
}

impl Cascade {
    /// The first stages alone of what was stored: the low-rank predictor that this would be without copies.
    ///
    /// # Errors
    /// Names the first group whose blob is no cascade of this size.
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
        let first = |rank: usize| HEADER as u64 + LowRankGroup::bytes_of(width, neurons, rank);
        // How long the second stage is, it says itself.
        let rest = bytes.len().saturating_sub(HEADER) as u64;
        let mut blob = Blob::open(bytes, &expected, |rank| Some(first(rank as usize).max(rest)))?;
        let (candidates, first) = (blob.threshold, first(blob.parameter) as usize);
        let (first, second) = (blob.bytes(first), blob.bytes(rest as usize - first));
        Ok(Stages { first, candidates, second })
    }
}

impl ScoredGroup for CascadeGroup {
    const KIND: &'static str = "cascade";

    fn width(&self) -> usize {
        self.first.width()
    }

    fn neurons(&self) -> usize {
        self.first.neurons()
    }

    fn scores(&self, compute: &Compute, input: &[f32], scores: &mut [f32]) {
        self.first.scores(compute, input, scores);
        let positions = input.len() / self.width();
        let mut work = Work::default();
        for (position, input) in input.chunks_exact(self.width()).enumerate() {
            let mut column = Column { scores: &mut *scores, position, positions };
            self.refine(compute, input, &mut column, &mut work);
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
            second: GateCopyGroup::from_bytes(width, neurons, second)?,
        })
    }
}
