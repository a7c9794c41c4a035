//! The rows of one pass: any sequences, at any positions.

use crate::{Architecture, ModelError};
use flint_kernels::{KvRow, KvStore, SeqId};
use std::collections::HashMap;

/// One token at one position of one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The sequence.
    pub seq: SeqId,
    /// Position in the sequence, from 0 on.
    pub position: usize,
    /// The token there.
    pub token: u32,
    /// Whether the logits after it are wanted.
    pub wants_logits: bool,
}

/// What a batch adds to one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The sequence.
    pub seq: SeqId,
    /// Position of its first row.
    pub first: usize,
    /// How many rows.
    pub rows: usize,
}

/// Rows that share a pass. The rows of a sequence have consecutive positions, in ascending order; the result of a row
/// does not depend on what else is in the batch.
#[derive(Debug, Clone)]
pub struct Batch {
    rows: Vec<Row>,
    places: Vec<KvRow>,
    spans: Vec<Span>,
}

impl Batch {
    /// A batch of `rows`.
    ///
    /// # Errors
    /// When there are none, or those of a sequence are not consecutive.
    pub fn new(rows: Vec<Row>) -> Result<Batch, ModelError> {
        if rows.is_empty() {
            return Err(ModelError::EmptyBatch);
        }
        let mut spans: Vec<Span> = Vec::new();
        let mut found: HashMap<SeqId, usize> = HashMap::new();
        for &Row { seq, position, .. } in &rows {
            let index = *found.entry(seq).or_insert(spans.len());
            if index == spans.len() {
                spans.push(Span { seq, first: position, rows: 0 });
            }
            let span = &mut spans[index];
            let next = span.first.saturating_add(span.rows);
            if position != next {
                return Err(ModelError::PositionOutOfOrder { position, next });
            }
            span.rows += 1;
        }
        let places = rows.iter().map(|row| KvRow { seq: row.seq, position: row.position });
        Ok(Batch { places: places.collect(), rows, spans })
    }

    /// Consecutive tokens of one sequence from position `first` on; `wants_logits` is asked by the index of each.
    ///
    /// # Errors
    /// When there are none.
    pub fn of_tokens(
        seq: SeqId,
        first: usize,
        tokens: &[u32],
        wants_logits: impl Fn(usize) -> bool,
    ) -> Result<Batch, ModelError> {
        let row = |(index, &token): (usize, &u32)| Row {
            seq,
            position: first.saturating_add(index),
            token,
            wants_logits: wants_logits(index),
        };
        Batch::new(tokens.iter().enumerate().map(row).collect())
    }

    /// The rows.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Where the rows stand.
    pub fn places(&self) -> &[KvRow] {
        &self.places
    }

    /// What is added to each sequence, in the order of their first rows.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Indices of the rows whose logits are wanted.
    pub fn wanted(&self) -> impl Iterator<Item = usize> + '_ {
        self.rows.iter().enumerate().filter(|(_, row)| row.wants_logits).map(|(index, _)| index)
    }

    /// Checks that a pass over the batch makes sense: known tokens, positions within the model's context, and
    /// sequences of `kv` that the rows continue.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn check(&self, architecture: &Architecture, kv: &dyn KvStore) -> Result<(), ModelError> {
        let Architecture { vocabulary, context, .. } = *architecture;
        for &Row { token, position, .. } in &self.rows {
            if token as usize >= vocabulary {
                return Err(ModelError::UnknownToken { token, vocabulary });
            }
            if position >= context {
                return Err(ModelError::PositionBeyondContext { position, context });
            }
        }
        for &Span { seq, first, .. } in &self.spans {
            if !kv.contains(seq) {
                return Err(ModelError::UnknownSequence { seq });
            }
            let next = kv.len(seq);
            if first != next {
                return Err(ModelError::PositionOutOfOrder { position: first, next });
            }
        }
        Ok(())
    }

    /// Makes room in `kv` for all rows.
    ///
    /// # Errors
    /// When there is none; every sequence is as before then.
    pub fn reserve(&self, kv: &mut dyn KvStore) -> Result<(), ModelError> {
        let reserved = self.spans.iter().try_for_each(|span| kv.reserve(span.seq, span.rows));
        if reserved.is_err() {
            self.rewind(kv);
        }
        Ok(reserved?)
    }

    /// Takes back what a pass that was not finished left in `kv`.
    pub fn rewind(&self, kv: &mut dyn KvStore) {
        for span in &self.spans {
            kv.truncate(span.seq, span.first);
        }
    }
}
