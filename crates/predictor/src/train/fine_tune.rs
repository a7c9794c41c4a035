//! Trains the factors of a regression on which neurons are active, as long as that helps on tokens held out.

use super::BalancedLoss;
use super::random::Random;
use crate::factors::Factors;
use crate::low_rank::LowRankGroup;
use crate::states::read;
use crate::{Activity, Curve, PredictorError, States};
use candle_core::{D, Device, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use flint_kernels::Compute;
use std::ops::{ControlFlow, Range};

/// Consecutive tokens that enter a batch together: one read, and still many places of the text in a batch.
const RUN: usize = 16;

/// Scales of the logits that are tried before the first step.
const SCALES: [f32; 8] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// How to train.
#[derive(Debug, Clone, PartialEq)]
pub struct FineTuning {
    /// The most passes over the tokens.
    pub epochs: usize,
    /// Passes without gain after which training stops.
    pub patience: usize,
    /// Tokens per step.
    pub batch: usize,
    /// Size of the first step, as a share of the typical weight; it falls to zero by a cosine.
    pub rate: f64,
    /// The recall at which over-prediction is compared.
    pub recall: f64,
    /// Seed of the order of tokens.
    pub seed: u64,
}

impl Default for FineTuning {
    fn default() -> FineTuning {
        FineTuning { epochs: 4, patience: 3, batch: 256, rate: 0.01, recall: 0.99, seed: 0 }
    }
}

/// How training stands after a pass over the tokens; pass 0 is the regression, untrained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epoch {
    /// Passes done.
    pub epoch: usize,
    /// Mean loss of the pass; `None` for pass 0.
    pub loss: Option<f64>,
    /// On the tokens held out, as stored and at the recall asked for.
    pub predicted_per_active: f64,
}

/// The best factors that were seen.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The factors.
    pub factors: Factors,
    /// How each pass went; the factors are those of the pass with the fewest predicted per active.
    pub epochs: Vec<Epoch>,
}

/// Trains `factors` on the tokens of `train`, comparing on those of `held_out`. `progress` hears of each
/// pass and may end training. Memory: four copies of the factors and a batch of logits.
///
/// # Errors
/// When the states cannot be read, or candle refuses.
///
/// # Panics
/// When factors, states and activity are not of one shape.
#[expect(clippy::too_many_arguments, reason = "what to train, on what, and how")]
pub fn fine_tune(
    compute: &Compute,
    factors: &Factors,
    states: &mut dyn States,
    activity: &Activity,
    train: Range<usize>,
    held_out: Range<usize>,
    how: &FineTuning,
    progress: &mut dyn FnMut(Epoch) -> ControlFlow<()>,
) -> Result<Trained, PredictorError> {
    let judge = |factors: &Factors, states: &mut dyn States| {
        let group = LowRankGroup::quantise(factors);
        let curve = Curve::measure(compute, &group, states, activity, held_out.clone())?;
        Ok::<f64, PredictorError>(curve.predicted_per_active(how.recall))
    };
    let start = Epoch { epoch: 0, loss: None, predicted_per_active: judge(factors, states)? };
    let mut trained = Trained { factors: factors.clone(), epochs: vec![start] };
    let (mut best, mut best_epoch) = (start.predicted_per_active, 0);
    let mut stop = progress(start).is_break();
    let mut training = Training::new(factors, states, activity, train, how)?;
    for epoch in 1..=how.epochs {
        if stop || epoch - best_epoch > how.patience {
            break;
        }
        let loss = training.epoch(states, activity)?;
        let now = training.model.factors()?;
        let predicted_per_active = judge(&now, states)?;
        if predicted_per_active < best {
            (best, best_epoch) = (predicted_per_active, epoch);
            trained.factors = now;
        }
        let done = Epoch { epoch, loss: Some(loss), predicted_per_active };
        trained.epochs.push(done);
        stop = progress(done).is_break();
    }
    Ok(trained)
}

/// The factors as candle variables.
struct Model {
    inner: Var,
    outer: Var,
    bias: Var,
}

/// Everything that changes from step to step.
struct Training {
    model: Model,
    loss: BalancedLoss,
    /// One optimiser per size of weights: a step is a share of the typical weight.
    optimisers: Vec<(AdamW, f64)>,
    runs: Vec<usize>,
    end: usize,
    batch: usize,
    random: Random,
    step: usize,
    steps: usize,
}

impl Training {
    fn new(
        factors: &Factors,
        states: &mut dyn States,
        activity: &Activity,
        train: Range<usize>,
        how: &FineTuning,
    ) -> Result<Training, PredictorError> {
        let loss = BalancedLoss::new(activity.share(train.clone()));
        let runs: Vec<usize> = train.clone().step_by(RUN).collect();
        let steps = how.epochs * runs.len().div_ceil((how.batch / RUN).max(1));
        let mut random = Random::new(how.seed);
        let mut sample = runs.clone();
        random.shuffle(&mut sample);
        sample.truncate((how.batch / RUN).max(1));
        let (x, labels) = gather(states, activity, &sample, train.end)?;
        let model = Model::scaled(factors, &loss, &x, &labels)?;
        let optimisers = model.optimisers(how.rate)?;
        let batch = how.batch;
        Ok(Training {
            model,
            loss,
            optimisers,
            runs,
            end: train.end,
            batch,
            random,
            step: 0,
            steps,
        })
    }

