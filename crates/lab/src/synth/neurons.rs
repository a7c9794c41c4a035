//! The neurons of a layer, tuned on the states that the layers before gave; and, from the same factors, the first stage of
//! its predictor.

use super::dense::ADDED;
use super::language::{BLOCK, Language, Parts};
use super::mixing::Mixing;
use super::predicting::{PredictorMaker, Predicts, active_sets, calibration, score};
use super::random::{Purpose, Random, Row, in_rows};
use super::shapes::{LayerTarget, Published};
use super::tuning::{Aim, Gains, Sample, bars, heat, tune};
use flint_bundle::GroupCalibration;
use flint_convert::PredictorKind;
use flint_geometry::UnitSet;
use flint_kernels::{
    Activation, Compute, DType, MatrixView, RecordLayout, accumulate_down, activate, matmul,
};
use flint_model::Architecture;
use flint_predictor::Factors;
use flint_predictor::{LowRankGroup, Score};
use half::f16;
use half::slice::HalfFloatSliceExt;
use rand_chacha::rand_core::RngCore;

/// Neurons that gains are tuned on; they stand for all, for heat is in random order.
const SAMPLED: usize = 2048;
/// Rank of the rows of a layer that has no predictor, at most.
const UNPREDICTED_RANK: usize = 160;

/// Makes layers.
pub(super) struct NeuronMaker<'a> {
    pub(super) random: &'a Random,
    pub(super) mixing: &'a Mixing,
    pub(super) language: &'a Language<'a>,
    pub(super) architecture: &'a Architecture,
    pub(super) published: Published,
    pub(super) compute: &'a Compute,
    pub(super) layout: RecordLayout,
    pub(super) kind: PredictorKind,
}

/// A layer.
pub(super) struct LayerNeurons {
    /// Where the architecture has such biases.
    pub(super) up_bias: Option<Vec<f32>>,
    /// At the stride of the layout.
    pub(super) records: Vec<u8>,
    /// The predictor as stored.
    pub(super) blob: Option<Vec<u8>>,
    /// What it does on the tuning text, and its first stage where it has stages.
    pub(super) found: GroupCalibration,
    pub(super) first: Score,
    /// What it predicts for each token of the tuning text.
    pub(super) predicted: Vec<UnitSet>,
    /// What the layer adds to each state, without the bias of the down projection, which is zero.
    pub(super) output: Vec<f32>,
}

/// The low-rank part of a layer's rows.
struct LowRank {
    /// Numbers of a meaning that the rows look at: half of the topic, half of the token's own part.
    numbers: Vec<usize>,
    /// neurons x rank, deviation so that either half gives one.
    outer: Vec<f32>,
}

