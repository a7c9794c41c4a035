//! What each part of a run takes, in bytes, before it is known what fits.

use super::{BlockLayout, DenseCosts, ExpertCosts, MAX_NEURONS_PER_ROUND};
use crate::draft::MOST_DRAFTED;
use crate::{EngineError, Mode, RunOptions};
use flint_dram_cache::CacheConfig;
use flint_geometry::ModelShape;
use flint_kernels::{KvShape, PagedKv};
use flint_model::Architecture;

/// Rows of logits that are computed together when every position's are wanted.
pub(crate) const LOGIT_ROWS: usize = 4;

/// Rows from which on experts are no longer computed together: a bound of the memory that their rows take.
pub(crate) const ROWS_TOGETHER: usize = 32;

/// What each part of a run takes.
#[derive(Debug, Clone)]
pub struct Costs {
    /// Which neurons will be computed.
    pub mode: Mode,
    /// Sequences that have a whole context each.
    pub sequences: usize,
    /// Tokens of context.
    pub context: usize,
    /// Prompt tokens per chunk that were asked for.
    pub chunk: usize,
    /// Bytes of all weights, as stored.
    pub weights_bytes: u64,
    /// Dense weights and neuron biases.
    pub dense: DenseCosts,
    /// Bytes of the predictors, as held in memory.
    pub predictor_bytes: u64,
    /// How many of those this process has in memory already.
    pub predictors_in_memory: u64,
    /// Bytes of keys and values, for the whole context of every sequence.
    pub kv_bytes: u64,
    /// All that a model takes which drafts.
    pub draft_model_bytes: u64,
    /// Bytes of checksums and tables, whatever the chunk.
    pub tables_bytes: u64,
    /// Widths that decide the size of activations.
    pub widths: Widths,
    /// Whether all weights are read for each pass, to measure what holding them is worth.
    pub nothing_resident: bool,
    /// How neurons are cut into blocks in exact mode.
    pub blocks: BlockLayout,
    /// Bytes of the copy of a neuron in 4 bits; zero where neurons are not records, `None` where there is none to be had.
    pub neuron_copy: Option<u64>,
    /// What a slot cache would be for.
    pub cache: CacheConfig,
    /// The experts, where the model has some.
    pub experts: Option<ExpertCosts>,
}

/// Numbers per token that a forward pass holds.
#[derive(Debug, Clone, Copy)]
pub struct Widths {
    hidden: usize,
    query: usize,
    kv: usize,
    neurons: usize,
    /// Beside what a feed-forward of one matrix takes.
    experts: usize,
    /// Experts of a row, and numbers of a row that goes through one: what it is given and gives, its gate and up.
    together: (usize, usize),
    vocabulary: usize,
    context: usize,
    threads: usize,
}

impl Widths {
    /// Compute threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The widths of a model computed by `threads` threads.
    pub fn of(architecture: &Architecture, context: usize, threads: usize) -> Widths {
        Widths {
            hidden: architecture.hidden.max(architecture.embedding.width),
            query: architecture.query_width(),
            kv: architecture.kv_width(),
            neurons: match &architecture.experts {
                Some(experts) if experts.dense_layers == 0 => experts.neurons.max(experts.shared),
                _ => architecture.most_neurons(),
            },
            experts: architecture.experts.as_ref().map_or(0, |experts| {
                // What each route gives, the rows of an expert and what it gives for them, and the router's outputs with their
                // scores. Gate and up are counted as those of other feed-forwards are.
                (experts.routing.used + 3) * architecture.hidden + 3 * experts.count
            }),
            together: architecture.experts.as_ref().map_or((0, 0), |experts| {
                (experts.routing.used, 2 * (architecture.hidden + experts.neurons))
            }),
            vocabulary: architecture.vocabulary,
            context,
            threads,
        }
    }
}

impl Costs {
    /// Activations of a chunk of `chunk` tokens, logits and tables.
    pub fn buffers(&self, chunk: usize) -> u64 {
        let w = &self.widths;
        // Alive together at most: hidden, block input, sum, one temporary; query before and after
        // rotation, mixed values; key and value; activations of the neurons computed together, in sparse
        // mode also those of the neurons just read, the score of every neuron, what its column is multiplied with, and the set of
        // each position.
        let together = w.neurons.min(MAX_NEURONS_PER_ROUND.max(self.blocks.block_neurons as usize));
        let neurons = match self.mode {
            // As matrices: gate, up, activations and the product on its way.
            Mode::Exact if self.blocks.neurons == 0 => 4 * w.neurons,
            Mode::Exact => together,
            Mode::Sparse => 2 * together + 3 * w.neurons,
        };
        let per_token = 4 * w.hidden + 3 * w.query + 3 * w.kv + neurons + w.experts;
        // As a tensor, as numbers, and two numbers per candidate of the sampler.
        let logits = w.vocabulary * if chunk > 1 { 2 * LOGIT_ROWS } else { 4 };
        let scores = w.context * w.threads;
        // Rows of experts that are computed with the largest one.
        let (used, row) = w.together;
        let experts = row * ROWS_TOGETHER.min(used * chunk);
        // A streamed product is put together from parts.
        let numbers = chunk * (per_token + w.hidden.max(w.query)) + logits + scores + experts;
        self.tables_bytes + numbers as u64 * 4
    }
}

impl Costs {
    /// Bytes that logits of all rows of a draft take more than those of some.
    pub(super) fn more_logits(&self) -> u64 {
        let rows = (MOST_DRAFTED + 1).saturating_sub(LOGIT_ROWS);
        (self.widths.vocabulary * 2 * rows * size_of::<f32>()) as u64
    }
}

/// Pages of keys and values: for every sequence a whole context.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KvPages {
    shape: KvShape,
    page_tokens: usize,
    pages: usize,
}

impl KvPages {
    /// What a run needs whose sequences have `context` tokens each.
    pub(crate) fn of(architecture: &Architecture, context: usize, options: &RunOptions) -> KvPages {
        let attention = &architecture.attention;
        let shape = KvShape {
            layers: architecture.layers,
            kv_heads: attention.kv_heads,
            head_dim: attention.head_dim,
            element: options.kv,
        };
        // A short context needs no longer page.
        let page_tokens = options.kv_page.clamp(1, context.max(1));
        let pages = options.sequences.max(1).saturating_mul(context.div_ceil(page_tokens));
        KvPages { shape, page_tokens, pages }
    }

    /// Bytes of all pages.
    pub(crate) fn bytes(&self) -> u64 {
        PagedKv::bytes_for(&self.shape, self.page_tokens, self.pages)
    }

    /// The store of them, without memory yet.
    pub(crate) fn store(&self) -> PagedKv {
        PagedKv::new(self.shape, self.page_tokens, self.pages)
    }
}

/// The context of a run: what was asked for, else what is needed, within the model's limit.
pub(crate) fn context(
    shape: &ModelShape,
    asked: Option<usize>,
    needed: Option<usize>,
) -> Result<usize, EngineError> {
    let limit = shape.context as usize;
    match asked {
        Some(asked) if asked > limit => {
            Err(EngineError::ContextTooLong { what: "-c", needed: asked, limit })
        }
        Some(asked) => Ok(asked.max(1)),
        None => Ok(needed.unwrap_or(limit).clamp(1, limit)),
    }
}