    /// One pass over the tokens; its mean loss.
    fn epoch(
        &mut self,
        states: &mut dyn States,
        activity: &Activity,
    ) -> Result<f64, PredictorError> {
        let mut runs = std::mem::take(&mut self.runs);
        self.random.shuffle(&mut runs);
        let (mut sum, mut steps) = (0.0, 0);
        for runs in runs.chunks((self.batch / RUN).max(1)) {
            let (x, labels) = gather(states, activity, runs, self.end)?;
            let loss = self.loss.apply(&self.model.logits(&x)?, &labels)?;
            let gradients = loss.backward()?;
            let progress = self.step as f64 / self.steps as f64;
            let share = (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0;
            for (optimiser, rate) in &mut self.optimisers {
                optimiser.set_learning_rate(*rate * share);
                optimiser.step(&gradients)?;
            }
            sum += f64::from(loss.to_scalar::<f32>()?);
            (self.step, steps) = (self.step + 1, steps + 1);
        }
        self.runs = runs;
        Ok(sum / f64::from(steps.max(1)))
    }
}

impl Model {
    /// The factors, scaled so that the loss of a first batch is smallest: the regression knows which logits
    /// are larger, but not how sure it is.
    fn scaled(
        factors: &Factors,
        loss: &BalancedLoss,
        x: &Tensor,
        labels: &Tensor,
    ) -> Result<Model, PredictorError> {
        let model = Model::new(factors, 1.0)?;
        let logits = model.logits(x)?;
        let mut best = (f32::INFINITY, 1.0);
        for scale in SCALES {
            let scaled = (&logits * f64::from(scale))?;
            let now = loss.apply(&scaled, labels)?.to_scalar::<f32>()?;
            if now < best.0 {
                best = (now, scale);
            }
        }
        Model::new(factors, best.1)
    }

    fn new(factors: &Factors, scale: f32) -> Result<Model, PredictorError> {
        let (rank, width, neurons) = (factors.rank(), factors.width(), factors.neurons());
        let times = |numbers: &[f32]| numbers.iter().map(|x| x * scale).collect::<Vec<f32>>();
        let cpu = &Device::Cpu;
        Ok(Model {
            inner: Var::from_slice(factors.inner(), (rank, width), cpu)?,
            outer: Var::from_vec(times(factors.outer()), (neurons, rank), cpu)?,
            bias: Var::from_vec(times(factors.bias()), neurons, cpu)?,
        })
    }

    /// (tokens x width) to (tokens x neurons).
    fn logits(&self, x: &Tensor) -> Result<Tensor, PredictorError> {
        let z = x.matmul(&self.inner.t()?)?;
        Ok(z.matmul(&self.outer.t()?)?.broadcast_add(&self.bias)?)
    }

    fn optimisers(&self, rate: f64) -> Result<Vec<(AdamW, f64)>, PredictorError> {
        let mut optimisers = Vec::new();
        for variables in [vec![&self.inner], vec![&self.outer, &self.bias]] {
            let typical = variables[0].sqr()?.mean_all()?.to_scalar::<f32>()?.sqrt();
            let lr = rate * f64::from(typical);
            let how = ParamsAdamW { lr, weight_decay: 0.0, ..ParamsAdamW::default() };
            optimisers.push((AdamW::new(variables.into_iter().cloned().collect(), how)?, lr));
        }
        Ok(optimisers)
    }

    fn factors(&self) -> Result<Factors, PredictorError> {
        let numbers = |var: &Var| var.flatten_all()?.to_vec1::<f32>();
        let rank = self.outer.dim(D::Minus1)?;
        Ok(Factors::new(rank, numbers(&self.inner)?, numbers(&self.outer)?, numbers(&self.bias)?))
    }
}

/// States and labels of some runs, none past `end`.
fn gather(
    states: &mut dyn States,
    activity: &Activity,
    runs: &[usize],
    end: usize,
) -> Result<(Tensor, Tensor), PredictorError> {
    let width = states.width();
    let (mut x, mut labels) = (Vec::new(), Vec::new());
    for &first in runs {
        let tokens = RUN.min(end - first);
        let filled = x.len();
        x.resize(filled + tokens * width, 0.0);
        read(states, first, &mut x[filled..])?;
        (first..first + tokens).for_each(|token| activity.labels(token, &mut labels));
    }
    let tokens = x.len() / width;
    let x = Tensor::from_vec(x, (tokens, width), &Device::Cpu)?;
    Ok((x, Tensor::from_vec(labels, (tokens, activity.neurons()), &Device::Cpu)?))
}
