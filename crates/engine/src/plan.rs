//! The memory split: what goes where, decided before weights are loaded.
//!
//! Order of claims: KV cache, predictors, buffers, dense weights, then neurons. Neurons get what is left:
//! pinned blocks and a read-ahead ring in exact mode, slots in sparse mode. Where even the dense weights
//! do not fit, as few of them as possible are streamed. The plan never changes mode, KV element type
//! or arithmetic; when the claims do not fit it names the floor.

mod blocks;
mod chunk;
mod copies;
mod costs;
mod dense;
mod experts;
mod limits;
mod substitute;

pub use blocks::{Block, BlockLayout, ExactPlan};
pub(crate) use copies::neuron_copy_bytes;
pub use costs::{Costs, Widths};
pub(crate) use costs::{KvPages, LOGIT_ROWS, ROWS_TOGETHER, context};
pub use dense::{DenseCosts, DensePlan, DenseTensor, StreamPlan};
pub use experts::{ExpertClass, ExpertCosts, ExpertPlan};
pub(crate) use limits::{MAX_NEURONS_PER_ROUND, MIN_PREFETCH, PREFETCH_SHARE, can_prefetch};
pub use substitute::{NoSubstitute, SubstitutePlan};

use crate::memory::{MemoryBudget, allowance, process_memory};
use crate::{EngineError, Mode};
use chunk::chunk_and_dense;
use flint_dram_cache::CacheConfig;

/// Slots of the smallest sparse cache: below this, sets are computed in too many rounds to be of use.
const LEAST_SLOTS: u32 = 64;

/// Share of the budget that each ring of dense weights may take where it is longer than the least, as a divisor.
const RING_SHARE: u64 = 64;

/// What threads, rings and the allocator take beyond what is in use when planning starts.
const PROCESS_GROWTH: u64 = 8 << 20;

/// Advice about absolute budgets is rounded up to this.
const ASK_GRAIN: u64 = 1 << 20;

/// Stack that a compute thread touches.
const THREAD_GROWTH: u64 = 64 << 10;

/// Where memory goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Which neurons will be computed.
    pub mode: Mode,
    /// Tokens of context that a sequence may have.
    pub context: usize,
    /// Most rows that go through a layer together.
    pub chunk: usize,
    /// Bytes of all weights of the model, as stored.
    pub weights_bytes: u64,
    /// What the user allowed, in bytes: for the whole process, or (percent) without its fixed overhead.
    pub budget_bytes: u64,
    /// What limits the budget, for the report.
    pub bound: String,
    /// What weights, predictors, slots, KV cache and buffers may take.
    pub available_bytes: u64,
    /// Dense weights in memory, with the buffers to read the others through.
    pub resident_bytes: u64,
    /// Predictors.
    pub predictor_bytes: u64,
    /// Keys and values of all sequences, when full.
    pub kv_bytes: u64,
    /// All that a model takes which drafts, keys and values included.
    pub draft_model_bytes: u64,
    /// Activations, logits, checksums.
    pub buffer_bytes: u64,
    /// Neurons in memory: pinned, cached, and on their way.
    pub cache_bytes: u64,
    /// Code, tokenizer, stacks: estimated before loading.
    pub process_bytes: u64,
    /// The least that this run could do with.
    pub floor_bytes: u64,
    /// Whether every neuron stays in memory.
    pub all_resident: bool,
    /// Which dense weights are held.
    pub dense: DensePlan,
    /// How the neurons are held.
    pub neurons: NeuronPlan,
    /// Copies in 4 bits of what is streamed, where drafts are made with such.
    pub substitute: Option<SubstitutePlan>,
}

/// How neurons are held in memory.
#[derive(Debug, Clone, PartialEq)]
pub enum NeuronPlan {
    /// Exact mode: blocks pinned or streamed in order.
    Exact(ExactPlan),
    /// Sparse mode: a cache of slots.
    Sparse {
        /// What the cache is for.
        config: CacheConfig,
        /// Bytes that it may take.
        bytes: u64,
    },
    /// A mixture of experts: caches of whole experts.
    Experts(ExpertPlan),
}

impl Plan {
    /// Everything that was claimed, in bytes; at most `available_bytes`.
    pub fn claimed_bytes(&self) -> u64 {
        self.resident_bytes
            + self.predictor_bytes
            + self.kv_bytes
            + self.draft_model_bytes
            + self.buffer_bytes
            + self.cache_bytes
            + self.copy_bytes()
    }

    /// Copies in 4 bits of what is streamed, for drafts.
    pub fn copy_bytes(&self) -> u64 {
        self.substitute.as_ref().map_or(0, |copies| copies.bytes)
    }

    /// Bytes that the whole process may come to take by this plan's budget.
    pub fn whole_process_bytes(&self) -> u64 {
        self.available_bytes.saturating_add(self.process_bytes)
    }

