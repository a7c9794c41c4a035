//! How many rows of a prompt go through a layer together, and which matrices are streamed beside their buffers.

use super::{Costs, DensePlan};

/// Chunks longer than this are for prompts alone, and must not take memory that every token after the prompt
/// would rather have for weights: their buffers may take this share of the budget, as a divisor.
const LONG_CHUNK: usize = 64;
const LONG_CHUNK_SHARE: u64 = 32;

/// Chunks shorter than this cost more time for the prompt than streaming matrices saves memory.
const LEAST_CHUNK: usize = 8;

/// The longest chunk, and the fewest streamed matrices with it, that fit. A shorter chunk needs less memory and gives the
/// same result, only the prompt takes longer; so chunks give way where all matrices can stay then. Where some are streamed
/// anyway, a prompt reads them once per chunk, and a shorter one would save next to nothing.
pub(super) fn chunk_and_dense(costs: &Costs, available: u64) -> (usize, DensePlan) {
    let mut chunk = costs.chunk.clamp(1, costs.context);
    let all = DensePlan::hold_all(&costs.dense);
    while chunk > LONG_CHUNK && costs.buffers(chunk) > available / LONG_CHUNK_SHARE {
        chunk = (chunk / 2).max(LONG_CHUNK);
    }
    let mut short = chunk;
    while short > LEAST_CHUNK && costs.floor(short, &all) > available {
        short = (short / 2).max(LEAST_CHUNK);
    }
    let streams = costs.floor(short, &all) > available;
    while streams && chunk > LEAST_CHUNK && costs.buffers(chunk) > available / LONG_CHUNK_SHARE {
        chunk = (chunk / 2).max(LEAST_CHUNK);
    }
    if !streams {
        chunk = short;
    }
    loop {
        let others = costs.floor(chunk, &all) - all.bytes;
        let dense = DensePlan::within(&costs.dense, available.saturating_sub(others));
        if chunk == 1 || others + dense.bytes <= available {
            return (chunk, dense);
        }
        chunk /= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mode;
    use crate::plan::{BlockLayout, DenseCosts, DenseTensor, Widths};
    use flint_dram_cache::{CacheConfig, PolicyKind};

    const LLAMA: &str = r#"{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 4096,
        "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
        "vocab_size": 32000, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "hidden_act": "silu",
        "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float16"}"#;

    /// A model of seven billion weights as files of f16 hold it.
    fn costs() -> Costs {
        let (_, architecture) = flint_model::describe(LLAMA.as_bytes()).unwrap();
        let tensors = architecture.all_tensors().into_iter().map(|spec| {
            let columns = *spec.dims.last().unwrap() as u64;
            let rows = if spec.dims.len() > 1 { spec.dims[0] as u64 } else { 1 };
            let table = rows == 32_000 && spec.role != architecture.head_matrix();
            DenseTensor {
                role: spec.role,
                rows,
                row_bytes: 2 * columns,
                held_bytes: 2 * columns * rows,
                copy_bytes: None,
                table,
                matrix: rows > 1 && !table,
                for_logits: spec.role == architecture.head_matrix(),
            }
        });
        let tensors: Vec<DenseTensor> = tensors.collect();
        Costs {
            mode: Mode::Exact,
            sequences: 1,
            context: 1024,
            chunk: 512,
            weights_bytes: tensors.iter().map(|tensor| tensor.held_bytes).sum(),
            dense: DenseCosts { tensors, bias_bytes: 0, alignment: 512 },
            predictor_bytes: 0,
            predictors_in_memory: 0,
            kv_bytes: 1 << 29,
            draft_model_bytes: 0,
            tables_bytes: 0,
            widths: Widths::of(&architecture, 1024, 2),
            nothing_resident: false,
            blocks: BlockLayout::NONE,
            neuron_copy: Some(0),
            cache: CacheConfig {
                groups: Vec::new(),
                slot_bytes: 512,
                policy: PolicyKind::default(),
            },
            experts: None,
        }
    }

    #[test]
    fn prompts_read_what_is_streamed_in_few_passes() {
        let costs = costs();
        for percent in [25, 50, 75] {
            let available = costs.weights_bytes * percent / 100;
            let (chunk, dense) = chunk_and_dense(&costs, available);
            assert!(!dense.body.matrices.is_empty(), "{percent}");
            assert!(chunk >= 128, "{percent} %: {chunk}");
            assert!(costs.buffers(chunk) <= available / LONG_CHUNK_SHARE);
            assert!(costs.floor(chunk, &dense) <= available);
        }
    }

    #[test]
    fn chunks_give_way_where_all_matrices_can_stay_then() {
        let costs = costs();
        let all = DensePlan::hold_all(&costs.dense);
        for most in [16, 64] {
            let available = costs.floor(most, &all);
            let (chunk, dense) = chunk_and_dense(&costs, available);
            assert!(chunk <= most && chunk >= LEAST_CHUNK, "{chunk}");
            assert!(dense.body.matrices.is_empty() && dense.head.matrices.is_empty());
        }
        // The least that a run can do with.
        let least = costs.floor(1, &DensePlan::least(&costs.dense));
        let (chunk, dense) = chunk_and_dense(&costs, least);
        assert!(chunk == 1 && costs.floor(chunk, &dense) <= least, "{chunk}");
    }
}
