//! Where a checkpoint keeps things: tensor names, and the rows of fused projections.

use crate::{Attention, LayerPart};
use std::ops::Range;

/// A tensor of a checkpoint, or some of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSource {
    /// Names it may have; the first that exists counts.
    pub names: Vec<String>,
    /// Which matrix of a stack it is, where the tensor is one of three sizes.
    pub stack: Option<Stack>,
    /// The rows to take; all when `None`.
    pub rows: Option<Rows>,
}

/// One matrix of a tensor of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stack {
    /// How many the tensor has.
    pub of: usize,
    /// Which one.
    pub at: usize,
}

/// Some rows of a tensor; of a vector, some numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// Rows that the tensor has in all.
    pub of: usize,
    /// Rows to put one after the other.
    pub ranges: Vec<Range<usize>>,
}

/// The projections of one layer's feed-forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeuronSources {
    /// neurons x hidden, in gated families.
    pub gate: Option<TensorSource>,
    /// neurons x hidden.
    pub up: TensorSource,
    /// hidden x neurons.
    pub down: TensorSource,
    /// One number per neuron.
    pub gate_bias: Option<TensorSource>,
    /// One number per neuron.
    pub up_bias: Option<TensorSource>,
}

impl TensorSource {
    /// All of one tensor that may have several names.
    pub fn whole(names: impl IntoIterator<Item = String>) -> TensorSource {
        TensorSource { names: names.into_iter().collect(), stack: None, rows: None }
    }

    /// The same, also under the names that it has where the model was saved without its head: then what holds all but the
    /// head has no name of its own.
    pub(crate) fn or_of_base_model(mut self) -> TensorSource {
        const WHOLE_BUT_HEAD: [&str; 2] = ["model.", "transformer."];
        for index in 0..self.names.len() {
            let name = &self.names[index];
            let short = WHOLE_BUT_HEAD.iter().find_map(|prefix| name.strip_prefix(prefix));
            let short = short.map(str::to_owned);
            self.names.extend(short);
        }
        self
    }

    /// The same, in the `at`-th of `of` matrices.
    pub(crate) fn stacked(self, of: usize, at: usize) -> TensorSource {
        TensorSource { stack: Some(Stack { of, at }), ..self }
    }

    /// The same, some of its rows.
    pub(crate) fn of_rows(self, of: usize, range: Range<usize>) -> TensorSource {
        let ranges = std::iter::once(range).collect();
        TensorSource { rows: Some(Rows { of, ranges }), ..self }
    }

    /// All of the tensor of this name.
    pub(crate) fn named(name: impl Into<String>) -> TensorSource {
        TensorSource::whole([name.into()])
    }
}

impl Rows {
    /// The rows of query, key or value in a fused projection: for each key and value head, the query
    /// heads that share it, then its key, then its value. With one such head that is plainly query, key,
    /// value; with as many as there are query heads it is query, key, value of each head.
    ///
    /// `None` for any other part.
    pub(crate) fn fused(attention: &Attention, part: LayerPart) -> Option<Rows> {
        let sharing = attention.heads / attention.kv_heads;
        let within = match part {
            LayerPart::Query(_) => 0..sharing,
            LayerPart::Key(_) => sharing..sharing + 1,
            LayerPart::Value(_) => sharing + 1..sharing + 2,
            _ => return None,
        };
        let group = sharing + 2;
        let row = |head: usize| head * attention.head_dim;
        let ranges = (0..attention.kv_heads)
            .map(|index| row(index * group + within.start)..row(index * group + within.end));
        Some(Rows { of: row(attention.kv_heads * group), ranges: ranges.collect() })
    }
}
