//! A tiny Llama of made-up weights, all in memory, that says ten tokens.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use flint_kernels::{Compute, DType, Isa, KvElement, KvShape, KvStore, PagedKv, ops};
use flint_model::{Batch, Decoder, InMemoryWeights, MatrixFeedForward, Pass, describe};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = br#"{"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "vocab_size": 100, "max_position_embeddings": 128}"#;
    let (_, architecture) = describe(config)?;
    let compute = Compute::new(Isa::best(), 2)?;
    let mut weights = InMemoryWeights::new(compute.clone());
    for (seed, spec) in architecture.all_tensors().into_iter().enumerate() {
        let count: usize = spec.dims.iter().product();
        let numbers = (0..count).map(|i| ((i * 7919 + seed * 617) % 1009) as f32 / 1009.0 - 0.5);
        let bytes: Vec<u8> = numbers.flat_map(f32::to_le_bytes).collect();
        weights.insert(spec.role, DType::F32, &spec.dims, bytes)?;
    }
    let mut feed_forward = MatrixFeedForward::new(&architecture, compute.clone());
    let shape = KvShape { layers: 2, kv_heads: 4, head_dim: 16, element: KvElement::F32 };
    let mut kv = PagedKv::new(shape, PagedKv::PAGE_TOKENS, 8);
    let decoder = Decoder::new(architecture, compute);
    let (seq, mut next) = (kv.sequence(), vec![1]);
    for _ in 0..10 {
        let batch = Batch::of_tokens(seq, kv.len(seq), &next, |_| true)?;
        batch.reserve(&mut kv)?;
        let logits = decoder.run(&mut Pass {
            weights: &mut weights,
            feed_forward: &mut feed_forward,
            kv: &mut kv,
            batch: &batch,
        })?;
        let best = ops::with_slice(&logits, |row| {
            (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]))
        })?;
        next = vec![best.unwrap_or(0) as u32];
        println!("{}", next[0]);
    }
    Ok(())
}
