//! Engines over tiny-opt in every way to hold neurons, and what they say.

use flint_engine::{
    CancelToken, Controls, Engine, EngineError, Generated, MemoryBudget, Mode, OpenModel,
    PlannedEngine, Prefetching, Request, RunOptions, Sampling, generate,
};
use flint_fixtures::tiny_opt_bundle;
use flint_geometry::UnitSet;
use flint_kernels::{Compute, Isa};
use flint_predictor::{Predictor, PredictorError};
use std::ops::ControlFlow;

/// Tokens of context of a sequence.
pub(crate) const CONTEXT: usize = 48;

/// Sequences with room for a whole context.
pub(crate) const SEQUENCES: usize = 9;

/// Names a third of the neurons, by the input alone: as wrong as can be, and always the same.
struct Third;

impl Predictor for Third {
    fn predict(
        &mut self,
        _: &Compute,
        _: usize,
        input: &[f32],
        sets: &mut [UnitSet],
    ) -> Result<(), PredictorError> {
        let width = input.len() / sets.len();
        for (set, row) in sets.iter_mut().zip(input.chunks_exact(width)) {
            let seed = row[0].to_bits() ^ row[width / 2].to_bits();
            let named =
                |neuron: &u32| (neuron.wrapping_mul(2_654_435_761) ^ seed).is_multiple_of(3);
            *set = UnitSet::from_sorted((0..1024).filter(named).collect()).unwrap();
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
        "third"
    }
}

/// A predictor that is wrong.
pub(crate) fn third() -> Box<dyn Predictor> {
    Box::new(Third)
}

/// How neurons are held.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Way {
    /// All of them in memory.
    Held,
    /// All computed, most of them streamed; and some matrices.
    Streamed,
    /// A third computed, in fewer slots than a batch needs.
    Sparse,
}

pub(crate) const WAYS: [Way; 3] = [Way::Held, Way::Streamed, Way::Sparse];

pub(crate) fn options(way: Way) -> RunOptions {
    let (percent, mode) = match way {
        Way::Held => (1000.0, Mode::Exact),
        Way::Streamed => (105.0, Mode::Exact),
        Way::Sparse => (115.0, Mode::Sparse),
    };
    RunOptions {
        memory: MemoryBudget::Percent(percent),
        mode: Some(mode),
        threads: Some(2),
        isa: Some(Isa::best()),
        guesses: Prefetching::Always,
        sequences: SEQUENCES,
        ..RunOptions::default()
    }
}

pub(crate) fn load(way: Way, options: RunOptions) -> Engine {
    let files = OpenModel::open(&tiny_opt_bundle()).unwrap();
    let prepared = match way {
        Way::Sparse => {
            PlannedEngine::with_predictor(files, options, Some(CONTEXT), Some(Box::new(Third)))
        }
        _ => PlannedEngine::new(files, options, Some(CONTEXT)),
    };
    let engine = prepared.unwrap().load(&mut |_, _| {}).unwrap();
    assert_eq!(engine.plan().all_resident, way == Way::Held);
    engine
}

/// Tokens that look random.
pub(crate) fn tokens(count: usize, seed: usize) -> Vec<u32> {
    (0..count).map(|i| ((i * i * 7 + i * 131 + seed * 977) % 4000 + 4) as u32).collect()
}

pub(crate) fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|logit| logit.to_bits()).collect()
}

/// The bits of the logits after each of `tokens`, fed to a sequence of its own.
pub(crate) fn alone(engine: &mut Engine, tokens: &[u32]) -> Result<Vec<Vec<u32>>, EngineError> {
    let mut rows = Vec::new();
    engine.with_sequence(|engine, sequence| {
        let cancel = CancelToken::default();
        engine.feed_all(sequence, tokens, &cancel, &mut |logits| rows.push(bits(logits)))
    })?;
    Ok(rows)
}

pub(crate) fn request(max_tokens: usize) -> Request {
    Request {
        prompt: tokens(12, 3),
        max_tokens,
        sampling: Sampling::greedy(),
        stop: Vec::new(),
        ignore_end: true,
    }
}

pub(crate) fn generated(
    engine: &mut Engine,
    request: &Request,
    cancel: &CancelToken,
) -> Result<Generated, EngineError> {
    let controls = Controls { cancel: cancel.clone(), ..Controls::default() };
    generate(engine, None, request, &controls, &mut |_| ControlFlow::Continue(()))
}
