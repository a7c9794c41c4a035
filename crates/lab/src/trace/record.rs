//! Records what the predictors of a bundle name while it reads a text in sparse mode.

use super::recorded::Recorded;
use crate::synth::{is_synthetic, teacher_forced_tokens};
use anyhow::Context;
use flint_engine::{
    CancelToken, EngineError, Mode, OpenModel, PlannedEngine, RunOptions, bundled_predictor,
};
use flint_geometry::UnitSet;
use flint_kernels::Compute;
use flint_predictor::{Predictor, PredictorError};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was recorded.
pub(super) struct Run {
    pub(super) recorded: Recorded,
    /// Most tokens that were read as one sequence.
    pub(super) window: usize,
    /// Name of the predictor.
    pub(super) predictor: &'static str,
    pub(super) predictor_bytes: u64,
}

/// Reads `tokens` tokens of the text at `text` (fewer when it is shorter) with the bundle at `model`; a synthetic bundle
/// has a text of its own.
///
/// # Errors
/// When the bundle has no predictors or no tokenizer, or a file cannot be read.
pub(super) fn record(model: &Path, text: &Path, tokens: usize) -> anyhow::Result<Run> {
    let files = OpenModel::open(model)?;
    let predictor = bundled_predictor(&files, None)?.ok_or_else(|| no_predictors(model))?;
    if is_synthetic(model) {
        let text = teacher_forced_tokens(model, tokens)?;
        return record_tokens(files, predictor, &text, tokens);
    }
    let codec = files.codec()?.ok_or(EngineError::NoTokenizer)?;
    let text = std::fs::read_to_string(text)
        .map_err(|cause| EngineError::File { path: text.to_owned(), cause })?;
    record_tokens(files, predictor, &codec.encode(&text, false)?, tokens)
}

/// The same for a text that is tokens, without its marks, and any predictor.
fn record_tokens(
    files: OpenModel,
    predictor: Box<dyn Predictor>,
    text: &[u32],
    tokens: usize,
) -> anyhow::Result<Run> {
    let (kind, predictor_bytes) = (predictor.kind(), predictor.bytes());
    let architecture = files.architecture();
    let (layers, neurons) = (architecture.layers, architecture.most_neurons() as u32);
    let window = architecture.context.min(tokens);
    let windows = windows(text, architecture.begin_of_text, window, tokens);
    let heard = Heard(Arc::new(Mutex::new(vec![Vec::new(); layers])));
    let recorder = Box::new(Recorder { inner: predictor, heard: heard.clone() });
    let options = RunOptions { mode: Some(Mode::Sparse), ..RunOptions::default() };
    let prepared = PlannedEngine::with_predictor(files, options, Some(window), Some(recorder))?;
    let mut engine = prepared.load(&mut |_, _| {})?;
    for window in &windows {
        engine.with_sequence(|engine, sequence| {
            engine.feed(sequence, window, &CancelToken::default(), &mut |_| {})
        })?;
    }
    let recorded = Recorded::new(neurons, std::mem::take(&mut *heard.lists()));
    Ok(Run { recorded, window, predictor: kind, predictor_bytes })
}

/// `tokens` tokens in sequences of at most `window`, each begun with the mark that the model expects.
fn windows(text: &[u32], begin: Option<u32>, window: usize, tokens: usize) -> Vec<Vec<u32>> {
    let mut left = tokens;
    let mut windows = Vec::new();
    for part in text.chunks((window - usize::from(begin.is_some())).max(1)) {
        let marked: Vec<u32> = begin.into_iter().chain(part.iter().copied()).take(left).collect();
        if marked.is_empty() {
            break;
        }
        left -= marked.len();
        windows.push(marked);
    }
    windows
}

