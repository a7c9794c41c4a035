//! Collects, layer by layer, the vectors that each layer's neurons multiply over the text.

use super::layer::{Capture, LayerNeurons, dense};
use super::states::{FileStates, StatesWriter};
use super::work::WorkDirectory;
use super::{CalibrateEvent, Stage};
use crate::CalibrateError;
use flint_engine::{CancelToken, OpenModel};
use flint_kernels::{Compute, KvElement, KvShape, KvStore, PagedKv, ops};
use flint_model::{Batch, Decoder, ModelError, Pass, TensorRole};
use flint_predictor::States;

/// Longest piece of the text that is computed with its own context.
const LONGEST_WINDOW: usize = 512;

/// The file of the vectors that the neurons of a layer see.
fn states_file(layer: usize) -> String {
    format!("states-{layer}")
}

/// The vectors that the neurons of a layer saw.
pub(super) fn states(
    files: &OpenModel,
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
    files: &OpenModel,
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
            let all = (layers * tokens.len()) as u64;
            collect_layer(files, work, layer, compute, &mut |done| {
                let done = (layer * tokens.len() + done) as u64;
                listen(CalibrateEvent::Progress { stage: Stage::Collect, done, total: all });
                Ok(cancel.check()?)
            })?;
            work.drop_file(&hidden_file(layer));
        }
        listen(CalibrateEvent::Collected { done: layer + 1, layers });
    }
    work.drop_file(&hidden_file(layers));
    Ok(())
}

fn window(files: &OpenModel) -> usize {
    files.architecture().context.min(LONGEST_WINDOW)
}

fn decoder(files: &OpenModel, compute: &Compute) -> Decoder {
    Decoder::new(files.architecture().clone(), compute.clone())
}

/// Keys and values of one window; only the layer at work touches its part.
fn store(files: &OpenModel) -> PagedKv {
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
    files: &OpenModel,
    work: &WorkDirectory,
    tokens: &[u32],
    compute: &Compute,
) -> Result<(), CalibrateError> {
    let wanted = |role| {
        matches!(role, TensorRole::TokenEmbedding | TensorRole::Positions | TensorRole::ProjectIn)
    };
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
    files: &OpenModel,
    work: &WorkDirectory,
    layer: usize,
    compute: &Compute,
    progress: &mut dyn FnMut(usize) -> Result<(), CalibrateError>,
) -> Result<(), CalibrateError> {
    let width = files.architecture().hidden;
    let path = work.file(&hidden_file(layer));
    let fail = |cause| work.error(&path, cause);
    let mut before = FileStates::open(&path, width).map_err(fail)?;
    let mut weights =
        dense(files, compute, |role| matches!(role, TensorRole::Layer(l, _) if l == layer))?;
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
            progress(first + count)?;
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
