//! Thresholds for models whose activations are never zero: set and judged layer by layer, then the whole model is
//! measured at each, by the path that a run takes.

use super::amounts::passes;
use super::layer::LayerRows;
use super::measure;
use super::quality::{Measuring, Reading};
use super::train::Training;
use super::{CalibrateEvent, LayerReport, collect};
use crate::CalibrateError;
use flint_bundle::{Bundle, Calibration, GroupCalibration, replace_predictors};
use flint_engine::{Mode, Sparsity};
use flint_predictor::{Calibrated, Cats, CatsCalibration, CatsGroup, ThresholdLayer};

/// Bits per weight of the copies. What a coarser copy mistakes is paid in quality, not in time.
const BITS: usize = 4;

/// The group of a layer, and what its first threshold does.
struct Made {
    group: CatsGroup,
    found: Calibrated,
    hot: Vec<u32>,
}

/// Makes thresholds for every layer and stores them with what they cost.
pub(super) fn make(
    training: &Training<'_>,
    unseen: &[u32],
    listen: &mut dyn FnMut(CalibrateEvent),
) -> Result<Bundle, CalibrateError> {
    let layers = training.files.architecture().layers;
    let mut made = Vec::with_capacity(layers);
    for layer in 0..layers {
        let one = strengths(training, layer)?;
        let report = report(layer, &one);
        made.push(one);
        listen(CalibrateEvent::Trained { done: layer + 1, layers, report });
    }
    let mut groups: Vec<CatsGroup> = made.iter().map(|layer| layer.group.clone()).collect();
    let mut calibration = calibration(training, &made, &groups)?;
    drop(made);
    let costs = costs(training, unseen, &groups, listen)?;
    if let Some(first) = costs.first() {
        let levels: Vec<f64> = costs.iter().map(|cost| cost.perplexity).collect();
        let exact = first.perplexity_exact;
        groups.iter_mut().for_each(|group| group.set_perplexities(exact, &levels));
        calibration.perplexity_exact = Some(exact);
    }
    let blobs = groups.iter().map(|group| Some(group.to_bytes()));
    let dir = &training.options.bundle;
    Ok(replace_predictors(dir, CatsGroup::KIND, blobs, Some(calibration))?)
}

fn strengths(training: &Training<'_>, layer: usize) -> Result<Made, CalibrateError> {
    let Training { split, compute, options, .. } = training;
    let mut states = collect::states(training.files, training.work, layer)?;
    let rows = LayerRows::read(training.files, layer, compute)?;
    let deciding = rows.deciding()?;
    let parts = (split.train.clone(), split.held_out.clone());
    let sparsities = &options.sparsities;
    let CatsCalibration { group, found, hot } =
        CatsCalibration::measure(compute, &deciding, BITS, &mut states, parts, sparsities)?;
    let Some(&found) = found.first() else { unreachable!("at least one sparsity") };
    Ok(Made { group, found, hot })
}

fn report(layer: usize, made: &Made) -> LayerReport {
    LayerReport {
        layer,
        size: BITS,
        bytes: made.group.bytes(),
        recall: made.found.score.recall(),
        predicted_per_active: made.found.score.predicted_per_active(),
    }
}

/// What is stored of each layer, and the loads per token: all with the first sparsity.
fn calibration(
    training: &Training<'_>,
    made: &[Made],
    groups: &[CatsGroup],
) -> Result<Calibration, CalibrateError> {
    let group = |made: &Made| GroupCalibration {
        active_mean: made.found.active_mean() as f32,
        predicted_mean: made.found.predicted_mean() as f32,
        recall: made.found.score.recall() as f32,
        precision: made.found.score.precision() as f32,
        hot: made.hot[..made.hot.len() / measure::HOT_SHARE].to_vec(),
    };
    let mut predictor = predictor(training, groups, training.options.sparsities[0])?;
    Ok(Calibration {
        tokens: training.split.held_out.len() as u64,
        groups: made.iter().map(group).collect(),
        perplexity_exact: None,
        perplexity_sparse: None,
        loads_per_token: training.loads(&mut predictor)?,
    })
}

/// Measures perplexity of the whole model, and at each sparsity, on what set no threshold.
fn costs(
    training: &Training<'_>,
    unseen: &[u32],
    groups: &[CatsGroup],
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
    groups: &[CatsGroup],
    sparsity: f32,
) -> Result<Cats, CalibrateError> {
    let architecture = training.files.architecture();
    let groups = groups.iter().cloned().map(Some).collect();
    let mut cats = Cats::new(architecture.hidden, architecture.most_neurons(), groups);
    cats.choose(sparsity)?;
    Ok(cats)
}
