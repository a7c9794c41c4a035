//! Collects, layer by layer, the vectors that each layer's neurons multiply over the text.

use super::layer::{Capture, LayerNeurons, dense};
use super::states::{FileStates, StatesWriter};
use super::work::WorkDirectory;
use super::{CalibrateEvent, Sizes};
use crate::CalibrateError;
use flint_engine::{CancelToken, ModelFiles};
use flint_kernels::{
    Compute, DType, KvElement, KvShape, KvStore, MatrixView, PagedKv, matmul, ops,
};
use flint_model::{Batch, Decoder, ModelError, Pass, Role};
use flint_predictor::States;
use std::time::{Duration, Instant};

/// Longest piece of the text that is computed with its own context.
const LONGEST_WINDOW: usize = 512;

/// The file of the vectors that the neurons of a layer see.
fn states_file(layer: usize) -> String {
    format!("states-{layer}")
}

/// The vectors that the neurons of a layer saw.
pub(super) fn states(
    files: &ModelFiles,
    work: &WorkDirectory,
    layer: usize,
) -> Result<FileStates, CalibrateError> {
    let path = work.file(&states_file(layer));
    let states = FileStates::open(&path, files.architecture().hidden);
    states.map_err(|cause| work.error(&path, cause))
}

/// The file of the hidden states before a layer.
fn hidden_file(layer: usize) -> String {
    format!("hidden-{layer}")
}

/// Collects what was not collected before.
pub(super) fn collect(
    files: &ModelFiles,
    work: &WorkDirectory,
    tokens: &[u32],
    compute: &Compute,
    cancel: &CancelToken,
    listen: &mut dyn FnMut(CalibrateEvent),
) -> Result<(), CalibrateError> {
    let layers = files.architecture().layers;
    if !work.has(&states_file(0)) && !work.has(&hidden_file(0)) {
        embed(files, work, tokens, compute)?;
    }
    for layer in 0..layers {
        cancel.check()?;
        if !work.has(&states_file(layer)) {
            collect_layer(files, work, layer, compute)?;
            work.drop_file(&hidden_file(layer));
        }
        listen(CalibrateEvent::Collected { done: layer + 1, layers });
    }
    work.drop_file(&hidden_file(layers));
    Ok(())
}

fn window(files: &ModelFiles) -> usize {
    files.architecture().context.min(LONGEST_WINDOW)
}

fn decoder(files: &ModelFiles, compute: &Compute) -> Decoder {
    Decoder::new(files.architecture().clone(), compute.clone())
}

/// Keys and values of one window; only the layer at work touches its part.
fn store(files: &ModelFiles) -> PagedKv {
    let architecture = files.architecture();
    let shape = KvShape {
        layers: architecture.layers,
        kv_heads: architecture.attention.kv_heads,
        head_dim: architecture.attention.head_dim,
        element: KvElement::F32,
    };
    PagedKv::new(shape, PagedKv::PAGE_TOKENS, window(files).div_ceil(PagedKv::PAGE_TOKENS))
}

/// Hidden states before the first layer: each window begins at position 0.
fn embed(
    files: &ModelFiles,
    work: &WorkDirectory,
    tokens: &[u32],
    compute: &Compute,
) -> Result<(), CalibrateError> {
    let wanted = |role| matches!(role, Role::TokenEmbedding | Role::Positions | Role::ProjectIn);
    let mut weights = dense(files, compute, wanted)?;
    let decoder = decoder(files, compute);
    let seq = store(files).sequence();
    write(work, &hidden_file(0), |writer| {
        for window in tokens.chunks(window(files)) {
            let batch = Batch::of_tokens(seq, 0, window, |_| false)?;
            writer(&decoder.embed(&mut weights, &batch)?)?;
        }
        Ok(())
    })
}

fn collect_layer(
    files: &ModelFiles,
    work: &WorkDirectory,
    layer: usize,
    compute: &Compute,
) -> Result<(), CalibrateError> {
    let width = files.architecture().hidden;
    let path = work.file(&hidden_file(layer));
    let fail = |cause| work.error(&path, cause);
    let mut before = FileStates::open(&path, width).map_err(fail)?;
    let mut weights =
        dense(files, compute, |role| matches!(role, Role::Layer(l, _) if l == layer))?;
    let neurons = LayerNeurons::read(files.bundle()?, layer, compute)?;
    let mut capture = Capture::new(files, neurons, compute)?;
    let (decoder, mut kv) = (decoder(files, compute), store(files));
    let seq = kv.sequence();
    let states = work.file(&format!("{}.partial", states_file(layer)));
    let mut seen = StatesWriter::create(&states).map_err(|cause| work.error(&states, cause))?;
    let tokens = before.tokens();
    write(work, &hidden_file(layer + 1), |writer| {
        let mut rows = Vec::new();
        for first in (0..tokens).step_by(window(files)) {
            let count = window(files).min(tokens - first);
            rows.resize(count * width, 0.0);
            before.read(first, &mut rows).map_err(fail)?;
            let hidden = ops::from_vec(rows.clone(), (count, width)).map_err(ModelError::from)?;
            // What the tokens are does not matter any more.
            let batch = Batch::of_tokens(seq, 0, &vec![0; count], |_| false)?;
            kv.truncate(seq, 0);
            let (weights, feed_forward) = (&mut weights, &mut capture);
            let mut pass = Pass { weights, feed_forward, kv: &mut kv, batch: &batch };
            writer(&decoder.layer(&mut pass, layer, hidden)?)?;
            seen.extend(&capture.input).map_err(|cause| work.error(&states, cause))?;
        }
        Ok(())
    })?;
    seen.finish().map_err(|cause| work.error(&states, cause))?;
    work.finish(&states_file(layer))
}

