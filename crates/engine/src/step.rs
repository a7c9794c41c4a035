//! One forward pass over a batch.
//!
//! For each layer: where that pays, its neurons are predicted early and read during attention; attention of every row
//! over its own sequence runs on dense weights; the predictor turns the input of the feed-forward into a neuron set per
//! row; the cache splits their union into resident slots and misses; misses become sorted extents, merged and read
//! straight into free slots; meanwhile gate and up of the neurons already there are computed; each completed read makes
//! its neurons ready; the down projection adds them in ascending order. In exact mode the set is every neuron: pinned
//! ones at once, the rest streamed in order.

mod remaining;

use crate::engine::Engine;
use crate::observed::LayerPass;
use crate::{CancelToken, EngineError};
use candle_core::Tensor;
use flint_kernels::{KvStore, SeqId, ops};
use flint_model::{Batch, ModelError, Pass};
use remaining::Remaining;
use std::time::Instant;

/// What a pass gives: the rows of its batch whose logits were wanted, for [`Engine::logits`].
#[derive(Debug, Clone)]
pub struct StepOutput {
    /// Hidden states after the last layer, (rows x hidden); `None` where no row was wanted.
    hidden: Option<Tensor>,
    rows: Vec<usize>,
    /// Sequences whose rows were left out on the way.
    left_out: Vec<SeqId>,
}

impl StepOutput {
    /// Indices in the batch of the rows whose logits were wanted.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// Sequences that did not want their rows any more: they are as they were before the step.
    pub fn left_out(&self) -> &[SeqId] {
        &self.left_out
    }
}

/// Who listens to a pass.
struct Watch<'a> {
    /// Hears how many layers are done, but for the last.
    progress: &'a mut dyn FnMut(usize),
    /// Says whether a sequence still wants its rows.
    stays: &'a mut dyn FnMut(SeqId) -> bool,
}

impl Engine {
    /// Runs a batch through all layers; its rows become part of their sequences. A row's result depends on nothing but
    /// the tokens of its own sequence.
    ///
    /// # Errors
    /// When the batch does not fit the sequences, the planned context or the memory for keys and values, when `cancel`
    /// asks for the end, or when a read fails. Every sequence is as before then, and the engine may be used on.
    pub fn step(&mut self, batch: &Batch, cancel: &CancelToken) -> Result<StepOutput, EngineError> {
        self.step_watched(batch, cancel, &mut |_| {})
    }

    /// The same; before each layer `stays` is asked of every sequence whether it still wants its rows. Those of one that
    /// does not are left out from there on.
    ///
    /// # Errors
    /// As for [`Engine::step`]; [`EngineError::Cancelled`] as well when nobody wants any rows.
    pub fn step_while(
        &mut self,
        batch: &Batch,
        cancel: &CancelToken,
        stays: &mut dyn FnMut(SeqId) -> bool,
    ) -> Result<StepOutput, EngineError> {
        self.run_step(batch, cancel, &mut Watch { progress: &mut |_| {}, stays })
    }

    /// The same; `progress` hears how many layers are done, but for the last.
    pub(crate) fn step_watched(
        &mut self,
        batch: &Batch,
        cancel: &CancelToken,
        progress: &mut dyn FnMut(usize),
    ) -> Result<StepOutput, EngineError> {
        self.run_step(batch, cancel, &mut Watch { progress, stays: &mut |_| true })
    }

    fn run_step(
        &mut self,
        batch: &Batch,
        cancel: &CancelToken,
        watch: &mut Watch<'_>,
    ) -> Result<StepOutput, EngineError> {
        self.check(batch)?;
        cancel.check()?;
        batch.reserve(&mut self.kv)?;
        self.weights.begin_pass(cancel);
        let begun = self.neurons.begin_pass(batch, cancel);
        let passed = begun.and_then(|()| self.pass(batch, cancel, watch));
        match &passed {
            Ok(output) => {
                let left = batch.spans().iter().filter(|it| output.left_out.contains(&it.seq));
                left.for_each(|span| self.kv.truncate(span.seq, span.first));
                self.neurons.end_pass();
                self.passes += 1;
                self.rows += batch.rows().len() as u64;
            }
            Err(_) => {
                batch.rewind(&mut self.kv);
                self.neurons.abandon_pass();
            }
        }
        tracing::trace!(rows = batch.rows().len(), ok = passed.is_ok(), "pass");
        passed
    }

