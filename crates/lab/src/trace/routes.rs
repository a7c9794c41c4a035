//! Records which experts a model's routers name, token after token.

use super::record::Run;
use super::recorded::Recorded;
use flint_engine::{CancelToken, EngineError, OpenModel, PlannedEngine, RunOptions};
use flint_geometry::UnitSet;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::path::Path;

/// Reads `tokens` tokens of `text`, or as many random ones without it, one by one.
///
/// # Errors
/// When the model has no tokenizer for a text, or a file cannot be read.
pub(super) fn record(files: OpenModel, text: Option<&Path>, tokens: usize) -> anyhow::Result<Run> {
    let vocabulary = files.architecture().vocabulary as u32;
    let ids: Vec<u32> = match text {
        Some(path) => {
            let codec = files.codec()?.ok_or(EngineError::NoTokenizer)?;
            let text = std::fs::read_to_string(path)
                .map_err(|cause| EngineError::File { path: path.to_owned(), cause })?;
            codec.encode(&text, true)?.into_iter().take(tokens).collect()
        }
        None => {
            let mut random = ChaCha8Rng::seed_from_u64(0);
            (0..tokens).map(|_| random.next_u32() % vocabulary).collect()
        }
    };
    let experts = files.architecture().experts.as_ref();
    let (count, first) = experts.map_or((0, 0), |it| (it.count as u32, it.dense_layers));
    let layers = files.architecture().layers - first;
    let window = files.architecture().context.min(ids.len());
    let prepared = PlannedEngine::new(files, RunOptions::default(), Some(window))?;
    let mut engine = prepared.load(&mut |_, _| {})?;
    let mut sets: Vec<Vec<UnitSet>> = vec![Vec::new(); layers];
    for window in ids.chunks(window.max(1)) {
        engine.with_sequence(|engine, sequence| {
            for token in window {
                engine.feed(sequence, &[*token], &CancelToken::default(), &mut |_| {})?;
                let named = engine.last_experts().iter().skip(first);
                sets.iter_mut().zip(named).for_each(|(sets, named)| sets.push(named.clone()));
            }
            Ok::<(), EngineError>(())
        })?;
    }
    let recorded = Recorded::new(count, sets);
    Ok(Run { recorded, window, predictor: "router", predictor_bytes: 0 })
}
