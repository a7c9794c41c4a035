//! One forward pass over consecutive tokens.
//!
//! For each layer: where that pays, its neurons are guessed and read during attention; attention runs on
//! resident weights; the predictor turns the input of the feed-forward into a neuron set; the cache splits
//! it into resident slots and misses; misses become sorted extents, merged and read straight into free
//! slots; meanwhile gate and up of the neurons already there are computed; each completed read makes its
//! neurons ready; the down projection adds them in ascending order. In exact mode the set
//! is every neuron: pinned ones at once, the rest streamed in order.

use crate::EngineError;
use crate::engine::Engine;
use candle_core::Tensor;
use flint_kernels::{KvCache, ops};
use flint_model::Pass;

/// Runs `tokens` through all layers, after the positions that `cache` holds; gives the hidden states
/// (tokens x hidden) after the last layer. `progress` hears how many layers are done, but for the last.
pub(crate) fn step(
    engine: &mut Engine,
    cache: &mut KvCache,
    tokens: &[u32],
    progress: &mut dyn FnMut(usize),
) -> Result<Tensor, EngineError> {
    let passed = pass(engine, cache, tokens, progress);
    match &passed {
        Ok(_) => engine.neurons.end_pass(),
        // Nothing follows a halt, and the device may be what it was asked for.
        Err(EngineError::Halted) => {}
        Err(_) => engine.neurons.abandon_pass(),
    }
    tracing::trace!(tokens = tokens.len(), ok = passed.is_ok(), "pass");
    passed
}

fn pass(
    engine: &mut Engine,
    cache: &mut KvCache,
    tokens: &[u32],
    progress: &mut dyn FnMut(usize),
) -> Result<Tensor, EngineError> {
    let first_position = cache.len();
    let Engine { decoder, weights, neurons, options, .. } = engine;
    let mut pass = Pass { weights, feed_forward: neurons, cache, first_position };
    let mut hidden = decoder.embed(&mut pass, tokens)?;
    for layer in 0..decoder.architecture().layers {
        if layer > 0 {
            progress(layer);
        }
        options.halt.check()?;
        hidden = decoder.layer(&mut pass, layer, hidden).map_err(|error| EngineError::InPass {
            layer,
            position: first_position,
            cause: Box::new(error.into()),
        })?;
    }
    Ok(hidden)
}

/// Logits of `rows` rows of `hidden` from row `first` on: rows x vocabulary.
pub(crate) fn logits(
    engine: &mut Engine,
    cache: &mut KvCache,
    hidden: &Tensor,
    first: usize,
    rows: usize,
) -> Result<Vec<f32>, EngineError> {
    let Engine { decoder, weights, neurons, .. } = engine;
    let mut pass = Pass { weights, feed_forward: neurons, cache, first_position: 0 };
    let some = hidden.narrow(0, first, rows).map_err(flint_model::ModelError::from)?;
    let logits = decoder.logits(&mut pass, &some)?;
    Ok(ops::with_slice(&logits, <[f32]>::to_vec).map_err(flint_model::ModelError::from)?)
}
