//! What the file says about the model: sizes and constants, under the keys that llama.cpp reads.

use super::file_type::FileType;
use super::layout::Kind;
use crate::Refused;
use flint_checkpoint::gguf::NewValue;
use flint_model::{Architecture, NormKind, RotaryScaling};

/// The entries of an architecture.
pub(super) fn entries(
    name: &str,
    architecture: &Architecture,
    file_type: FileType,
) -> Result<Vec<(String, NewValue)>, Refused> {
    let kind = Kind::of(architecture)?.name();
    let attention = &architecture.attention;
    let rotary = attention.rotary.as_ref();
    let mut sizes = vec![
        ("context_length", architecture.context),
        ("embedding_length", architecture.hidden),
        ("block_count", architecture.layers),
        ("feed_forward_length", architecture.most_neurons()),
        ("attention.head_count", attention.heads),
        ("attention.head_count_kv", attention.kv_heads),
        ("attention.key_length", attention.head_dim),
        ("attention.value_length", attention.head_dim),
        ("rope.dimension_count", rotary.map_or(attention.head_dim, |rotary| rotary.dims)),
        ("vocab_size", architecture.vocabulary),
    ];
    if let Some(experts) = &architecture.experts {
        sizes.extend([
            ("expert_count", experts.count),
            ("expert_used_count", experts.routing.used),
            ("expert_feed_forward_length", experts.neurons),
        ]);
    }
    // Which layers have it is the family's matter.
    if let Some(window) = attention.window.values().flatten().next() {
        sizes.push(("attention.sliding_window", window));
    }
    let (norm, epsilon) = match architecture.norm {
        NormKind::Rms { epsilon } => ("attention.layer_norm_rms_epsilon", epsilon),
        NormKind::Layer { epsilon, .. } => ("attention.layer_norm_epsilon", epsilon),
    };
    let mut entries = vec![
        ("general.architecture".to_owned(), NewValue::Text(kind.to_owned())),
        ("general.name".to_owned(), NewValue::Text(format!("{name} of random weights"))),
        ("general.file_type".to_owned(), NewValue::U32(file_type.number())),
    ];
    for (key, size) in sizes {
        let size =
            u32::try_from(size).map_err(|_| Refused(format!("{key} {size} is too large")))?;
        entries.push((format!("{kind}.{key}"), NewValue::U32(size)));
    }
    entries.push((format!("{kind}.{norm}"), NewValue::F32(epsilon)));
    let theta = rotary.map_or(10000.0, |rotary| rotary.theta);
    entries.push((format!("{kind}.rope.freq_base"), NewValue::F32(theta as f32)));
    if let Some(RotaryScaling::Yarn { factor, fast, slow, original_context, .. }) =
        rotary.map(|rotary| rotary.scale)
    {
        let of = |key: &str| format!("{kind}.rope.scaling.{key}");
        entries.push((of("type"), NewValue::Text("yarn".to_owned())));
        let original = u32::try_from(original_context).unwrap_or(u32::MAX);
        entries.push((of("original_context_length"), NewValue::U32(original)));
        for (key, number) in
            [("factor", factor), ("yarn_beta_fast", fast), ("yarn_beta_slow", slow)]
        {
            entries.push((of(key), NewValue::F32(number as f32)));
        }
    }
    Ok(entries)
}
