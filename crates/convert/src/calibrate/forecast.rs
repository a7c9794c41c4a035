//! What a calibration will take, by a short measurement of this machine.

use super::amounts::{harm_tokens, operations_per_layer, operations_per_token, passes};
use super::{CalibrateOptions, Sizes, Stage};
use crate::CalibrateError;
use flint_engine::OpenModel;
use flint_kernels::{Compute, DType, MatrixView, matmul};
use std::time::{Duration, Instant};

/// What a calibration will take.
pub(super) struct Forecast {
    pub(super) disk_bytes: u64,
    pub(super) memory_bytes: u64,
    /// Seconds of each stage, in order.
    pub(super) stages: Vec<(Stage, f64)>,
}

/// Passes over the tokens that training one layer comes to: the regression twice (ranks, then training), each
/// about three products of the width, and epochs of a forward and a backward pass through the factors.
const REGRESSION_PASSES: f64 = 2.0 * 3.0;
const EPOCHS: f64 = 4.0;

/// Training is slower than our own products: per operation by this factor, and each logit costs its loss
/// besides. Measured on 2 cores with layers of 256 x 1024 and 4096 x 16384.
const TRAINING_SLOWER: f64 = 8.0;
const SECONDS_PER_LOGIT: f64 = 48e-9;

/// Foresees a calibration over `tokens`, of which `unseen` are measured on.
pub(super) fn forecast(
    options: &CalibrateOptions,
    files: &OpenModel,
    (tokens, unseen): (usize, usize),
    compute: &Compute,
) -> Result<Forecast, CalibrateError> {
    let a = files.architecture();
    let predictors = options.sizes(files)?;
    let states = (a.layers + 2) * tokens * a.hidden * size_of::<half::f16>();
    let (width, neurons) = (a.hidden as f64, a.most_neurons() as f64);
    let layer_bytes = files.bundle()?.shape().neuron_bytes() as f64 / a.layers as f64;
    let rate = operations_per_second(compute);
    let collect = (operations_per_layer(files) * a.layers * tokens) as f64;
    let trained = match options.sparsities.is_empty() {
        true => training_seconds(&predictors, layer_bytes, (width, neurons), rate),
        // By the rows and by their copy.
        false => {
            2.0 * 2.0 * (1.0 + f64::from(u8::from(a.feed_forward.gated))) * width * neurons / rate
        }
    };
    let thresholds = !options.sparsities.is_empty();
    let weighed =
        (harm_tokens(files).min(tokens) * (a.layers + 1)) as f64 * operations_per_token(files);
    // Scores are looked at twice: to set thresholds, and to judge them.
    let scored = trained * (tokens * a.layers) as f64 / if thresholds { 2.0 } else { 1.0 };
    let weigh = thresholds.then_some((Stage::Weigh, weighed / rate + scored));
    let measured = operations_per_token(files) * (unseen * passes(options)) as f64;
    Ok(Forecast {
        disk_bytes: states as u64,
        // A layer as stored, its rows once more and as f32 with their directions, three width x width
        // matrices, who is active, and all predictors: as stored, and once more to measure them.
        memory_bytes: (2.0 * layer_bytes
            + 8.0 * width * neurons
            + 12.0 * width * width
            + tokens as f64 * neurons / 8.0
            + 2.0 * predictors.bytes) as u64,
        stages: [
            Some((Stage::Collect, collect / rate)),
            weigh,
            Some((Stage::Train, scored)),
            Some((Stage::Measure, measured / rate)),
        ]
        .into_iter()
        .flatten()
        .collect(),
    })
}

/// Seconds of training per token and layer.
fn training_seconds(
    predictors: &Sizes,
    layer_bytes: f64,
    (width, neurons): (f64, f64),
    rate: f64,
) -> f64 {
    // A rank costs a byte per column and per neuron.
    let rank = layer_bytes * predictors.trained / (width + neurons);
    let regression = REGRESSION_PASSES * 2.0 * width * width;
    let training = EPOCHS * 6.0 * rank * (width + neurons) * TRAINING_SLOWER;
    let observing = 3.0 * 2.0 * width * neurons;
    (regression + training + observing) / rate + EPOCHS * neurons * SECONDS_PER_LOGIT
}

/// Multiplications and additions per second of a many-token product.
fn operations_per_second(compute: &Compute) -> f64 {
    const SIDE: usize = 512;
    const TOKENS: usize = 64;
    let weights = vec![0; SIDE * SIDE * 2];
    let Ok(view) = MatrixView::new(DType::F16, SIDE, SIDE, &weights) else { return 1e9 };
    let (x, mut out) = (vec![0.5; SIDE * TOKENS], vec![0.0; SIDE * TOKENS]);
    let (started, mut rounds) = (Instant::now(), 0);
    while started.elapsed() < Duration::from_millis(50) {
        matmul(compute, view, &x, None, &mut out);
        rounds += 1;
    }
    (2 * SIDE * SIDE * TOKENS * rounds) as f64 / started.elapsed().as_secs_f64()
}
