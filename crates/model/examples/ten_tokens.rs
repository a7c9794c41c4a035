//! A tiny Llama of made-up weights, all in memory, that says ten tokens.

use flint_geometry::DType;
use flint_kernels::{Compute, Isa, KvElement, KvShape, KvStore, PagedKv, ops};
use flint_model::{Batch, Decoder, InMemoryWeights, MatrixFeedForward, Pass, describe};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = br#"{"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "vocab_size": 100, "max_position_embeddings": 128}"#;
    let (_, architecture) = describe(config)?;
    let compute = Compute::new(Isa::best(), 2)?;
    let mut weights = InMemoryWeights::new(compute.clone());
    for (seed, spec) in architecture.all_tensors().into_iter().enumerate() {
        let numbers = (0..spec.dims.iter().product())
            .map(|i: usize| ((i * 37 + seed * 11) % 101) as f32 / 101.0 - 0.5);
        let bytes = numbers.flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
        weights.insert(spec.role, DType::F32, &spec.dims, bytes)?;
    }
    let mut feed_forward = MatrixFeedForward::new(&architecture, compute.clone());
    let (layers, kv_heads, head_dim) =
        (architecture.layers, architecture.attention.kv_heads, architecture.attention.head_dim);
    let decoder = Decoder::new(architecture, compute);
    let mut kv = PagedKv::new(
        KvShape { layers, kv_heads, head_dim, element: KvElement::F32 },
        PagedKv::PAGE_TOKENS,
        8,
    );
    let (seq, mut next) = (kv.sequence(), vec![1, 2, 3]);
    for _ in 0..10 {
        let last = next.len() - 1;
        let batch = Batch::of_tokens(seq, kv.len(seq), &next, |index| index == last)?;
        batch.reserve(&mut kv)?;
        let mut hidden = decoder.embed(&mut weights, &batch)?;
        let mut pass = Pass {
            weights: &mut weights,
            feed_forward: &mut feed_forward,
            kv: &mut kv,
            batch: &batch,
        };
        for layer in 0..layers {
            hidden = decoder.layer(&mut pass, layer, hidden)?;
        }
        let logits = decoder.logits(&mut weights, &decoder.wanted(&batch, &hidden)?)?;
        let best = ops::with_slice(&logits, |row| {
            (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]))
        })?;
        next = vec![best.unwrap_or(0) as u32];
    }
    assert_eq!(kv.len(seq), 12);
    Ok(())
}
