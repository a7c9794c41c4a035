//! Thresholds for models whose activations are never zero: set for all layers together and judged layer by layer, then the
//! whole model is measured at each, by the path that a run takes.

use super::amounts::passes;
use super::layer::WholeRows;
use super::quality::{Measuring, Reading};
use super::train::Training;
use super::{CalibrateEvent, LayerReport, Stage, collect, harm, measure};
use crate::CalibrateError;
use flint_bundle::{Bundle, Calibration, GroupCalibration, replace_predictors};
use flint_engine::{Mode, Sparsity};
use flint_predictor::{
    Calibrated, Contribution, ContributionGroup, Judged, Level, Precision, Strengths,
    ThresholdLayer, thresholds,
};

/// Bits per weight of the copies.
const BITS: usize = 4;

/// The copies of all layers, and how strong their neurons are.
#[derive(Default)]
struct Copied {
    groups: Vec<ContributionGroup>,
    by_copies: Vec<Strengths>,
    by_rows: Vec<Strengths>,
}

/// Makes thresholds for every layer and stores them with what they cost.
pub(super) fn make(
    training: &Training<'_>,
    tokens: &[u32],
    unseen: &[u32],
    listen: &mut dyn FnMut(CalibrateEvent),
) -> Result<Bundle, CalibrateError> {
    let (options, layers) = (training.options, training.files.architecture().layers);
    let mut weighed = |done: u64, total: u64| {
        listen(CalibrateEvent::Progress { stage: Stage::Weigh, done, total });
    };
    let mut copied = Copied::default();
    for layer in 0..layers {
        weighed(layer as u64, 2 * layers as u64);
        copied.add(training, layer)?;
    }
    let Copied { mut groups, by_copies, by_rows } = copied;
    let learnt = &tokens[training.split.train.clone()];
    let mut second_half = |done, total| weighed(total + done, 2 * total);
    let weights = harm::weights(options, groups.clone(), &by_copies, learnt, &mut second_half)?;
    let shares = options.sparsities.iter();
    // Of each sparsity the threshold of each layer.
    let chosen: Vec<Vec<f32>> =
        shares.map(|&share| thresholds(&by_copies, &weights, share)).collect();
    let mut judged = Vec::new();
    for (layer, group) in groups.iter_mut().enumerate() {
        let thresholds: Vec<f32> = chosen.iter().map(|of_layers| of_layers[layer]).collect();
        let strengths = (&by_copies[layer], &by_rows[layer]);
        judged.push(judge(training, layer, group, &thresholds, strengths, listen)?);
    }
    let mut calibration = calibration(training, &judged, &groups)?;
    let costs = costs(training, unseen, &groups, listen)?;
    if let Some(first) = costs.first() {
        let known = |cost: &Sparsity| Some((cost.perplexity, cost.precision?));
        let levels: Vec<(f64, Precision)> = costs.iter().filter_map(known).collect();
        groups.iter_mut().for_each(|group| group.set_costs(first.perplexity_exact, &levels));
        calibration.perplexity_exact = Some(first.perplexity_exact);
    }
    let blobs = groups.iter().map(|group| Some(group.to_bytes()));
    let dir = &training.options.bundle;
    Ok(replace_predictors(dir, ContributionGroup::KIND, blobs, Some(calibration))?)
}

impl Copied {
    fn add(&mut self, training: &Training<'_>, layer: usize) -> Result<(), CalibrateError> {
        let Training { files, work, split, compute, options } = training;
        options.cancel.check()?;
        let mut states = collect::states(files, work, layer)?;
        let whole = WholeRows::read(files, layer, compute)?;
        let rows = whole.view()?;
        let group = ContributionGroup::copy(compute, &rows);
        let tokens = split.train.clone();
        self.by_copies.push(Strengths::measure(compute, &group, &mut states, tokens.clone())?);
        self.by_rows.push(rows.strengths(compute, &mut states, tokens)?);
        self.groups.push(group);
        Ok(())
    }
}