impl NeuronMaker<'_> {
    /// Makes `layer` for the states that its rows will multiply, tokens x width.
    ///
    /// # Errors
    /// When sizes do not agree.
    pub(super) fn make(
        &self,
        layer: usize,
        target: &LayerTarget,
        states: &[f32],
    ) -> anyhow::Result<LayerNeurons> {
        let width = self.mixing.width();
        let neurons = self.architecture.most_neurons();
        let meanings = self.meanings(states);
        let rank = target.rank.unwrap_or(UNPREDICTED_RANK.min(width / 4)) / (2 * BLOCK) * 2 * BLOCK;
        let low_rank = self.low_rank(layer, rank.max(2 * BLOCK));
        let heat = heat(self.random, layer, neurons, target.activity, self.published.hot_share);
        let bars = bars(&heat);
        let sample = self.sample(layer, &low_rank, &heat, &bars, states, &meanings)?;
        let tuned = tune(&sample, &self.aim(target));
        let on = match self.architecture.feed_forward.activation {
            Activation::FatRelu(threshold) => threshold,
            _ => 0.0,
        };
        let bias: Vec<f32> = bars.iter().map(|bar| on - bar - tuned.shift).collect();
        let common = mean(meanings.chunks_exact(width).map(|meaning| meaning[0]));
        let mut records = self.rows(layer, &low_rank, tuned.gains, &bias, common);
        let up_bias = self.architecture.feed_forward.biases.into.then(|| bias.clone());
        let acts = self.activations(&records, up_bias.as_deref(), states);
        let output = self.down(layer, &mut records, &acts, states.len());
        let active = active_sets(&acts, neurons);
        let predictor = target.rank.map(|_| {
            let bias = bias.iter().map(|bias| bias - on).collect();
            let first = self.first_stage(&low_rank, tuned.gains, bias);
            let rows = self.deciding_rows(&records);
            let rows = MatrixView::new(DType::F16, neurons, width, &rows)?;
            self.predictor_maker().make(first, rows, up_bias.as_deref(), states)
        });
        let Predicts { blob, first, sets } =
            predictor.transpose()?.unwrap_or_else(|| Predicts::all(neurons, active.len()));
        let (found, first) = (calibration(&sets, &active, neurons), score(&first, &active));
        Ok(LayerNeurons { up_bias, records, blob, found, first, predicted: sets, output })
    }

    /// Makes predictors of the kind asked for that find as many active neurons as published.
    fn predictor_maker(&self) -> PredictorMaker<'_> {
        PredictorMaker {
            compute: self.compute,
            kind: self.kind,
            activation: self.architecture.feed_forward.activation,
            recall: self.published.recall,
        }
    }

    fn aim(&self, target: &LayerTarget) -> Aim {
        Aim {
            over_prediction: self.published.over_prediction,
            recall: self.published.recall,
            window: self.published.window as usize,
            load: target.rank.map(|_| target.load),
        }
    }

    /// What the states mean.
    fn meanings(&self, states: &[f32]) -> Vec<f32> {
        let mut meanings = states.to_vec();
        in_rows(&mut meanings, self.mixing.width(), self.compute.threads(), |_, meanings| {
            let mut spare = Vec::new();
            for meaning in meanings.chunks_exact_mut(self.mixing.width()) {
                self.mixing.separate(meaning, &mut spare);
            }
        });
        meanings
    }

    fn low_rank(&self, layer: usize, rank: usize) -> LowRank {
        let parts = self.language.parts;
        let blocks = rank / (2 * BLOCK);
        let topic = self.blocks(layer, 0, blocks).into_iter().map(Parts::topic);
        let own = self.blocks(layer, 1, blocks).into_iter().map(|block| parts.own(block));
        let numbers: Vec<usize> = topic.chain(own).flat_map(|first| first..first + BLOCK).collect();
        let rank = numbers.len();
        let scale = 1.0 / (rank as f32 / 2.0).sqrt();
        let mut outer = vec![0.0; self.architecture.most_neurons() * rank];
        in_rows(&mut outer, rank, self.compute.threads(), |first, rows| {
            for (index, row) in (first..).zip(rows.chunks_exact_mut(rank)) {
                self.random.normals(Row { purpose: Purpose::Factor, part: layer, index }, row);
                row.iter_mut().for_each(|x| *x *= scale);
            }
        });
        LowRank { numbers, outer }
    }

    /// Some of the blocks, ascending.
    fn blocks(&self, layer: usize, index: usize, count: usize) -> Vec<usize> {
        let mut bits = self.random.stream(Row { purpose: Purpose::Subspace, part: layer, index });
        let all = 0..self.language.parts.blocks;
        let mut keyed: Vec<(u64, usize)> = all.map(|block| (bits.next_u64(), block)).collect();
        keyed.sort_unstable();
        let mut chosen: Vec<usize> =
            keyed.into_iter().take(count).map(|(_, block)| block).collect();
        chosen.sort_unstable();
        chosen
    }

    /// What the parts of the first neurons' rows give.
    fn sample(
        &self,
        layer: usize,
        low_rank: &LowRank,
        heat: &[f64],
        bars: &[f32],
        states: &[f32],
        meanings: &[f32],
    ) -> anyhow::Result<Sample> {
        let (width, rank) = (self.mixing.width(), low_rank.numbers.len());
        let neurons = SAMPLED.min(bars.len());
        let part = |half: usize| {
            let columns = half * rank / 2..(half + 1) * rank / 2;
            let rows = low_rank.outer.chunks_exact(rank).take(neurons);
            let rows = rows.flat_map(|row| row[columns.clone()].iter().copied()).collect();
            let numbers = &low_rank.numbers[columns.clone()];
            let seen = meanings.chunks_exact(width);
            let seen: Vec<f32> =
                seen.flat_map(|meaning| numbers.iter().map(|&number| meaning[number])).collect();
            self.product(rows, rank / 2, &seen)
        };
        let mut noise = vec![0.0; neurons * width];
        in_rows(&mut noise, width, self.compute.threads(), |first, rows| {
            for (index, row) in (first..).zip(rows.chunks_exact_mut(width)) {
                self.noise(layer, index, row);
            }
        });
        Ok(Sample {
            topic: part(0)?,
            own: part(1)?,
            noise: self.product(noise, width, states)?,
            bars: bars[..neurons].to_vec(),
            activity: heat[..neurons].iter().sum::<f64>() / neurons as f64,
        })
    }

    /// The noise of a neuron's row, of deviation one over all of it.
    fn noise(&self, layer: usize, index: usize, row: &mut [f32]) {
        self.random.normals(Row { purpose: Purpose::Noise, part: layer, index }, row);
        let scale = 1.0 / (row.len() as f32).sqrt();
        row.iter_mut().for_each(|x| *x *= scale);
    }

    /// tokens x rows, for rows of `columns` numbers and as many numbers of each token.
    fn product(&self, rows: Vec<f32>, columns: usize, seen: &[f32]) -> anyhow::Result<Vec<f32>> {
        let count = rows.len() / columns;
        let bytes: Vec<u8> = rows.iter().flat_map(|number| number.to_le_bytes()).collect();
        let view = MatrixView::new(DType::F32, count, columns, &bytes)?;
        let mut out = vec![0.0; seen.len() / columns * count];
        matmul(self.compute, view, seen, None, &mut out);
        Ok(out)
    }

    /// Records with the rows that decide (and up, in gated layers) in place and empty down columns.
    fn rows(
        &self,
        layer: usize,
        low_rank: &LowRank,
        gains: Gains,
        bias: &[f32],
        common: f32,
    ) -> Vec<u8> {
        let (width, rank) = (self.mixing.width(), low_rank.numbers.len());
        let deciding = self.layout.gate().unwrap_or(self.layout.up());
        let up = self.random.coded(1.0 / (width as f32).sqrt());
        let stride = self.layout.stride() as usize;
        let mut records = vec![0; bias.len() * stride];
        in_rows(&mut records, stride, self.compute.threads(), |first, records| {
            let (mut row, mut noise) = (vec![0.0; width], vec![0.0; width]);
            let (mut coded, mut spare) = (vec![f16::ZERO; width], Vec::new());
            for (index, record) in (first..).zip(records.chunks_exact_mut(stride)) {
                row.fill(0.0);
                let outer = &low_rank.outer[index * rank..][..rank];
                for (column, (&number, outer)) in low_rank.numbers.iter().zip(outer).enumerate() {
                    row[number] = gains.low_rank(column, rank) * outer;
                }
                if !self.architecture.feed_forward.biases.into {
                    row[0] = bias[index] / common;
                }
                self.mixing.mix(&mut row, &mut spare);
                self.noise(layer, index, &mut noise);
                row.iter_mut().zip(&noise).for_each(|(x, noise)| *x += gains.noise * noise);
                coded.convert_from_f32_slice(&row);
                for (bytes, number) in
                    record[deciding.clone()].as_chunks_mut::<2>().0.iter_mut().zip(&coded)
                {
                    *bytes = number.to_le_bytes();
                }
                if self.layout.is_gated() {
                    let row = Row { purpose: Purpose::Up, part: layer, index };
                    self.random.coded_row(row, &up, &mut record[self.layout.up()]);
                }
            }
        });
        records
    }

    fn payloads<'r>(&self, records: &'r [u8]) -> Vec<&'r [u8]> {
        let payload = self.layout.payload_bytes();
        records.chunks_exact(self.layout.stride() as usize).map(|r| &r[..payload]).collect()
    }

    /// The true activations, tokens x neurons.
    fn activations(&self, records: &[u8], up_bias: Option<&[f32]>, states: &[f32]) -> Vec<f32> {
        let tokens = states.len() / self.mixing.width();
        let mut acts = vec![0.0; tokens * self.architecture.most_neurons()];
        let activation = self.architecture.feed_forward.activation;
        let (layout, records) = (&self.layout, self.payloads(records));
        activate(self.compute, layout, activation, &records, None, up_bias, states, &mut acts);
        acts
    }

    /// Fills in the down columns, as large as makes the layer add what it should; returns what it adds.
    fn down(&self, layer: usize, records: &mut [u8], acts: &[f32], numbers: usize) -> Vec<f32> {
        let tokens = numbers / self.mixing.width();
        let squares = acts.iter().map(|act| f64::from(act * act)).sum::<f64>() / tokens as f64;
        let normals = self.random.coded(ADDED / (squares.max(1e-6) as f32).sqrt());
        let stride = self.layout.stride() as usize;
        in_rows(records, stride, self.compute.threads(), |first, records| {
            for (index, record) in (first..).zip(records.chunks_exact_mut(stride)) {
                let row = Row { purpose: Purpose::Down, part: layer, index };
                self.random.coded_row(row, &normals, &mut record[self.layout.down()]);
            }
        });
        let mut output = vec![0.0; numbers];
        accumulate_down(self.compute, &self.layout, &self.payloads(records), acts, &mut output);
        output
    }

    /// The low-rank predictor that the factors are.
    fn first_stage(&self, low_rank: &LowRank, gains: Gains, bias: Vec<f32>) -> LowRankGroup {
        let (width, rank) = (self.mixing.width(), low_rank.numbers.len());
        let (mut inner, mut spare) = (vec![0.0; rank * width], Vec::new());
        for (row, &number) in inner.chunks_exact_mut(width).zip(&low_rank.numbers) {
            row[number] = 1.0;
            self.mixing.mix(row, &mut spare);
        }
        let outer = low_rank.outer.iter().enumerate();
        let outer = outer.map(|(at, x)| gains.low_rank(at % rank, rank) * x).collect();
        LowRankGroup::quantise(&Factors::new(rank, inner, outer, bias))
    }

    /// The rows that decide, neurons x width.
    fn deciding_rows(&self, records: &[u8]) -> Vec<u8> {
        let deciding = self.layout.gate().unwrap_or(self.layout.up());
        self.payloads(records)
            .iter()
            .flat_map(|record| &record[deciding.clone()])
            .copied()
            .collect()
    }
}

impl Gains {
    /// The gain of a column of the low-rank part: first the topic, then the token's own part.
    fn low_rank(self, column: usize, rank: usize) -> f32 {
        if column < rank / 2 { self.topic } else { self.own }
    }
}

fn mean(numbers: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = numbers.fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0));
    sum / f32::max(count, 1.0)
}