/// Refused with the exit status of a caller's mistake, as a message that fits.
fn no_predictors(model: &Path) -> anyhow::Error {
    let model = model.display();
    let text = format!("{model} has no predictors, so there is nothing to trace: convert it anew");
    let refused = Err::<(), _>(EngineError::NoPredictors).context(text);
    refused.err().unwrap_or_else(|| unreachable!("it was made as an error"))
}

/// For each group, what was predicted so far, one set per token.
#[derive(Clone)]
struct Heard(Arc<Mutex<Vec<Vec<UnitSet>>>>);

impl Heard {
    fn lists(&self) -> MutexGuard<'_, Vec<Vec<UnitSet>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers as another predictor does, and remembers the answers. Tokens pass each layer in order, in chunks.
struct Recorder {
    inner: Box<dyn Predictor>,
    heard: Heard,
}

impl Predictor for Recorder {
    fn predict(
        &mut self,
        compute: &Compute,
        group: usize,
        input: &[f32],
        sets: &mut [UnitSet],
    ) -> Result<(), PredictorError> {
        self.inner.predict(compute, group, input, sets)?;
        self.heard.lists()[group].extend_from_slice(sets);
        Ok(())
    }

    fn add_others(
        &mut self,
        compute: &Compute,
        group: usize,
        sets: &[UnitSet],
        sum: &mut [f32],
    ) -> Result<(), PredictorError> {
        self.inner.add_others(compute, group, sets, sum)
    }

    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }

    fn kind(&self) -> &'static str {
        self.inner.kind()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flint_fixtures::tiny_opt_bundle;

    /// Names the neuron with the number of the call, so that order shows.
    #[derive(Default)]
    struct Counting(Vec<u32>);

    impl Predictor for Counting {
        fn predict(
            &mut self,
            _: &Compute,
            group: usize,
            _: &[f32],
            sets: &mut [UnitSet],
        ) -> Result<(), PredictorError> {
            self.0.resize(self.0.len().max(group + 1), 0);
            for set in sets {
                *set = UnitSet::from_unsorted(vec![self.0[group]]);
                self.0[group] += 1;
            }
            Ok(())
        }

        fn add_others(
            &mut self,
            _: &Compute,
            _: usize,
            _: &[UnitSet],
            _: &mut [f32],
        ) -> Result<(), PredictorError> {
            Ok(())
        }

        fn bytes(&self) -> u64 {
            0
        }

        fn kind(&self) -> &'static str {
            "counting"
        }
    }

    #[test]
    fn every_layer_records_every_token_in_order_over_several_windows() {
        let files = OpenModel::open(&tiny_opt_bundle()).unwrap();
        let text: Vec<u32> = (10..400).collect();
        let run = record_tokens(files, Box::<Counting>::default(), &text, 300).unwrap();
        assert_eq!((run.window, run.recorded.tokens(), run.recorded.groups()), (256, 300, 6));
        for token in 0..300 {
            let number = [token as u32];
            let visits: Vec<_> = run.recorded.visits(token, 9).collect();
            assert_eq!(visits, [0, 1, 2, 3, 4, 5].map(|group| (group, &number[..])));
        }
    }

    #[test]
    fn windows_begin_with_the_mark_and_end_with_the_tokens_asked_for() {
        let text = [1, 2, 3, 4, 5];
        assert_eq!(windows(&text, Some(0), 3, 5), [vec![0, 1, 2], vec![0, 3]]);
        assert_eq!(windows(&text, Some(0), 3, 6), [[0, 1, 2], [0, 3, 4]]);
        assert_eq!(windows(&text, None, 4, 9), [vec![1, 2, 3, 4], vec![5]]);
    }

    #[test]
    fn a_bundle_without_predictors_is_a_callers_mistake_told_in_one_line() {
        let error = no_predictors("a.flint".as_ref());
        assert_eq!(error.downcast_ref::<EngineError>().unwrap().exit_status(), 2);
        let text = error.to_string();
        assert!(text.starts_with("a.flint has no predictors") && !text.contains('\n'), "{text}");
    }
}
