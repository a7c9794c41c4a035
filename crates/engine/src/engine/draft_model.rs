//! A smaller model that drafts: opened beside the one that it drafts for, compared with it, and planned first, since all of
//! it stays in memory.

mod small;

use super::{PlannedEngine, Progress};
use crate::draft::{Draft, DraftChoice};
use crate::memory::MemoryBudget;
use crate::{EngineError, Mode, OpenModel, RunOptions, Tokenizer};
use small::SmallModel;
use std::collections::HashMap;
use std::path::Path;

/// As much as a plan can be asked for: the model takes of it what it needs to be held whole.
const WHOLE: MemoryBudget = MemoryBudget::Absolute(i64::MAX as u64);

/// Plans the model that `options` name to draft for the one of `files`, in a run that needs `needed` tokens of context.
/// `None` where none is named, or nobody is to draft with it.
pub(super) fn plan(
    files: &OpenModel,
    options: &RunOptions,
    needed: Option<usize>,
) -> Result<Option<Box<PlannedEngine>>, EngineError> {
    if !matches!(options.draft, DraftChoice::Auto | DraftChoice::Model) {
        return Ok(None);
    }
    let Some(path) = &options.draft_model else {
        return match options.draft {
            DraftChoice::Model => Err(EngineError::NoDraftModel),
            _ => Ok(None),
        };
    };
    let of_it = |cause| EngineError::DraftModel { path: path.clone(), cause: Box::new(cause) };
    let small = OpenModel::open(path).map_err(of_it)?;
    same_vocabulary(files, &small, path)?;
    let limit = small.architecture.context;
    let options = RunOptions {
        memory: WHOLE,
        context: options.context.map(|context| context.min(limit)),
        mode: Some(Mode::Exact),
        sparsity: None,
        // It may have none that are quantised, or others than the large one.
        arithmetic: None,
        draft: DraftChoice::Off,
        draft_model: None,
        measure: false,
        ..options.clone()
    };
    let needed = needed.map(|needed| needed.min(limit));
    let planned = PlannedEngine::with_predictor(small, options, needed, None).map_err(of_it)?;
    Ok(Some(Box::new(planned)))
}

/// Refuses a model of another vocabulary, with the first token that differs.
fn same_vocabulary(files: &OpenModel, small: &OpenModel, path: &Path) -> Result<(), EngineError> {
    let (Some(own), Some(other)) = (files.codec()?, small.codec()?) else {
        return Err(EngineError::NoVocabulary { path: path.to_owned() });
    };
    let (own, other) = (pieces(&own), pieces(&other));
    let all = own.keys().chain(other.keys());
    let differs = |token: &&u32| own.get(token) != other.get(token);
    let Some(token) = all.filter(differs).min().copied() else { return Ok(()) };
    let said = |pieces: &HashMap<u32, String>| {
        pieces.get(&token).map_or("missing".to_owned(), |piece| format!("'{piece}'"))
    };
    let (here, there) = (said(&own), said(&other));
    Err(EngineError::OtherVocabulary { path: path.to_owned(), token, here, there })
}

fn pieces(codec: &Tokenizer) -> HashMap<u32, String> {
    codec.pieces().into_iter().map(|(piece, token)| (token, piece)).collect()
}

/// Loads it to draft for a model with a vocabulary of this size.
pub(super) fn load(
    planned: Option<Box<PlannedEngine>>,
    vocabulary: usize,
    progress: Progress<'_>,
) -> Result<Option<Box<dyn Draft>>, EngineError> {
    let Some(planned) = planned else { return Ok(None) };
    let path = planned.files.path().to_owned();
    let engine = planned.load(progress);
    let engine =
        engine.map_err(|cause| EngineError::DraftModel { path, cause: Box::new(cause) })?;
    Ok(Some(Box::new(SmallModel::new(engine, vocabulary))))
}