/// Writes tensors to a file of the work directory.
fn write(
    work: &WorkDirectory,
    name: &str,
    fill: impl FnOnce(
        &mut dyn FnMut(&candle_core::Tensor) -> Result<(), CalibrateError>,
    ) -> Result<(), CalibrateError>,
) -> Result<(), CalibrateError> {
    let path = work.file(&format!("{name}.partial"));
    let mut writer = StatesWriter::create(&path).map_err(|cause| work.error(&path, cause))?;
    fill(&mut |tensor| {
        let written = ops::with_slice(tensor, |x| writer.extend(x)).map_err(ModelError::from)?;
        written.map_err(|cause| work.error(&path, cause))
    })?;
    writer.finish().map_err(|cause| work.error(&path, cause))?;
    work.finish(name)
}

/// What a calibration will take.
pub(super) struct Forecast {
    pub(super) disk_bytes: u64,
    pub(super) memory_bytes: u64,
    pub(super) collect_seconds: f64,
    pub(super) train_seconds: f64,
    /// Instead of training, where only thresholds are made.
    pub(super) threshold_seconds: f64,
}

/// Passes over the tokens that training one layer comes to: the regression twice (ranks, then training), each
/// about three products of the width, and epochs of a forward and a backward pass through the factors.
const REGRESSION_PASSES: f64 = 2.0 * 3.0;
const EPOCHS: f64 = 4.0;

/// Training is slower than our own products: per operation by this factor, and each logit costs its loss
/// besides. Measured on 2 cores with layers of 256 x 1024 and 4096 x 16384.
const TRAINING_SLOWER: f64 = 8.0;
const SECONDS_PER_LOGIT: f64 = 48e-9;

/// Foresees a calibration over `tokens`, by a short measurement of this machine.
pub(super) fn forecast(
    files: &ModelFiles,
    tokens: usize,
    predictors: &Sizes,
    compute: &Compute,
) -> Result<Forecast, CalibrateError> {
    let a = files.architecture();
    let states = (a.layers + 2) * tokens * a.hidden * size_of::<half::f16>();
    let rows = 2 + usize::from(a.feed_forward.gated);
    let attention = 2 * a.hidden * (a.query_width() + a.kv_width());
    // Once through the layer, and the deciding rows once more to see who is active.
    let layer = attention + (rows + 1) * a.hidden * a.most_neurons();
    let work = 2.0 * (layer * a.layers) as f64 * tokens as f64;
    let rate = operations_per_second(compute);
    let (width, neurons) = (a.hidden as f64, a.most_neurons() as f64);
    let layer_bytes = files.bundle()?.shape().neuron_bytes() as f64 / a.layers as f64;
    // A rank costs a byte per column and per neuron.
    let rank = layer_bytes * predictors.trained / (width + neurons);
    let regression = REGRESSION_PASSES * 2.0 * width * width;
    let training = EPOCHS * 6.0 * rank * (width + neurons) * TRAINING_SLOWER;
    let observing = 3.0 * 2.0 * width * neurons;
    let losses = EPOCHS * neurons * SECONDS_PER_LOGIT;
    let per_token = (regression + training + observing) / rate + losses;
    Ok(Forecast {
        disk_bytes: states as u64,
        // A layer as stored, its rows once more and as f32 with their directions, three width x width
        // matrices, who is active, and all predictors: as stored, and once more to measure them.
        memory_bytes: (2.0 * layer_bytes
            + 8.0 * width * neurons
            + 12.0 * width * width
            + tokens as f64 * neurons / 8.0
            + 2.0 * predictors.bytes) as u64,
        collect_seconds: work / rate,
        train_seconds: per_token * tokens as f64 * a.layers as f64,
        // Once by the rows and once by their copy.
        threshold_seconds: 2.0 * 2.0 * width * neurons / rate * tokens as f64 * a.layers as f64,
    })
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