    fn check(&self, batch: &Batch) -> Result<(), EngineError> {
        let (rows, limit) = (batch.rows().len(), self.plan.chunk);
        if rows > limit {
            return Err(EngineError::BatchTooLong { rows, limit });
        }
        batch.check(self.decoder.architecture(), &self.kv)?;
        let needed = batch.spans().iter().map(|span| span.first + span.rows).max().unwrap_or(0);
        match self.plan.context {
            limit if needed > limit => {
                Err(EngineError::ContextTooLong { what: "the sequence", needed, limit })
            }
            _ => Ok(()),
        }
    }

    fn pass(
        &mut self,
        batch: &Batch,
        cancel: &CancelToken,
        watch: &mut Watch<'_>,
    ) -> Result<StepOutput, EngineError> {
        let Engine { decoder, weights, neurons, kv, last_pass, .. } = self;
        last_pass.clear();
        let position = batch.rows()[0].position;
        let mut hidden = decoder.embed(weights, batch)?;
        let mut remaining = Remaining::new(batch);
        for layer in 0..decoder.architecture().layers {
            if layer > 0 {
                (watch.progress)(layer);
            }
            cancel.check()?;
            if let Some(kept) = remaining.shrink(watch.stays)? {
                hidden = remaining::select(&hidden, &kept)?;
                neurons.narrow_pass(remaining.batch());
            }
            let (began, before) = (Instant::now(), neurons.bytes_read() + weights.bytes_read());
            let batch = remaining.batch();
            let mut pass = Pass { weights, feed_forward: neurons, kv, batch };
            hidden =
                decoder.layer(&mut pass, layer, hidden).map_err(|error| match error.into() {
                    EngineError::Cancelled => EngineError::Cancelled,
                    cause => EngineError::InPass { layer, position, cause: Box::new(cause) },
                })?;
            let bytes_read = neurons.bytes_read() + weights.bytes_read() - before;
            last_pass.push(LayerPass { bytes_read, time: began.elapsed() });
        }
        let batch = remaining.batch();
        let rows: Vec<usize> = batch.wanted().collect();
        let hidden = match rows.len() {
            0 => None,
            all if all == batch.rows().len() => Some(hidden),
            _ => Some(decoder.wanted(batch, &hidden)?),
        };
        let rows = rows.into_iter().map(|row| remaining.original(row)).collect();
        Ok(StepOutput { hidden, rows, left_out: remaining.into_left_out() })
    }

    /// Computes the logits that a step was asked for, some rows at a time, and hands each row to `each` with its index
    /// in the batch.
    ///
    /// # Errors
    /// When a number is not finite, `cancel` asks for the end, or a read fails. The sequences keep what the step added.
    pub fn logits(
        &mut self,
        output: &StepOutput,
        cancel: &CancelToken,
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), EngineError> {
        self.logits_while(output, cancel, &mut |row, logits| {
            each(row, logits);
            row + 1
        })
    }

    /// The same where what is wanted follows from the logits so far: `each` says which row of the batch is the next that is
    /// wanted, and those before it are left out. Some that are not wanted may be computed, but `each` hears nothing of them.
    ///
    /// # Errors
    /// As for [`Engine::logits`].
    pub fn logits_while(
        &mut self,
        output: &StepOutput,
        cancel: &CancelToken,
        each: &mut dyn FnMut(usize, &[f32]) -> usize,
    ) -> Result<(), EngineError> {
        let Some(hidden) = &output.hidden else { return Ok(()) };
        self.weights.begin_pass(cancel);
        let (mut first, mut wanted, most) = (0, 0, self.plan.logit_rows());
        while first < output.rows.len() {
            cancel.check()?;
            let rows = &output.rows[first..output.rows.len().min(first + most)];
            let some = hidden.narrow(0, first, rows.len()).map_err(ModelError::from)?;
            let logits = self.decoder.logits(&mut self.weights, &some)?;
            ops::with_slice(&logits, |logits| {
                let width = logits.len() / rows.len();
                for (&row, logits) in rows.iter().zip(logits.chunks_exact(width)) {
                    if row >= wanted {
                        finite(logits)?;
                        wanted = each(row, logits);
                    }
                }
                Ok::<(), EngineError>(())
            })
            .map_err(ModelError::from)??;
            let behind = output.rows[first..].iter();
            let skipped = rows.len().max(behind.take_while(|&&row| row < wanted).count());
            first += skipped;
        }
        Ok(())
    }

    /// Forward passes that were finished.
    pub fn passes(&self) -> u64 {
        self.passes
    }

    /// Rows that went through them.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

fn finite(logits: &[f32]) -> Result<(), EngineError> {
    match logits.iter().position(|logit| !logit.is_finite()) {
        Some(token) => Err(EngineError::LogitNotFinite { token, value: logits[token] }),
        None => Ok(()),
    }
}
