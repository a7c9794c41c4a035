//! What the file says about the model: sizes and constants, under the keys that llama.cpp reads.

use super::container::Value;
use super::file_type::FileType;
use super::layout::Kind;
use crate::Refused;
use flint_model::{Architecture, NormKind};

/// The entries of an architecture.
pub(super) fn entries(
    name: &str,
    architecture: &Architecture,
    file_type: FileType,
) -> Result<Vec<(String, Value)>, Refused> {
    let kind = Kind::of(architecture)?.name();
    let attention = &architecture.attention;
    let rotary = attention.rotary.as_ref();
    let sizes = [
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
    let (norm, epsilon) = match architecture.norm {
        NormKind::Rms { epsilon } => ("attention.layer_norm_rms_epsilon", epsilon),
        NormKind::Layer { epsilon, .. } => ("attention.layer_norm_epsilon", epsilon),
    };
    let mut entries = vec![
        ("general.architecture".to_owned(), Value::Text(kind.to_owned())),
        ("general.name".to_owned(), Value::Text(format!("{name} of random weights"))),
        ("general.file_type".to_owned(), Value::U32(file_type.number())),
    ];
    for (key, size) in sizes {
        let size =
            u32::try_from(size).map_err(|_| Refused(format!("{key} {size} is too large")))?;
        entries.push((format!("{kind}.{key}"), Value::U32(size)));
    }
    entries.push((format!("{kind}.{norm}"), Value::F32(epsilon)));
    let theta = rotary.map_or(10000.0, |rotary| rotary.theta);
    entries.push((format!("{kind}.rope.freq_base"), Value::F32(theta as f32)));
    Ok(entries)
}