    /// Splits the budget.
    ///
    /// # Errors
    /// When the budget is below the floor, or is `auto` where the system does not say what it has.
    pub fn make(costs: &Costs, budget: MemoryBudget) -> Result<Plan, EngineError> {
        let available = Available::of(budget, costs)?;
        let floor = costs.floor(1, &DensePlan::least(&costs.dense));
        if floor > available.bytes {
            return Err(below_floor(costs, budget, &available, floor));
        }
        let (chunk, mut dense) = chunk_and_dense(costs, available.bytes);
        if costs.nothing_resident {
            dense = DensePlan::least(&costs.dense);
        }
        let room = available.bytes.saturating_sub(costs.floor(chunk, &dense));
        let alone = costs.mode == Mode::Exact;
        dense = dense.with_long_rings(&costs.dense, available.bytes / RING_SHARE, room, alone);
        let mut left = available.bytes - costs.fixed(chunk, &dense);
        let (mut neurons, mut cache_bytes, all_resident) = split_neurons(costs, left);
        let streams = costs.blocks.neurons > 0 || costs.experts.is_some();
        if !all_resident && streams && dense.by_row.is_empty() {
            // A table of which a token needs one row is worth less memory than any neuron.
            let by_row = DensePlan::hold_matrices(&costs.dense);
            if by_row.bytes < dense.bytes {
                left += dense.bytes - by_row.bytes;
                dense = by_row;
                (neurons, cache_bytes, _) = split_neurons(costs, left);
            }
        }
        Ok(Plan {
            mode: costs.mode,
            context: costs.context,
            chunk,
            weights_bytes: costs.weights_bytes,
            budget_bytes: available.asked,
            bound: available.bound,
            available_bytes: available.bytes,
            resident_bytes: dense.bytes,
            predictor_bytes: costs.predictor_bytes,
            kv_bytes: costs.kv_bytes,
            draft_model_bytes: costs.draft_model_bytes,
            buffer_bytes: costs.buffers(chunk),
            cache_bytes,
            process_bytes: available.process,
            floor_bytes: floor,
            all_resident: all_resident && (costs.blocks.neurons > 0 || dense.holds_all()),
            dense,
            neurons,
            substitute: None,
        })
    }
}

fn split_neurons(costs: &Costs, left: u64) -> (NeuronPlan, u64, bool) {
    if let Some(experts) = &costs.experts {
        let mut plan = ExpertPlan::make(experts, left);
        if costs.nothing_resident {
            plan = plan.with_nothing_kept();
        }
        let (bytes, all) = (plan.bytes(), plan.all_resident());
        return (NeuronPlan::Experts(plan), bytes, all);
    }
    match costs.mode {
        Mode::Exact => {
            let mut exact = ExactPlan::make(costs.blocks, left);
            if costs.nothing_resident {
                exact = exact.with_nothing_pinned();
            }
            let (bytes, all) = (exact.bytes(), exact.all_pinned());
            (NeuronPlan::Exact(exact), bytes, all)
        }
        Mode::Sparse => {
            let config = costs.cache.clone();
            let slots = config.slots_for(left);
            let bytes = config.bytes_for(slots);
            let records: u64 = config.groups.iter().map(|&neurons| u64::from(neurons)).sum();
            (NeuronPlan::Sparse { config, bytes }, bytes, u64::from(slots) == records)
        }
    }
}

impl Costs {
    /// Everything but neurons, with chunks of `chunk` tokens.
    fn fixed(&self, chunk: usize, dense: &DensePlan) -> u64 {
        dense.bytes
            + self.predictor_bytes
            + self.kv_bytes
            + self.draft_model_bytes
            + self.buffers(chunk)
    }

    /// The least that a run with chunks of `chunk` tokens can do with.
    fn floor(&self, chunk: usize, dense: &DensePlan) -> u64 {
        let neurons = match self.mode {
            _ if self.experts.is_some() => {
                self.experts.as_ref().map_or(0, ExpertCosts::least_bytes)
            }
            Mode::Exact => ExactPlan::least_bytes(self.blocks),
            Mode::Sparse => {
                let records: u64 = self.cache.groups.iter().map(|&n| u64::from(n)).sum();
                self.cache.bytes_for(LEAST_SLOTS.min(records as u32))
            }
        };
        self.fixed(chunk, dense) + neurons
    }
}

/// What a budget comes to.
struct Available {
    /// In the user's terms.
    asked: u64,
    /// For weights, predictors, slots, KV cache and buffers.
    bytes: u64,
    process: u64,
    bound: String,
}

impl Available {
    fn of(budget: MemoryBudget, costs: &Costs) -> Result<Available, EngineError> {
        let threads = costs.widths.threads() as u64;
        // Predictors that are in memory already have a claim of their own.
        let resident = process_memory().resident.saturating_sub(costs.predictors_in_memory);
        let process = resident + PROCESS_GROWTH + threads * THREAD_GROWTH;
        let whole_process = |asked: u64, bound: String| {
            Ok(Available { asked, bytes: asked.saturating_sub(process), process, bound })
        };
        match budget {
            MemoryBudget::Absolute(bytes) => whole_process(bytes, "--memory".to_owned()),
            MemoryBudget::Percent(percent) => {
                let asked = (costs.weights_bytes as f64 * percent / 100.0) as u64;
                Ok(Available {
                    asked,
                    bytes: asked,
                    process,
                    bound: format!("--memory {percent}%"),
                })
            }
            MemoryBudget::Auto => {
                let resident = process_memory().resident;
                let allowed = allowance(resident).ok_or(EngineError::UnknownAllowance)?;
                whole_process(allowed.bytes, allowed.bound)
            }
        }
    }
}

fn below_floor(
    costs: &Costs,
    budget: MemoryBudget,
    available: &Available,
    floor: u64,
) -> EngineError {
    let ask = match budget {
        MemoryBudget::Percent(_) => {
            let percent = floor as f64 * 100.0 / costs.weights_bytes as f64;
            format!("{}% ({floor} bytes)", percent.ceil())
        }
        // What the process takes differs a little from run to run: the advice must hold in the next one.
        _ => {
            format!("{} bytes", (floor + available.process + ASK_GRAIN).next_multiple_of(ASK_GRAIN))
        }
    };
    let dense = DensePlan::least(&costs.dense).bytes;
    let resident = dense + costs.predictor_bytes + costs.draft_model_bytes;
    EngineError::BelowFloor {
        budget: available.asked,
        floor,
        ask,
        resident,
        sequences: costs.sequences,
        context: costs.context,
        kv: costs.kv_bytes,
        buffers: floor - resident - costs.kv_bytes,
    }
}
