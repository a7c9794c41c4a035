//! Rough passes: exact weights where they are in memory, low-bit copies elsewhere. They write keys and values behind the
//! exact ones of their sequences, and are forgotten before anything exact is computed there.

use crate::draft::Host;
use crate::engine::Engine;
use crate::feed_forward::Neurons;
use crate::substitute::{RoughNeurons, RoughWeights, Substitutes};
use crate::{CancelToken, EngineError};
use flint_kernels::{KvStore, SeqId, ops};
use flint_model::{Batch, FeedForward, ModelError, Pass, Row};

/// An engine as drafts see it.
pub(super) struct RoughEngine<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) cancel: &'a CancelToken,
}

impl Host for RoughEngine<'_> {
    fn rough_pass(
        &mut self,
        rows: Vec<Row>,
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), EngineError> {
        let batch = Batch::new(rows)?;
        let Engine { decoder, kv, weights, neurons, substitutes, .. } = &mut *self.engine;
        let Some(substitutes) = substitutes else { return Ok(()) };
        batch.check(decoder.architecture(), kv)?;
        batch.reserve(kv)?;
        weights.begin_pass(self.cancel);
        let Substitutes { matrices: copies, neurons: copied } = substitutes;
        let mut weights = RoughWeights { exact: weights, copies };
        let mut rough;
        let feed_forward: &mut dyn FeedForward = match (neurons, copied) {
            (Neurons::Exact(exact), Some(copies)) => {
                rough = RoughNeurons { exact, copies };
                &mut rough
            }
            (neurons, _) => neurons,
        };
        let (layers, width) = (decoder.architecture().layers, decoder.architecture().vocabulary);
        let mut hidden = decoder.embed(&mut weights, &batch)?;
        for layer in 0..layers {
            self.cancel.check()?;
            let mut pass =
                Pass { weights: &mut weights, feed_forward: &mut *feed_forward, kv, batch: &batch };
            hidden = decoder.layer(&mut pass, layer, hidden)?;
        }
        let logits = decoder.logits(&mut weights, &hidden)?;
        ops::with_slice(&logits, |logits| {
            logits.chunks_exact(width).enumerate().for_each(|(row, logits)| each(row, logits));
        })
        .map_err(ModelError::from)?;
        Ok(())
    }

    fn forget(&mut self, seq: SeqId, len: usize) {
        self.engine.kv.truncate(seq, len);
    }

    fn cancel(&self) -> &CancelToken {
        self.cancel
    }
}