/// Notes what the thresholds of a layer do, on text that did not set them.
fn judge(
    training: &Training<'_>,
    layer: usize,
    group: &mut ContributionGroup,
    thresholds: &[f32],
    (by_copies, by_rows): (&Strengths, &Strengths),
    listen: &mut dyn FnMut(CalibrateEvent),
) -> Result<Judged, CalibrateError> {
    let Training { files, work, split, compute, options } = training;
    options.cancel.check()?;
    let mut states = collect::states(files, work, layer)?;
    let whole = WholeRows::read(files, layer, compute)?;
    // As many as the copies leave out.
    let truly = |&threshold: &f32| by_rows.threshold(by_copies.share_below(threshold));
    let true_thresholds: Vec<f32> = thresholds.iter().map(truly).collect();
    let both = (thresholds, &true_thresholds[..]);
    let tokens = split.held_out.clone();
    let judged = Judged::of(compute, (group, &whole.view()?), &mut states, tokens, both)?;
    let level = |(index, found): (usize, &Calibrated)| Level {
        sparsity: options.sparsities[index],
        threshold: thresholds[index],
        kept: found.predicted_share() as f32,
        recall: found.score.recall() as f32,
        perplexity: None,
        precision: None,
    };
    group.set_levels(judged.found.iter().enumerate().map(level).collect());
    let score = judged.found[0].score;
    let report = LayerReport {
        layer,
        size: BITS,
        bytes: group.bytes(),
        recall: score.recall(),
        predicted_per_active: score.predicted_per_active(),
    };
    let layers = files.architecture().layers;
    listen(CalibrateEvent::Trained { done: layer + 1, layers, report });
    Ok(judged)
}
/// What is stored of each layer, and the loads per token: all with the first sparsity.
fn calibration(
    training: &Training<'_>,
    judged: &[Judged],
    groups: &[ContributionGroup],
) -> Result<Calibration, CalibrateError> {
    let group = |judged: &Judged| {
        let found = &judged.found[0];
        GroupCalibration {
            active_mean: found.active_mean() as f32,
            predicted_mean: found.predicted_mean() as f32,
            recall: found.score.recall() as f32,
            precision: found.score.precision() as f32,
            hot: judged.hot[..judged.hot.len() / measure::HOT_SHARE].to_vec(),
        }
    };
    let mut predictor = predictor(training, groups, training.options.sparsities[0])?;
    Ok(Calibration {
        tokens: training.split.held_out.len() as u64,
        groups: judged.iter().map(group).collect(),
        perplexity_exact: None,
        perplexity_sparse: None,
        loads_per_token: training.loads(&mut predictor)?,
    })
}

/// Measures perplexity of the whole model, and at each sparsity, on what set no threshold.
fn costs(
    training: &Training<'_>,
    unseen: &[u32],
    groups: &[ContributionGroup],
    listen: &mut dyn FnMut(CalibrateEvent),
) -> Result<Vec<Sparsity>, CalibrateError> {
    let options = training.options;
    let mut measuring = Measuring::new(options, unseen, passes(options));
    let finite = |found: Reading| match found.perplexity() {
        perplexity if perplexity.is_finite() => Ok(found),
        perplexity => Err(CalibrateError::NoPerplexity { perplexity }),
    };
    let exact = finite(measuring.read(Mode::Exact, None, listen)?)?;
    listen(exact.event(Mode::Exact.name()));
    let mut costs = Vec::new();
    for &sparsity in &options.sparsities {
        let predictor = Box::new(predictor(training, groups, sparsity)?);
        let found = finite(measuring.read(Mode::Sparse, Some(predictor), listen)?)?;
        let cost = found.cost(&exact, sparsity);
        listen(CalibrateEvent::Cost(cost));
        costs.push(cost);
    }
    Ok(costs)
}

/// All layers at one sparsity.
fn predictor(
    training: &Training<'_>,
    groups: &[ContributionGroup],
    sparsity: f32,
) -> Result<Contribution, CalibrateError> {
    let architecture = training.files.architecture();
    let groups = groups.iter().cloned().map(Some).collect();
    let mut predictor = Contribution::new(architecture.hidden, architecture.most_neurons(), groups);
    predictor.choose(sparsity)?;
    Ok(predictor)
}
